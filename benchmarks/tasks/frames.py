"""The frame that scenarios write, and ways to write it again and again without filling the disk."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["Frame", "arrow_table", "by_fledge", "by_flytekit", "pandas_frame"]

Frame = Any  # Any: of pyarrow or pandas, which have no types
ROWS = 100_000


def arrow_table() -> Frame:
    """Shape (100_000, 4): two columns of floats, one of integers, one of texts."""
    import numpy as np
    import pyarrow as pa

    noise = np.random.default_rng(0)
    carriers = np.array(["AA", "B6", "DL", "EV", "UA"])
    return pa.table(
        {
            "delay": noise.random(ROWS),
            "distance": noise.random(ROWS),
            "flight": noise.integers(0, 5000, ROWS),
            "carrier": carriers[noise.integers(0, 5, ROWS)],
        }
    )


def pandas_frame() -> Frame:
    return arrow_table().to_pandas()


def by_fledge(frame: Frame) -> Callable[[], object]:
    """The value to its literal as a container writes it: checked, to a new place below the raw prefix."""
    from fledge import FlyteContextManager

    context = FlyteContextManager.current_context()
    context.plugins.load()
    storage = context.storage.with_(raw_prefix=str(Path("raw").absolute()), keep_local=False)
    kind = type(frame)

    def work() -> object:
        return _size_of(context.registry.to_literal(frame, kind, storage))

    return work


def by_flytekit(frame: Frame) -> Callable[[], object]:
    """The same by flytekit."""
    from flytekit.core.context_manager import FlyteContextManager
    from flytekit.core.type_engine import TypeEngine
    from flytekit.types.structured import lazy_import_structured_dataset_handler

    from benchmarks.tasks.flytekit_tasks import forget

    lazy_import_structured_dataset_handler()
    context, kind = FlyteContextManager.current_context(), type(frame)
    expected = TypeEngine.to_literal_type(kind)

    def work() -> object:
        forget()  # or the second time it would give the literal of a file that is gone
        return _size_of(TypeEngine.to_literal(context, frame, kind, expected))

    return work


def _size_of(literal: Any) -> int:  # Any: a literal of either SDK
    """Bytes of the file that was written, which is removed."""
    folder = Path(literal.scalar.structured_dataset.uri)
    size = (folder / "00000").stat().st_size
    shutil.rmtree(folder)
    return size
