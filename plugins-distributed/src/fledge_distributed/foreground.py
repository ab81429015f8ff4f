"""One rank in the caller's own process, for a debugger: the others run as always, in processes of their own."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from fledge_distributed.attempt import Attempt, Plan, RankState
from fledge_distributed.errors import RankError
from fledge_distributed.frames import Channel, Kind, read_file, unpickled
from fledge_distributed.ranks import enter_rank
from fledge_distributed.targets import load_target
from fledge_distributed.troubles import describe, ignores_outputs
from fledge_distributed.worker import Descriptors, Exit, Job, Start

if TYPE_CHECKING:
    from fledge_distributed.launcher import AttemptType
    from fledge_distributed.supervision import Zygote

__all__ = ["run_in_foreground"]


def run_in_foreground(rank: int, run: Callable[[AttemptType], object]) -> None:
    """Call `run(attempt_type)` in a thread; its rank `rank` runs here, in this thread, where a debugger can stop it.

    The process's environment and current rank are the rank's while it runs. `run` keeps its own result.

    Raises:
        Whatever `run` raises.
    """
    stage = _Stage(rank)
    errors: list[BaseException] = []

    def watch() -> None:
        try:
            run(lambda zygote, plan, restart: _ForegroundAttempt(zygote, plan, restart, stage))
        except BaseException as exc:  # noqa: BLE001 - raised again in the thread that waits
            errors.append(exc)
        finally:
            stage.ready.set()

    thread = threading.Thread(target=watch)
    thread.start()
    stage.ready.wait()
    if stage.start is not None and stage.fds is not None:
        _be_the_rank(stage.start, stage.fds)
    thread.join()
    if errors:
        raise errors[0]
    if stage.start is None:
        raise RankError(f"rank {rank} is not part of the run: ranks count from 0")


class _Stage:
    """Where the attempt's thread leaves what the foreground needs."""

    def __init__(self, rank: int) -> None:
        self.rank = rank
        self.ready = threading.Event()
        self.start: Start | None = None
        self.fds: Descriptors | None = None


class _ForegroundAttempt(Attempt):
    """An attempt that leaves one rank to the caller's thread."""

    def __init__(self, zygote: Zygote, plan: Plan, restart: int, stage: _Stage) -> None:
        super().__init__(zygote, plan, restart)
        self._stage = stage

    def _start_rank(self, start: Start) -> None:
        if start.rank.rank != self._stage.rank:
            super()._start_rank(start)
            return
        self._stage.start = start
        fds = self._open(start)
        self._stage.fds = fds._replace(job=os.dup(fds.job))
        self._stage.ready.set()

    def _on_gone(self, rank: RankState, when: float) -> None:
        super()._on_gone(rank, when)
        if rank.place.rank == self._stage.rank and rank.exit is None:
            self._on_exit(Exit(self._stage.rank, 0, time.monotonic(), 0))


def _be_the_rank(start: Start, fds: Descriptors) -> None:
    results = Channel(socket.socket(fileno=fds.results))
    job: Job = unpickled(read_file(fds.job))
    for fd in (fds.job, fds.stdout, fds.stderr, fds.stacks):
        os.close(fd)
    before = dict(os.environ)
    os.environ.update(start.environment)
    outside = enter_rank(start.rank)
    try:
        results.send(Kind.STARTED, 0)
        results.send(Kind.VALUE, load_target(job.target)(job.payload) or b"")
    except BaseException as error:  # noqa: BLE001 - reported like that of any other rank
        results.send(Kind.IGNORED, b"") if ignores_outputs(error) else results.send(Kind.ERROR, describe(error))
    finally:
        enter_rank(outside)
        os.environ.clear()
        os.environ.update(before)
        results.close()
