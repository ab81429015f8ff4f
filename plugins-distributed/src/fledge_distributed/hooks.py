"""What this package plugs into fledge: its config types make multi-rank tasks, its reports of ranks have a picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fledge.hooks.spec import hookimpl
from fledge.lazy import lazy
from fledge_distributed.config import Elastic, PyTorch, Ranks
from fledge_distributed.jobs import HorovodJob, MPIJob, TfJob
from fledge_distributed.rank_task import MultiRankTask

if TYPE_CHECKING:
    from fledge.base_task import PythonTask
    from fledge_distributed import reports
else:
    reports = lazy("fledge_distributed.reports")

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
    several = value if isinstance(value, (list, tuple)) else (value,)
    # By name first: until there is a report, nobody needs its module.
    if not several or type(several[0]).__name__ != "RankReport":
        return None
    return reports.as_html(several) if all(isinstance(one, reports.RankReport) for one in several) else None
