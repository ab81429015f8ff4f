"""The task as a user of fledge writes it."""

from __future__ import annotations

import os

from benchmarks.scenarios.distributed.ranks_body import meet_and_return
from fledge import task
from fledge_distributed import Elastic

__all__ = ["call"]


@task(task_config=Elastic(nnodes=1, nproc_per_node=int(os.environ["BENCH_NPROC"])))
def call(folder: str, size: int, lines: int) -> str:
    return meet_and_return(folder, size, lines)
