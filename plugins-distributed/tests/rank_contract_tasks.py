"""A multi-rank task where ranks and containers find it."""

from __future__ import annotations

from fledge import task
from fledge_distributed import Ranks, current_rank

__all__ = ["from_the_leader"]


@task(task_config=Ranks(nproc=2))
def from_the_leader(n: int) -> list[int]:
    rank = current_rank()
    return [n * rank.rank, rank.world_size]
