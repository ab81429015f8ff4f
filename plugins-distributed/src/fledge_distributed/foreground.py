"""One rank in the caller's own process, for a debugger: the others run as always, in processes of their own."""

from __future__ import annotations

import os
import queue
import resource
import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from fledge_distributed.attempt import Attempt
from fledge_distributed.errors import RankError
from fledge_distributed.frames import Channel, Kind, read_file, unpickled
from fledge_distributed.ranks import enter_rank
from fledge_distributed.stopping import Stop
from fledge_distributed.targets import load_target
from fledge_distributed.troubles import describe, ignores_outputs
from fledge_distributed.worker import Descriptors, Exit, Job, Start, peak_kib

if TYPE_CHECKING:
    from fledge_distributed.launcher import AttemptType
    from fledge_distributed.plans import Plan
    from fledge_distributed.rank_state import RankState
    from fledge_distributed.supervision import Zygote

__all__ = ["run_in_foreground"]


def run_in_foreground(rank: int, run: Callable[[AttemptType, Stop], object]) -> None:
    """Call `run(attempt_type, stop)` in a thread; its rank `rank` runs here, where a debugger can stop it.

    The process's environment and current rank are the rank's while it runs, once more at each restart. `run` keeps its
    own result.

    Raises:
        Whatever `run` raises.
    """
    errors: list[BaseException] = []
    with Stop() as stop:
        stage = _Stage(rank)

        def watch() -> None:
            try:
                run(lambda zygote, plan, restart: _ForegroundAttempt(zygote, plan, restart, stage), stop)
            except BaseException as exc:  # noqa: BLE001 - raised again in the thread that waits
                errors.append(exc)
            finally:
                stage.turns.put(None)

        thread = threading.Thread(target=watch)
        thread.start()
        had_turn = is_over = False
        try:
            for start, fds in iter(stage.turns.get, None):
                had_turn = True
                _be_the_rank(start, fds)
            is_over = True
        finally:
            if not is_over:  # interrupted here: the other ranks end as well, and ours is not going to have its turn
                stop.ask()
                for _, fds in iter(stage.turns.get, None):
                    _close_all(fds)
            thread.join()
    if errors:
        raise errors[0]
    if not had_turn:
        raise RankError(f"rank {rank} is not part of the run: ranks count from 0")


class _Stage:
    """Where the attempt's thread leaves what the foreground needs: a turn per start of its rank; None: it is over."""

    def __init__(self, rank: int) -> None:
        self.rank = rank
        self.turns: queue.SimpleQueue[tuple[Start, Descriptors] | None] = queue.SimpleQueue()


class _ForegroundAttempt(Attempt):
    """An attempt that leaves one rank to the caller's thread."""

    def __init__(self, zygote: Zygote, plan: Plan, restart: int, stage: _Stage) -> None:
        super().__init__(zygote, plan, restart)
        self._stage = stage

    def _start_rank(self, start: Start) -> None:
        if start.rank.rank != self._stage.rank:
            super()._start_rank(start)
            return
        fds = self._open(start)
        self._stage.turns.put((start, fds._replace(job=os.dup(fds.job))))

    def _on_gone(self, rank: RankState, when: float) -> None:
        super()._on_gone(rank, when)
        if rank.place.rank == self._stage.rank and rank.exit is None:
            self._on_exit(Exit(self._stage.rank, 0, time.monotonic(), 0))


def _be_the_rank(start: Start, fds: Descriptors) -> None:
    results = Channel(socket.socket(fileno=fds.results))
    job: Job = unpickled(read_file(fds.job))
    _close_all(fds._replace(results=fds.job))
    before = dict(os.environ)
    os.environ.update(start.environment)
    outside = enter_rank(start.rank)
    try:
        results.send(Kind.STARTED, 0)
        value = load_target(job.target)(job.payload)
        results.send(Kind.PEAK, peak_kib(resource.getrusage(resource.RUSAGE_SELF)))
        results.send(Kind.VALUE, value or b"")
    except BaseException as error:  # noqa: BLE001 - reported like that of any other rank
        results.send(Kind.IGNORED, b"") if ignores_outputs(error) else results.send(Kind.ERROR, describe(error))
    finally:
        enter_rank(outside)
        os.environ.clear()
        os.environ.update(before)
        results.close()


def _close_all(fds: Descriptors) -> None:
    for fd in set(fds):
        os.close(fd)
