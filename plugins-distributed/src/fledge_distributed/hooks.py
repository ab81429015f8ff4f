"""What this package plugs into fledge: its config types make multi-rank tasks, its reports of ranks have a picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fledge.hooks.spec import hookimpl
from fledge_distributed.config import Elastic, PyTorch, Ranks
from fledge_distributed.jobs import HorovodJob, MPIJob, TfJob
from fledge_distributed.rank_task import MultiRankTask
from fledge_distributed.reports import RankReport, as_html

if TYPE_CHECKING:
    from fledge.base_task import PythonTask

__all__ = ["HOOK_API", "register_task_types", "render"]

HOOK_API = 1


@hookimpl
def register_task_types(register: Callable[[type, type[PythonTask[Any]]], None]) -> None:  # Any: of any config
    """A task with one of these configs runs on ranks."""
    for config in (Ranks, PyTorch, Elastic, MPIJob, HorovodJob, TfJob):
        register(config, MultiRankTask)


@hookimpl
def render(value: object) -> str | None:
    """A table with a row per rank, for one RankReport or a sequence of nothing else."""
    reports = [value] if isinstance(value, RankReport) else value
    if not isinstance(reports, (list, tuple)) or not reports or not all(isinstance(one, RankReport) for one in reports):
        return None
    return as_html(reports)
