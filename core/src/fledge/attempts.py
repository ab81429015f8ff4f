"""A local run honours what a cluster honours: retries, timeout, environment, deprecation.

Only recoverable errors of the user are retried; `retries=n` means at most n + 1 attempts.
"""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from fledge.cancellation import Cancellation, limited
from fledge.context import Scratch
from fledge.errors import FledgeError, add_note, ignores_outputs, origin_of
from fledge.lazy import lazy, lazy_logger

if TYPE_CHECKING:
    from fledge import checkpoint, events, storage
    from fledge.context import FlyteContext
    from fledge.metadata import TaskMetadata
else:
    checkpoint = lazy("fledge.checkpoint")
    events = lazy("fledge.events")
    storage = lazy("fledge.storage")

__all__ = ["NOT_RETRIED", "environment", "is_retried", "run_attempts", "warn_if_deprecated"]

NOT_RETRIED = "not tried again: retries are for RecoverableError"

R = TypeVar("R")
_log = lazy_logger("fledge.task")
_OWN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "")
_warned: set[str] = set()
_environment_lock = threading.Lock()
_environments: list[Mapping[str, str]] = []  # of the runs that are under way, innermost last
_before: dict[str, str | None] = {}  # what the variables of those runs were before the first of them


def run_attempts(task_name: str, metadata: TaskMetadata, ctx: FlyteContext, attempt: Callable[[FlyteContext], R]) -> R:
    """Call `attempt` with a context of its own until it succeeds, fails for good or runs out of retries.

    Raises:
        TaskTimeoutError: One attempt ran longer than the timeout.
        Whatever the last attempt raised, the same object; a note says why it was the last, if that may surprise.
    """
    if not metadata.retries:
        return _attempts(task_name, metadata, ctx, attempt, None)
    scratch = Scratch()
    try:
        kept = checkpoint.AttemptCheckpoints(lambda: scratch.path, storage.LocalStorage())
        return _attempts(task_name, metadata, ctx, attempt, kept)
    finally:
        if scratch.folder is not None:
            scratch.remove()


def _attempts(
    task_name: str,
    metadata: TaskMetadata,
    ctx: FlyteContext,
    attempt: Callable[[FlyteContext], R],
    kept: checkpoint.AttemptCheckpoints | None,
) -> R:
    timeout_s = metadata.timeout_s
    number = 0
    while True:
        number += 1
        if kept is not None:
            kept.attempt = number
        scope = Cancellation(timeout_s, ctx.cancellation, task_name if timeout_s is not None else "")
        run = ctx.with_(cancellation=scope, retries_left=metadata.retries + 1 - number, attempts=kept)
        try:
            if timeout_s is None:
                return attempt(run)
            return limited(lambda: attempt(run), scope, task_name, timeout_s)  # noqa: B023 - called here and now
        except FledgeError as exc:
            if scope.is_due and ctx.plugins.has_observers:  # the attempt could not know how it would end
                ctx.plugins.notify(events.Failed(task_name, ctx.rank, error=exc))
            if scope.is_due or not is_retried(exc, run):
                raise
            _log.warning("task %s: attempt %d of %d failed: %s", task_name, number, metadata.retries + 1, exc)
            if ctx.plugins.has_observers:
                ctx.plugins.notify(events.Retrying(task_name, ctx.rank, attempt=number, error=exc))
        except Exception as exc:
            if metadata.retries and origin_of(exc) == "USER" and not ignores_outputs(exc):
                add_note(exc, NOT_RETRIED)
            raise


def is_retried(error: BaseException, ctx: FlyteContext) -> bool:
    """Does another attempt follow this error? Only a user's recoverable one is worth it."""
    is_worth_it = isinstance(error, FledgeError) and error.recoverable and error.origin == "USER"
    return is_worth_it and ctx.retries_left > 0


def warn_if_deprecated(task_name: str, message: str) -> None:
    """One DeprecationWarning per task and process, at the line outside of fledge that called it."""
    if not message or task_name in _warned:
        return
    _warned.add(task_name)
    level, frame = 1, sys._getframe()  # noqa: SLF001 - inspect.currentframe would cost an import
    while frame.f_code.co_filename.startswith(_OWN) and frame.f_back is not None:
        level, frame = level + 1, frame.f_back
    warnings.warn(f"task {task_name} is deprecated: {message}", DeprecationWarning, stacklevel=level)


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for the body and restore them after it.

    The environment belongs to the process: while runs overlap in several threads, the one that began last decides. When
    the last of them has ended, every variable is what it was before the first.
    """
    if not variables:
        yield
        return
    own = dict(variables)
    with _environment_lock:
        for name in own:
            _before.setdefault(name, os.environ.get(name))
        _environments.append(own)
        os.environ.update(own)
    try:
        yield
    finally:
        with _environment_lock:
            _environments[:] = [one for one in _environments if one is not own]
            for name in own:
                _restore(name)


def _restore(name: str) -> None:
    others = [one[name] for one in _environments if name in one]
    value = others[-1] if others else _before.pop(name)
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value
