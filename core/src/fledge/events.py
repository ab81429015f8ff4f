"""What a plugin is told while a task runs: one small frozen object per moment.

Every event has `task_name`, `at` (aware, UTC) and `rank` (0 outside multi-rank runs).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone

__all__ = ["CacheHit", "Failed", "Finished", "Ignored", "Retrying", "Started", "TaskEvent"]


def _now() -> datetime:
    return datetime.now(timezone.utc)


@dataclass(frozen=True)
class TaskEvent:
    """Base of all events."""

    task_name: str
    rank: int = 0
    at: datetime = field(default_factory=_now, kw_only=True)


@dataclass(frozen=True)
class Started(TaskEvent):
    """An attempt begins: inputs are literals, nothing of the user's has run."""


@dataclass(frozen=True)
class Retrying(TaskEvent):
    """Attempt number `attempt` (from 1) failed with `error`; another one follows."""

    attempt: int = field(kw_only=True)
    error: BaseException = field(kw_only=True)


@dataclass(frozen=True)
class CacheHit(TaskEvent):
    """The outputs came from the cache; no other event follows."""


@dataclass(frozen=True)
class Finished(TaskEvent):
    """Outputs are literals; `seconds` is wall time of the whole run with its retries."""

    seconds: float = field(kw_only=True)


@dataclass(frozen=True)
class Failed(TaskEvent):
    """The run ended with `error`; no attempt follows."""

    error: BaseException = field(kw_only=True)


@dataclass(frozen=True)
class Ignored(TaskEvent):
    """The task raised IgnoreOutputs: it has no outputs and did not fail."""
