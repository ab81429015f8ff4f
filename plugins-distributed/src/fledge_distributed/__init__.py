"""Multi-rank tasks: one call, N real ranks, the leader's value, the right failure, nothing left behind."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fledge_distributed.checkpoints import Checkpoints
    from fledge_distributed.config import Elastic, PyTorch, Ranks
    from fledge_distributed.errors import (
        LaunchError,
        LeaderIgnored,
        RankCancelled,
        RankError,
        RankFailed,
        RankTimeout,
    )
    from fledge_distributed.jobs import HorovodJob, MPIJob, TfJob
    from fledge_distributed.ranks import (
        Rank,
        current_rank,
    )
    from fledge_distributed.replicas import (
        PS,
        Chief,
        CleanPodPolicy,
        Evaluator,
        Launcher,
        Master,
        RestartPolicy,
        RunPolicy,
        Worker,
    )
    from fledge_distributed.reports import RankReport
    from fledge_distributed.sharding import (
        shard_files,
        shard_rows,
    )

__all__ = [
    "PS",
    "Checkpoints",
    "Chief",
    "CleanPodPolicy",
    "Elastic",
    "Evaluator",
    "HorovodJob",
    "LaunchError",
    "Launcher",
    "LeaderIgnored",
    "MPIJob",
    "Master",
    "PyTorch",
    "Rank",
    "RankCancelled",
    "RankError",
    "RankFailed",
    "RankReport",
    "RankTimeout",
    "Ranks",
    "RestartPolicy",
    "RunPolicy",
    "TfJob",
    "Worker",
    "current_rank",
    "shard_files",
    "shard_rows",
]

_HOMES = {
    "checkpoints": ["Checkpoints"],
    "config": ["Elastic", "PyTorch", "Ranks"],
    "errors": ["LaunchError", "LeaderIgnored", "RankCancelled", "RankError", "RankFailed", "RankTimeout"],
    "jobs": ["HorovodJob", "MPIJob", "TfJob"],
    "ranks": ["Rank", "current_rank"],
    "replicas": [
        "PS",
        "Chief",
        "CleanPodPolicy",
        "Evaluator",
        "Launcher",
        "Master",
        "RestartPolicy",
        "RunPolicy",
        "Worker",
    ],
    "reports": ["RankReport"],
    "sharding": ["shard_files", "shard_rows"],
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    """Load a public name when it is first used: the zygote and the ranks need few of them."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
