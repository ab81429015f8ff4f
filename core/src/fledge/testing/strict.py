"""Strict tests: a task that nobody replaced must not run for real."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest import mock

from fledge.base_task import PythonTask
from fledge.errors import FledgeError

if TYPE_CHECKING:
    from fledge.context import FlyteContext
    from fledge.idl import literals
    from fledge.metadata import TaskMetadata

__all__ = ["UnmockedTaskError", "only_mocked_tasks"]

_REPLACEABLE = ("execute", "dispatch_execute", "local_execute", "run_locally")


class UnmockedTaskError(FledgeError, AssertionError):
    """In a strict test a task would have run for real. Fields: `task_name`."""

    origin = "USER"

    def __init__(self, task_name: str) -> None:
        name = task_name.rpartition(".")[2]
        super().__init__(
            f"task {task_name} would run for real. Replace it: mock.patch.object({name}, 'execute', return_value=...), "
            f"or allow it, in place of the fixture: with fledge.testing.only_mocked_tasks({name}): ..."
        )
        self.task_name = task_name


@contextmanager
def only_mocked_tasks(*allowed: PythonTask[Any]) -> Iterator[None]:  # Any: of any config
    """Inside, a call of a task raises UnmockedTaskError, unless one of its methods is replaced or it is allowed."""
    run_locally = PythonTask.run_locally

    def checked(
        self: PythonTask[Any],  # Any: of any config
        ctx: FlyteContext,
        inputs: literals.LiteralMap,
        metadata: TaskMetadata | None = None,
    ) -> literals.LiteralMap:
        if self not in allowed and not any(name in vars(self) for name in _REPLACEABLE):
            raise UnmockedTaskError(self.name)
        return run_locally(self, ctx, inputs, metadata)

    with mock.patch.object(PythonTask, "run_locally", checked):
        yield
