"""Elastic jobs whose number of nodes may change: torch's own agent on each node, our ranks, results and failures.

Torch's rendezvous finds out how many nodes there are and starts over when one comes or goes; nothing of that is
written again here. Only in a cluster: on one machine the smallest number of nodes is simulated.
"""

from __future__ import annotations

import os
import pickle
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fledge_distributed.errors import LaunchError
from fledge_distributed.failures import Failure, World, to_error
from fledge_distributed.frames import unpickled
from fledge_distributed.rank_run import run
from fledge_distributed.ranks import Rank, enter_rank
from fledge_distributed.supervision import temporary_prefix
from fledge_distributed.troubles import Trouble, describe, ignores_outputs

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

    from fledge_distributed.config import Elastic

__all__ = ["AgentPlace", "agent_place", "run_agent"]


@dataclass(frozen=True)
class AgentPlace:
    """Where the agents of a job meet."""

    fewest: int
    most: int
    endpoint: str
    run_id: str


def agent_place(env: Mapping[str, str]) -> AgentPlace | None:
    """None unless PET_NNODES is a range."""
    low, colon, high = env.get("PET_NNODES", "").partition(":")
    if not colon or low == high:
        return None
    endpoint = env.get("PET_RDZV_ENDPOINT", "")
    if not (low.isdecimal() and high.isdecimal() and endpoint):
        given = f"PET_NNODES={env['PET_NNODES']!r}, PET_RDZV_ENDPOINT={endpoint!r}"
        raise LaunchError(f"{given}: a range of nodes needs two numbers and the host:port where they meet")
    return AgentPlace(int(low), int(high), endpoint, env.get("PET_RDZV_ID", "fledge"))


def run_agent(config: Elastic, place: AgentPlace, payload: bytes) -> bytes | None:
    """Run this node's ranks until the job ends.

    Returns:
        The leader's bytes; None where the leader is on another node, or ignores its outputs.

    Raises:
        The first failure among the ranks of this node.
    """
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError  # noqa: PLC0415 - heavy, optional
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch  # noqa: PLC0415 - heavy, optional

    launch_config = LaunchConfig(
        min_nodes=place.fewest,
        max_nodes=place.most,
        nproc_per_node=config.nproc_per_node,
        run_id=place.run_id,
        rdzv_backend="c10d",
        rdzv_endpoint=place.endpoint,
        rdzv_configs=dict(config.rdzv_configs),
        max_restarts=config.max_restarts,
        monitor_interval=0.1,
        start_method="spawn",
    )
    with tempfile.TemporaryDirectory(prefix=temporary_prefix()) as folder:
        try:
            results: Mapping[int, bytes | None] = elastic_launch(launch_config, _rank)(payload, folder, tuple(sys.path))
        except ChildFailedError as exc:
            raise _error(exc.failures, Path(folder), config.nproc_per_node) from exc
    return results.get(0)


def _rank(payload: bytes, folder: str, path: tuple[str, ...]) -> bytes | None:
    """In a rank that torch's agent has started."""
    sys.path[:] = path
    names = ("RANK", "LOCAL_RANK", "GROUP_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "TORCHELASTIC_RESTART_COUNT")
    number, local, node, size, local_size, restart = (int(os.environ[name]) for name in names)
    enter_rank(Rank(number, local, node, size, local_size))
    try:
        return run(payload)
    except BaseException as error:
        if ignores_outputs(error):
            return None
        left = _Left(number, size, describe(error))
        Path(folder, f"{restart}-{number}").write_bytes(pickle.dumps(left))
        raise


@dataclass(frozen=True)
class _Left:
    """What a rank has left in the folder of its node."""

    rank: int
    world_size: int
    trouble: Trouble


def _error(failures: Mapping[int, ProcessFailure], folder: Path, nproc: int) -> BaseException:
    """The first failure of the last start, from what the ranks have left and from how the others ended."""
    files = {tuple(int(part) for part in path.name.split("-")): path for path in folder.iterdir()}
    last = max((restart for restart, _ in files), default=0)
    left: list[_Left] = [unpickled(path.read_bytes()) for (restart, _), path in files.items() if restart == last]
    found = [Failure(one.rank, one.trouble.when, one.trouble, exitcode=one.trouble.exitcode) for one in left]
    spoken = {one.rank for one in left}
    found += [_ended(rank, failure.exitcode) for rank, failure in failures.items() if rank not in spoken]
    size = max([one.world_size for one in left] + [failure.rank + 1 for failure in found])
    return to_error(found, World(nproc, -(-size // nproc)))


def _ended(rank: int, code: int) -> Failure:
    return Failure(rank, time.monotonic(), exitcode=code if code >= 0 else None, signal=-code if code < 0 else None)
