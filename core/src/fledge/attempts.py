"""A local run honours what a cluster honours: retries, timeout, environment, deprecation.

Only recoverable errors of the user are retried; `retries=n` means at most n + 1 attempts.
"""

from __future__ import annotations

import logging
import os
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, TypeVar

from fledge.cancellation import Cancellation, limit
from fledge.errors import FledgeError
from fledge.events import Retrying

if TYPE_CHECKING:
    from fledge.context import FlyteContext
    from fledge.metadata import TaskMetadata

__all__ = ["environment", "is_plain", "run_attempts", "warn_if_deprecated"]

R = TypeVar("R")
_log = logging.getLogger("fledge.task")
_warned: set[str] = set()
_environment_lock = threading.RLock()


def is_plain(metadata: TaskMetadata) -> bool:
    """Nothing to do around the run: the hot path asks this once per call."""
    return not metadata.retries and not metadata.timeout and not metadata.deprecated


def run_attempts(task_name: str, metadata: TaskMetadata, ctx: FlyteContext, attempt: Callable[[FlyteContext], R]) -> R:
    """Call `attempt` with a context of its own until it succeeds, fails for good or runs out of retries.

    Raises:
        TaskTimeoutError: One attempt ran longer than the timeout.
        Whatever the last attempt raised, unchanged.
    """
    timeout_s = metadata.timeout_s
    number = 0
    while True:
        number += 1
        scope = Cancellation(timeout_s, ctx.cancellation)
        run = ctx.with_(cancellation=scope)
        try:
            with limit(scope, task_name, timeout_s) if timeout_s is not None else nullcontext():
                return attempt(run)
        except FledgeError as exc:
            if not exc.recoverable or number > metadata.retries:
                raise
            _log.warning("task %s: attempt %d of %d failed: %s", task_name, number, metadata.retries + 1, exc)
            if ctx.plugins.has_observers:
                ctx.plugins.notify(Retrying(task_name, ctx.rank, attempt=number, error=exc))


def warn_if_deprecated(task_name: str, message: str) -> None:
    """One DeprecationWarning per task and process, at the caller's line."""
    if message and task_name not in _warned:
        _warned.add(task_name)
        warnings.warn(f"task {task_name} is deprecated: {message}", DeprecationWarning, stacklevel=4)


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for the body and restore them after it. Runs that set some take turns: the environment
    belongs to the process.
    """
    with _environment_lock:
        before = {name: os.environ.get(name) for name in variables}
        os.environ.update(variables)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
