"""The task as a user of flytekit writes it."""

from __future__ import annotations

import os

from flytekit import task
from flytekitplugins.kfpytorch import Elastic

from benchmarks.scenarios.distributed.ranks_body import meet_and_return

__all__ = ["call"]


@task(task_config=Elastic(nnodes=1, nproc_per_node=int(os.environ["BENCH_NPROC"])))  # type: ignore[untyped-decorator]  # a peer's, not installed where mypy runs
def call(folder: str, size: int, lines: int) -> str:
    return meet_and_return(folder, size, lines)
