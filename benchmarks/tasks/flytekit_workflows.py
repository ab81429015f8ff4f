"""The workflow that scenarios call, as a user of flytekit writes it; apart from the tasks, whose file imports less."""

from __future__ import annotations

from flytekit import workflow

from benchmarks.tasks.flytekit_tasks import add

__all__ = ["three"]


@workflow  # type: ignore[untyped-decorator] # flytekit is in an environment of its own
def three(x: int) -> int:
    return add(a=add(a=add(a=x, b=1), b=1), b=1)  # type: ignore[no-any-return] # as above
