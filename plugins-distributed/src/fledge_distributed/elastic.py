"""Elastic jobs whose number of nodes may change: torch's own agent on each node, our ranks, results and failures.

Torch's rendezvous finds out how many nodes there are and starts over when one comes or goes; nothing of that is
written again here. Only in a cluster: on one machine the smallest number of nodes is simulated.
"""

from __future__ import annotations

import ctypes
import math
import os
import pickle
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fledge_distributed.errors import LaunchError, RankCancelled
from fledge_distributed.failures import Failure, World, to_error
from fledge_distributed.frames import unpickled
from fledge_distributed.launcher import Launched
from fledge_distributed.rank_run import run
from fledge_distributed.ranks import Rank, enter_rank
from fledge_distributed.supervision import temporary_prefix
from fledge_distributed.troubles import Trouble, describe, ignores_outputs

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ProcessFailure
    from torch.distributed.launcher.api import LaunchConfig

    from fledge.context import FlyteContext
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


def run_agent(config: Elastic, place: AgentPlace, payload: bytes, ctx: FlyteContext) -> Launched:
    """Run this node's ranks until the job ends.

    Returns:
        The leader's bytes and pages; nothing where the leader is on another node, or ignores its outputs.

    Raises:
        The first failure among the ranks of this node.
        RankCancelled: The context's run was cancelled.
    """
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError  # noqa: PLC0415 - heavy, optional
    from torch.distributed.launcher.api import elastic_launch  # noqa: PLC0415 - heavy, optional

    with tempfile.TemporaryDirectory(prefix=temporary_prefix()) as name:
        folder = Path(name, "left")
        folder.mkdir()
        agent = elastic_launch(_launch_config(config, place, Path(name, "logs")), _rank)
        try:
            with _ended_by_cancel(ctx):
                results: Mapping[int, _Returned] = agent(payload, str(folder), tuple(sys.path))
        except ChildFailedError as exc:
            raise _error(exc.failures, folder, config.nproc_per_node) from exc
    leader = results.get(0, _Returned(None, ()))
    values = {} if leader.value is None else {0: leader.value}
    return Launched(values, frozenset(), (), tuple((0, name, data) for name, data in leader.extras))


def _launch_config(config: Elastic, place: AgentPlace, logs: Path) -> LaunchConfig:
    """Lines of the ranks are shown with the rank, as our launcher shows them; files are made in `logs`."""
    from torch.distributed.elastic.multiprocessing.api import DefaultLogsSpecs, Std  # noqa: PLC0415 - heavy, optional
    from torch.distributed.launcher.api import LaunchConfig  # noqa: PLC0415 - heavy, optional

    options: dict[str, Any] = {}  # Any: options of torch's own
    if "shutdown_timeout" in LaunchConfig.__dataclass_fields__:  # not in older releases
        options["shutdown_timeout"] = math.ceil(config.grace_s)
    return LaunchConfig(
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
        logs_specs=DefaultLogsSpecs(log_dir=str(logs), tee=Std.ALL),
        log_line_prefix_template="[rank ${rank}] ",
        **options,
    )


@contextmanager
def _ended_by_cancel(ctx: FlyteContext) -> Iterator[None]:
    """The agent waits in Python, a moment at a time: what it raises at a signal, raised in its thread, ends its ranks.

    Who enforces a deadline in this thread, or handles a signal in it, raises there by itself.
    """
    from torch.distributed.elastic.multiprocessing import SignalException  # noqa: PLC0415 - heavy, optional

    class Cancelled(SignalException):
        def __init__(self) -> None:
            super().__init__("the run was cancelled", sigval=signal.SIGTERM)

    thread, lock, is_over, is_cancelled = threading.get_ident(), threading.RLock(), False, False

    def strike(error: type[BaseException] | None) -> None:
        with lock:
            if not is_over and thread not in (threading.get_ident(), ctx.cancellation.enforced_in):
                _raise_in(thread, error)

    forget = ctx.on_cancel(lambda: strike(Cancelled))
    try:
        yield
    except Cancelled:
        is_cancelled = True  # raised below, so that nothing keeps the agent, its sockets and semaphores
    finally:
        forget()
        with lock:
            is_over = True
            _raise_in(thread, None)  # one that has not arrived yet
    if is_cancelled:
        raise RankCancelled("the ranks of this node had not returned")


def _raise_in(thread: int, error: type[BaseException] | None) -> None:
    value = None if error is None else ctypes.py_object(error)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), value)


@dataclass(frozen=True)
class _Returned:
    """What a rank hands to torch's agent: its bytes (None: it ignores its outputs), its pages."""

    value: bytes | None
    extras: tuple[tuple[str, bytes], ...]


def _rank(payload: bytes, folder: str, path: tuple[str, ...]) -> _Returned:
    """In a rank that torch's agent has started."""
    sys.path[:] = path
    names = ("RANK", "LOCAL_RANK", "GROUP_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "TORCHELASTIC_RESTART_COUNT")
    number, local, node, size, local_size, restart = (int(os.environ[name]) for name in names)
    enter_rank(Rank(number, local, node, size, local_size))
    extras: list[tuple[str, bytes]] = []
    try:
        value = run(payload, lambda name, data: extras.append((name, data)))
    except BaseException as error:
        if ignores_outputs(error):
            return _Returned(None, tuple(extras))
        left = _Left(number, size, describe(error))
        Path(folder, f"{restart}-{number}").write_bytes(pickle.dumps(left))
        raise
    return _Returned(value, tuple(extras))


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
