"""`@task(task_config=Owned(team="search"))`: a task that says who owns it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fledge.function import PythonFunctionTask

if TYPE_CHECKING:
    from fledge.settings import SerializationSettings

__all__ = ["Owned", "OwnedTask"]


@dataclass(frozen=True)
class Owned:
    """The team that owns a task."""

    team: str


class OwnedTask(PythonFunctionTask[Owned]):
    """Runs as any function task does."""

    def get_custom(self, settings: SerializationSettings) -> Mapping[str, Any] | None:  # Any: JSON
        return {"owner": {"team": self.task_config.team}} if self.task_config is not None else None
