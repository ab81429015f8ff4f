"""The tasks that need PyTorch: training on four ranks, and prediction.

Every rank gets the same tables and takes its own rows of them. The ranks' gradients are averaged at each step, so that
all hold the same weights at any time. Rank 0 returns the model; what the other ranks return is dropped.
"""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.nn.parallel import DistributedDataParallel

from examples.flight_delays.model import DelayModel, Encoding, labels, load_model, save_model
from fledge import FlyteFile, Resources, current_context, task
from fledge_distributed import Elastic, current_rank, shard_rows

__all__ = ["EpochReport", "RankReport", "Trained", "TrainingReport", "predict", "train"]

BATCH_ROWS = 512  # per rank and step
LEARNING_RATE = 5e-3  # at its highest; it rises in the first third of the steps and falls after it


@dataclass
class EpochReport:
    """Mean log loss per flight after one pass over the training rows."""

    epoch: int
    training_loss: float
    validation_loss: float


@dataclass
class RankReport:
    """What one rank did: the training rows that were its own, and its seconds from start to end."""

    rank: int
    rows: int
    seconds: float


@dataclass
class TrainingReport:
    """`kept_epoch` is the epoch with the lowest validation loss: its weights are in the model file."""

    kept_epoch: int
    epochs: list[EpochReport]
    ranks: list[RankReport]


class Trained(NamedTuple):
    model: FlyteFile
    report: TrainingReport


@task(task_config=Elastic(nnodes=1, nproc_per_node=4), requests=Resources(cpu="1", mem="2Gi"), enable_deck=True)
def train(training: pa.Table, validation: pa.Table, epochs: int = 4, seed: int = 2013) -> Trained:
    """Train a classifier of late arrivals; equal inputs give an equal model.

    Raises:
        ValueError: There are fewer training rows than ranks.
    """
    started = time.monotonic()
    dist.init_process_group("gloo")
    rank = current_rank()
    if training.num_rows < rank.world_size:
        raise ValueError(f"{training.num_rows} training rows are too few for {rank.world_size} ranks")
    torch.manual_seed(
        seed + rank.rank
    )  # each rank has its own order of rows; DDP gives all of them rank 0's first weights
    encoding = Encoding.learnt_from(training)  # of all rows: the same on every rank
    shards = shard_rows(training), shard_rows(validation)  # every rank has some rows of every day
    own, held_out = (_Rows(*encoding.encode(shard), labels(shard)) for shard in shards)
    model = DelayModel(encoding)
    history = _fit(model, own, held_out, epochs, _steps(training.num_rows, rank.world_size))
    best = min(history, key=lambda one: one.report.validation_loss)
    model.load_state_dict(best.weights)
    ranks = _gathered(RankReport(rank.rank, len(own.late), time.monotonic() - started))
    dist.destroy_process_group()
    path = Path(current_context().working_directory, "model.pt")
    save_model(path, model, encoding)
    return Trained(FlyteFile(path), TrainingReport(best.report.epoch, [one.report for one in history], ranks))


@task
def predict(model: FlyteFile, features: pa.Table) -> pa.Table:
    """The probability of arriving late, beside what a summary needs."""
    classifier, encoding = load_model(Path(model.path))
    with torch.inference_mode():
        probability = torch.sigmoid(classifier(*encoding.encode(features)))
    told = features.select(["flight_id", "month", "carrier", "is_late"])
    return told.append_column("probability", pa.array(probability.tolist(), pa.float64()))


class _Rows(NamedTuple):
    """A rank's rows as tensors: numbers, codes, and whether the flight was late."""

    numbers: Tensor
    codes: Tensor
    late: Tensor


class _Epoch(NamedTuple):
    report: EpochReport
    weights: dict[str, Tensor]


def _fit(model: DelayModel, training: _Rows, validation: _Rows, epochs: int, steps: int) -> list[_Epoch]:
    """All epochs, each with the weights it ended with; every rank takes as many steps, or one would wait for ever."""
    parallel = DistributedDataParallel(model)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=epochs * steps)
    history: list[_Epoch] = []
    for epoch in range(1, epochs + 1):
        model.train()
        loss_and_rows = torch.zeros(2)
        order = torch.randperm(len(training.late))
        for step in range(steps):
            rows = order[step * BATCH_ROWS : (step + 1) * BATCH_ROWS]
            loss = binary_cross_entropy_with_logits(
                parallel(training.numbers[rows], training.codes[rows]), training.late[rows]
            )
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
            loss_and_rows += torch.tensor([loss.item() * len(rows), len(rows)])
        report = EpochReport(epoch, _mean(loss_and_rows), _validation_loss(model, validation))
        history.append(_Epoch(report, copy.deepcopy(model.state_dict())))
        if current_rank().is_leader:
            print(
                f"epoch {epoch} of {epochs}: loss {report.training_loss:.4f}, validation {report.validation_loss:.4f}"
            )
    return history


def _validation_loss(model: DelayModel, rows: _Rows) -> float:
    model.eval()
    with torch.inference_mode():
        loss = binary_cross_entropy_with_logits(model(rows.numbers, rows.codes), rows.late, reduction="sum")
    return _mean(torch.tensor([loss.item(), len(rows.late)]))


def _mean(sum_and_rows: Tensor) -> float:
    """The mean over the rows of all ranks."""
    dist.all_reduce(sum_and_rows)
    total, rows = sum_and_rows.tolist()
    return float(total / rows)


def _steps(rows: int, ranks: int) -> int:
    """Steps of one epoch: the whole batches of the smallest shard."""
    smallest = rows // ranks
    return max(1, smallest // BATCH_ROWS)


def _gathered(own: RankReport) -> list[RankReport]:
    """The reports of all ranks, on every rank."""
    told = torch.tensor([own.rows, own.seconds], dtype=torch.float64)
    everyones = [torch.empty_like(told) for _ in range(dist.get_world_size())]
    dist.all_gather(everyones, told)
    return [
        RankReport(rank, int(rows), seconds) for rank, (rows, seconds) in enumerate(one.tolist() for one in everyones)
    ]
