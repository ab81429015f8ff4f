"""Multi-rank tasks: one call, N real ranks, the leader's value, the right failure, nothing left behind."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fledge_distributed.checkpoints import Checkpoints
    from fledge_distributed.config import (
        CleanPodPolicy,
        Elastic,
        Master,
        PyTorch,
        Ranks,
        RestartPolicy,
        RunPolicy,
        Worker,
    )
    from fledge_distributed.errors import (
        LaunchError,
        LeaderIgnored,
        RankError,
        RankFailed,
        RankTimeout,
    )
    from fledge_distributed.jobs import (
        PS,
        Chief,
        Evaluator,
        HorovodJob,
        Launcher,
        MPIJob,
        TfJob,
    )
    from fledge_distributed.ranks import (
        Rank,
        current_rank,
    )
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
    "RankError",
    "RankFailed",
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
    "config": ["CleanPodPolicy", "Elastic", "Master", "PyTorch", "Ranks", "RestartPolicy", "RunPolicy", "Worker"],
    "errors": ["LaunchError", "LeaderIgnored", "RankError", "RankFailed", "RankTimeout"],
    "jobs": ["PS", "Chief", "Evaluator", "HorovodJob", "Launcher", "MPIJob", "TfJob"],
    "ranks": ["Rank", "current_rank"],
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
