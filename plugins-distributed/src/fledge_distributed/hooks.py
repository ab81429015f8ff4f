"""What this package plugs into fledge: its config types make multi-rank tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fledge.hooks.spec import hookimpl
from fledge_distributed.config import Elastic, PyTorch, Ranks
from fledge_distributed.jobs import HorovodJob, MPIJob, TfJob
from fledge_distributed.rank_task import MultiRankTask

if TYPE_CHECKING:
    from fledge.base_task import PythonTask

__all__ = ["HOOK_API", "register_task_types"]

HOOK_API = 1


@hookimpl
def register_task_types(register: Callable[[type, type[PythonTask[Any]]], None]) -> None:  # Any: of any config
    """A task with one of these configs runs on ranks."""
    for config in (Ranks, PyTorch, Elastic, MPIJob, HorovodJob, TfJob):
        register(config, MultiRankTask)
