"""The classifier of late arrivals: a table of features -> tensors -> the logit of arriving more than 15 minutes late.

Columns tell by their type what they are: numbers are standardised, texts become embeddings. What was learnt of the
training rows (means, spreads, vocabularies) travels with the weights in one file that holds tensors and plain values
only, so that it is read without running code (`weights_only=True`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor, nn
from torch.utils.dlpack import from_dlpack

__all__ = ["DelayModel", "Encoding", "labels", "load_model", "save_model"]

NOT_FEATURES = ("flight_id", "month", "is_late")
_LIMIT = 5.0  # standard deviations; a delay of ten hours says no more than one of four


@dataclass(frozen=True)
class Encoding:
    """How a table becomes tensors, learnt from the training rows.

    Fields: `means` and `spreads` of the numeric columns; `gaps`, those of them with unknown values, which get a column
    of their own that says so; `vocabularies` of the text columns, where code 0 is any text not seen in training.
    """

    means: Mapping[str, float]
    spreads: Mapping[str, float]
    gaps: Sequence[str]
    vocabularies: Mapping[str, Sequence[str]]

    @classmethod
    def learnt_from(cls, table: pa.Table) -> Encoding:
        features = [name for name in table.column_names if name not in NOT_FEATURES]
        texts = [name for name in features if pa.types.is_string(table.schema.field(name).type)]
        numbers = [name for name in features if name not in texts]
        return cls(
            means={name: pc.mean(table[name]).as_py() or 0.0 for name in numbers},
            spreads={name: pc.stddev(table[name]).as_py() or 1.0 for name in numbers},
            gaps=[name for name in numbers if table[name].null_count],
            vocabularies={name: sorted(pc.unique(table[name]).drop_null().to_pylist()) for name in texts},
        )

    @property
    def width(self) -> int:
        """The number of columns of the first tensor that `encode` gives."""
        return len(self.means) + len(self.gaps)

    def encode(self, table: pa.Table) -> tuple[Tensor, Tensor]:
        """Numbers, float32 of shape (rows, width), 0 where unknown; codes, int64 of shape (rows, vocabularies)."""
        numbers = [
            ((_tensor(table[name], pa.float32(), self.means[name]) - self.means[name]) / self.spreads[name]).clamp(
                -_LIMIT, _LIMIT
            )
            for name in self.means
        ]
        gaps = [_tensor(pc.is_null(table[name]), pa.float32(), 0.0) for name in self.gaps]
        codes = [
            _tensor(pc.index_in(table[name], pa.array(words, pa.string())), pa.int64(), -1) + 1
            for name, words in self.vocabularies.items()
        ]
        return torch.stack(numbers + gaps, dim=1), torch.stack(codes, dim=1)


class DelayModel(nn.Module):
    """Layers of 64 and 32 over the numbers and an embedding for each text column."""

    def __init__(self, encoding: Encoding) -> None:
        super().__init__()
        sizes = [len(words) + 1 for words in encoding.vocabularies.values()]
        self.embeddings = nn.ModuleList(nn.Embedding(size, min(8, size)) for size in sizes)
        for embedding in self.embeddings:
            nn.init.normal_(embedding.weight, std=0.1)  # type: ignore[arg-type] # every module of the list is an Embedding
        self.layers = nn.Sequential(
            nn.Linear(encoding.width + sum(min(8, size) for size in sizes), 64),
            nn.ReLU(),
            nn.Dropout(0.1),
            nn.Linear(64, 32),
            nn.ReLU(),
            nn.Linear(32, 1),
        )

    def forward(self, numbers: Tensor, codes: Tensor) -> Tensor:
        """Logits of shape (rows,)."""
        embedded = [embedding(codes[:, column]) for column, embedding in enumerate(self.embeddings)]
        logits: Tensor = self.layers(torch.cat([numbers, *embedded], dim=1))
        return logits.squeeze(1)


def labels(table: pa.Table) -> Tensor:
    """1.0 for a flight that arrived more than 15 minutes late, 0.0 for another; shape (rows,)."""
    return _tensor(table["is_late"], pa.float32(), 0.0)


def save_model(path: Path, model: DelayModel, encoding: Encoding) -> None:
    torch.save({"encoding": asdict(encoding), "weights": model.state_dict()}, path)


def load_model(path: Path) -> tuple[DelayModel, Encoding]:
    """The model, ready to predict, and the encoding that it was trained with."""
    stored = torch.load(path, weights_only=True)
    encoding = Encoding(**stored["encoding"])
    model = DelayModel(encoding)
    model.load_state_dict(stored["weights"])
    return model.eval(), encoding


def _tensor(column: pa.ChunkedArray, arrow_type: pa.DataType, unknown: float) -> Tensor:
    """A column as a tensor, over Arrow's own memory where that can be."""
    if pa.types.is_boolean(column.type):
        column = pc.cast(column, pa.uint8())
    filled = pc.fill_null(pc.cast(column, arrow_type), pa.scalar(unknown, arrow_type))
    return from_dlpack(filled.combine_chunks())
