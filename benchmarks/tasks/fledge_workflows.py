"""The workflow that scenarios call, as a user of fledge writes it; apart from the tasks, whose file imports less."""

from __future__ import annotations

from benchmarks.tasks.fledge_tasks import add
from fledge import workflow

__all__ = ["three"]


@workflow
def three(x: int) -> int:
    return add(a=add(a=add(a=x, b=1), b=1), b=1)
