"""One attempt of a run: start the ranks, watch them in one `select`, and say how it ended.

Nothing polls. What wakes the loop: a line or a frame from a rank, the end of a rank (its socket at once, its status
through the zygote), one of the clocks in `_timers`, or somebody who asks the run to end.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import socket
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from fledge_distributed.errors import LaunchError, RankCancelled, RankTimeout
from fledge_distributed.failures import World, listed, to_error
from fledge_distributed.frames import Channel, Frame, Kind
from fledge_distributed.logs import LineSplitter
from fledge_distributed.plans import Outcome, Plan, no_environment
from fledge_distributed.rank_state import RankState
from fledge_distributed.ranks import Rank, rank_environment
from fledge_distributed.rendezvous import has_joined
from fledge_distributed.stacks import timeout_error, whereabouts
from fledge_distributed.worker import STACKS_SIGNAL, Descriptors, Exit, Start

if TYPE_CHECKING:
    from fledge_distributed.stopping import Stop
    from fledge_distributed.supervision import Zygote

__all__ = ["Attempt", "held_port"]

_log = logging.getLogger("fledge.distributed")
_SETTLE_S = 0.25  # from the first failure to the end of the others, so that a death that came first is seen
_STACKS_S = 2.0  # how long a rank may take to write its stacks when time is up
_SURVIVORS_S = 0.25  # and, after the settling, when another rank has failed
_LAST_S = 0.8  # and when the task's own time is up, which strikes again after a second
_CHUNK = 1 << 16
_LAST_CHUNKS = 16  # as much as a pipe may hold, 1 MiB


class Attempt:
    """`run()` it once."""

    def __init__(self, zygote: Zygote, plan: Plan, restart: int = 0) -> None:
        self._zygote, self._plan, self._restart = zygote, plan, restart
        self._config, self._on_lines = plan.config, plan.on_lines
        self._world = World(self._config.nproc, self._config.nnodes)
        self._ranks: dict[int, RankState] = {}
        self._timers: dict[str, tuple[float, Callable[[], None]]] = {}
        self._stopping = False
        self._swept = False
        self._late: str | None = None
        self._missing: tuple[int, ...] = ()
        self._tally = ""
        self._port = 0
        self._blamed: list[RankState] = []
        self._ports: list[socket.socket] = []
        self._outcome = Outcome()

    def run(self) -> Outcome:
        """Returns when no process of this attempt is left, unless an exception of the caller's own comes through."""
        stop = self._plan.stop
        with selectors.DefaultSelector() as self._selector:
            try:
                if stop is not None:
                    self._selector.register(stop, selectors.EVENT_READ, lambda: self._on_stop(stop))
                self._selector.register(self._zygote.channel, selectors.EVENT_READ, self._on_zygote)
                self._start_all()
                self._start_clocks()
                while not self._is_over():
                    self._wait()
                self._zygote.channel.send(Kind.SWEEP, b"")
                while not self._swept:
                    self._wait()
                return self._conclude()
            except BaseException:
                if stop is not None and stop.is_late and not self._stopping:
                    self._log_stacks()
                raise
            finally:
                self._close()

    # -- start ---------------------------------------------------------------------------------------------------------

    def _is_over(self) -> bool:
        return all(rank.exit for rank in self._ranks.values())

    def _start_all(self) -> None:
        """Start every rank; another kind of launcher does it another way."""
        for start in self._starts():
            self._start_rank(start)

    def _start_rank(self, start: Start) -> None:
        fds = self._open(start)
        self._zygote.channel.send(Kind.FORK, start, fds)
        for fd in fds[1:]:
            os.close(fd)

    def _starts(self) -> Iterator[Start]:
        """What each rank of this machine is told."""
        config, host = self._config, self._plan.host
        wants_addresses = self._plan.environment is not no_environment
        wanted = 1 + self._world.size if wants_addresses else 1
        for _ in range(wanted if host is None else 0):
            self._ports.append(held_port())
        addresses = [f"127.0.0.1:{holder.getsockname()[1]}" for holder in self._ports[1:]]
        address, port, run_id = "127.0.0.1", 0, uuid.uuid4().hex
        if host is None:
            port = self._ports[0].getsockname()[1]
        else:
            address, port, run_id = host.address, host.port, f"{host.run_id}-{self._restart}"
        self._port = port
        for number in range(self._world.size):
            place = Rank(number, number % config.nproc, number // config.nproc, self._world.size, config.nproc)
            if host is not None and place.node_rank != host.node_rank:
                continue
            variables = rank_environment(place, address, port, run_id, self._restart, config.max_restarts)
            told = self._plan.environment(place, addresses)
            yield Start(place, {**os.environ, **variables, **told}, config.grace_s)

    def _start_clocks(self) -> None:
        limit, deadline = self._config.timeout_s, self._plan.deadline
        if deadline is not None:
            left = deadline - time.monotonic()
            self._at("timeout", left, lambda: self._on_late(f"did not end within timeout_s={limit:g} s"))
        join_limit = self._config.rendezvous_timeout_s
        if join_limit is not None:
            self._at("rendezvous", join_limit, lambda: self._check_joined(join_limit))
        self._rearm_stall()

    def _open(self, start: Start) -> Descriptors:
        """Our ends of a rank's pipes, registered; its own ends, to be sent and closed (but for the job's)."""
        pipes, (ours, theirs) = _ends(self._world.place(start.rank.rank))
        (out, out_end), (err, err_end), (stacks, stacks_end) = pipes
        streams = {out: ("stdout", LineSplitter()), err: ("stderr", LineSplitter())}
        rank = RankState(start.rank, Channel(ours), streams, stacks)
        self._ranks[start.rank.rank] = rank
        for fd in (out, err, stacks):
            os.set_blocking(fd, False)
        for fd in rank.streams:
            self._selector.register(fd, selectors.EVENT_READ, lambda fd=fd: self._on_stream(rank, fd))
        self._selector.register(stacks, selectors.EVENT_READ, lambda: self._on_stacks(rank))
        self._selector.register(rank.results, selectors.EVENT_READ, lambda: self._on_results(rank))
        return Descriptors(self._plan.job_fd, out_end, err_end, theirs.detach(), stacks_end)

    # -- events --------------------------------------------------------------------------------------------------------

    def _wait(self) -> None:
        now = time.monotonic()
        until = min((when for when, _ in self._timers.values()), default=None)
        for key, _ in self._selector.select(None if until is None else max(0.0, until - now)):
            key.data()
        now = time.monotonic()
        for name, (when, act) in list(self._timers.items()):
            if when <= now and self._timers.pop(name, None) is not None:
                act()

    def _at(self, name: str, in_s: float, act: Callable[[], None]) -> None:
        self._timers[name] = (time.monotonic() + in_s, act)

    def _rearm_stall(self) -> None:
        limit = self._config.stall_timeout_s
        if limit is not None and not self._stopping and self._late is None:
            self._at("stall", limit, lambda: self._on_late(f"gave no sign of life for stall_timeout_s={limit:g} s"))

    def _on_stream(self, rank: RankState, fd: int) -> bool:
        """Read what there is, at most one chunk. False at the end of the stream, or when nothing is there."""
        data = _read(fd)
        if data is None:
            return False
        stream, splitter = rank.streams[fd]
        self._on_lines(rank.place.rank, stream, splitter.feed(data) if data else splitter.end())
        if not data:
            self._forget(fd)
            return False
        self._rearm_stall()
        return True

    def _on_stacks(self, rank: RankState) -> None:
        data = _read(rank.stacks_fd)
        rank.stacks += data or b""
        if data == b"":
            self._forget(rank.stacks_fd)
        self._hasten_stacks()

    def _hasten_stacks(self) -> None:
        """Nobody to wait for: no need to let the time run out."""
        if "stacks" in self._timers and not any(one.owes_stacks for one in self._ranks.values()):
            self._timers["stacks"] = (0.0, self._timers["stacks"][1])

    def _on_results(self, rank: RankState) -> None:
        for frame in rank.results.receive():
            self._on_frame(rank, frame)
        if rank.results.closed:
            self._forget(rank.results)
            self._on_gone(rank, time.monotonic())

    def _on_frame(self, rank: RankState, frame: Frame) -> None:
        self._rearm_stall()
        number = rank.place.rank
        if frame.kind is Kind.EXTRA:
            name, data = frame.load()
            self._outcome.extras.append((number, name, data))
            return
        if frame.kind is Kind.STARTED:
            rank.pid = frame.load()
            rank.answers = rank.pid != 0  # 0: in the foreground, where nobody is to be signalled
            return
        if frame.kind is Kind.PROGRESS:
            self._plan.progress.take(number, frame.load())
            return
        if frame.kind is Kind.PEAK:
            rank.peak_kib = frame.load()
            return
        rank.final = frame
        if frame.kind is Kind.IGNORED:
            self._outcome.ignored.append(number)
        elif frame.kind is Kind.VALUE and frame.body:
            self._outcome.values[number] = frame.body
        elif frame.kind is Kind.ERROR:
            rank.trouble = frame.load()
            self._on_failure()
        if rank.trouble is None:
            self._plan.progress.reach(len(self._returned()))

    def _returned(self) -> list[int]:
        """Ranks whose function has ended without an error."""
        return [number for number, rank in self._ranks.items() if rank.final is not None and rank.trouble is None]

    def _on_gone(self, rank: RankState, when: float) -> None:
        if rank.gone_at is None:
            rank.gone_at = when
            self._plan.progress.end(rank.place.rank)
            self._hasten_stacks()
            if rank.final is None:
                self._on_failure()

    def _on_zygote(self) -> None:
        for frame in self._zygote.channel.receive():
            if frame.kind is Kind.EXIT:
                self._on_exit(frame.load())
            elif frame.kind is Kind.FORK_FAILED:
                number, why = frame.load()
                raise LaunchError(f"{self._world.place(number)} could not be started: {why}")
            elif frame.kind is Kind.SWEPT:
                self._swept = True
        if self._zygote.channel.closed:
            raise self._zygote.died()

    def _on_exit(self, exit_: Exit) -> None:
        rank = self._ranks[exit_.rank]
        for fd in list(rank.streams):
            for _ in range(_LAST_CHUNKS):  # what it wrote before its end; a stray child may write on and on
                if not (self._registered(fd) and self._on_stream(rank, fd)):
                    break
            stream, splitter = rank.streams[fd]
            self._on_lines(exit_.rank, stream, splitter.end())
        if self._registered(rank.stacks_fd):
            self._on_stacks(rank)
        if self._registered(rank.results):
            self._on_results(rank)
        rank.exit = exit_
        self._on_gone(rank, exit_.when)

    # -- ending --------------------------------------------------------------------------------------------------------

    def _on_stop(self, stop: Stop) -> None:
        """Where the task's time is up, an exception of this thread's usually comes instead."""
        self._forget(stop)
        if stop.is_late:
            self._on_late("had not returned when the task's time was up")
        else:
            self._stop()

    def _on_failure(self) -> None:
        """Others may have failed as well, or before: settle. Meanwhile those that have not say where they are."""
        if not self._stopping and not {"settle", "stacks"} & self._timers.keys():
            self._at("settle", _SETTLE_S, lambda: self._await_stacks(_SURVIVORS_S))
            self._ask_for_stacks()

    def _ask_for_stacks(self) -> None:
        waiting = [one for one in self._ranks.values() if one.answers and one.final is None and one.gone_at is None]
        for rank in waiting:
            rank.asked_at = len(rank.stacks)
        self._signal(STACKS_SIGNAL, waiting)

    def _await_stacks(self, limit: float) -> None:
        self._at("stacks", limit, self._stop)
        self._hasten_stacks()

    def _check_joined(self, limit: float) -> None:
        waiting = [rank for rank in self._ranks.values() if rank.final is None and rank.gone_at is None]
        missing = [rank for rank in waiting if not has_joined(rank.pid, self._port)]
        if missing:
            self._tally = f"{len(self._ranks) - len(missing)} of {len(self._ranks)} ranks joined"
            self._on_late(f"did not join within rendezvous_timeout_s={limit:g} s", missing)

    def _on_late(self, what: str, missing: Sequence[RankState] | None = None) -> None:
        """Ask every rank for its stacks, then stop; `what` goes on after `ranks 1, 2 `."""
        if self._stopping or self._late is not None or {"settle", "stacks"} & self._timers.keys():
            return  # a rank has failed before, which is about to end the run
        self._late = what
        unfinished = [rank for rank in self._ranks.values() if rank.final is None]
        self._missing = tuple(rank.place.rank for rank in (unfinished if missing is None else missing))
        self._ask_for_stacks()
        self._await_stacks(_STACKS_S)

    def _stop(self) -> None:
        """The failures up to here are the ranks' own; what comes after is our doing."""
        if self._stopping:
            return
        self._stopping = True
        self._timers.clear()
        self._blamed = [rank for rank in self._ranks.values() if rank.trouble or rank.has_left]
        for rank in self._blamed:
            rank.is_cut_off = rank.has_left and rank.exit is None  # it lives, unless the zygote is late to tell
        self._signal(signal.SIGTERM)
        self._at("kill", self._config.grace_s, lambda: self._signal(signal.SIGKILL))

    def _log_stacks(self) -> None:
        """Ask for them, wait for a bounded time; what ends the wait early does not prevent the log."""
        self._timers.clear()
        self._late = "had not returned when the task's time was up"
        self._missing = tuple(rank.place.rank for rank in self._ranks.values() if rank.final is None)
        try:
            self._ask_for_stacks()
            self._at("stacks", _LAST_S, lambda: None)
            self._hasten_stacks()
            while "stacks" in self._timers:
                self._wait()
        finally:
            _log.warning("%s", self._timeout_error())

    def _timeout_error(self) -> RankTimeout:
        assert self._late is not None
        stacks = {
            number: rank.stack
            for number, rank in self._ranks.items()
            if rank.asked_at is not None or number in self._missing
        }
        return timeout_error(self._world, self._late, stacks, self._missing, self._tally)

    def _signal(self, number: int, ranks: Iterable[RankState] | None = None) -> None:
        for rank in self._ranks.values() if ranks is None else ranks:
            if rank.exit is None:
                self._zygote.channel.send(Kind.SIGNAL, (rank.place.rank, int(number)))

    def _conclude(self) -> Outcome:
        outcome, stop = self._outcome, self._plan.stop
        if not self._stopping:
            self._blamed = [rank for rank in self._ranks.values() if rank.trouble or rank.final is None]
        self._blamed = [rank for rank in self._blamed if not (rank.crashed_answering or rank.is_bystander)]
        failures = [rank.failure for rank in self._blamed]
        outcome.reports = [rank.report(self._restart, is_blamed=rank in self._blamed) for rank in self._ranks.values()]
        if self._late is not None:
            outcome.error = self._timeout_error()
        elif failures:
            asked = {number: rank for number, rank in self._ranks.items() if rank.asked_at is not None}
            stacks = {number: rank.stack for number, rank in asked.items() if rank not in self._blamed}
            notes = [*self._notes(), *whereabouts(stacks)]
            outcome.error = to_error(failures, self._world, notes, stacks)
            is_final = any(failure.trouble and failure.trouble.final for failure in failures)
            outcome.may_restart = not is_final and not (stop is not None and stop.is_asked)
        elif stop is not None and stop.is_asked and len(self._returned()) < len(self._ranks):
            missing = sorted(self._ranks.keys() - set(self._returned()))
            outcome.error = RankCancelled(f"{listed(missing)} of {self._world.size} had not returned", missing)
        elif 0 in self._ranks and 0 not in outcome.ignored:
            outcome.values.setdefault(0, b"")
        return outcome

    def _notes(self) -> list[str]:
        early = self._returned()
        return [f"had already returned: {listed(early)}"] if early else []

    # -- descriptors ---------------------------------------------------------------------------------------------------

    def _registered(self, thing: int | Channel | Stop) -> bool:
        return thing in self._selector.get_map()

    def _forget(self, thing: int | Channel | Stop) -> None:
        if self._registered(thing):
            self._selector.unregister(thing)

    def _close(self) -> None:
        for rank in self._ranks.values():
            rank.results.close()
            for fd in (*rank.streams, rank.stacks_fd):
                os.close(fd)
        for sock in self._ports:
            sock.close()


def held_port() -> socket.socket:
    """A bound socket that does not listen: nobody else is given its port, and rank 0 can listen on it all the same.

    Works because both sides set SO_REUSEADDR (torch's store and gRPC do); measured: `bind(0)` of others never gets it.

    Raises:
        LaunchError: All ports are in use.
    """
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        holder.bind(("127.0.0.1", 0))
    except OSError as exc:
        holder.close()
        raise LaunchError(f"no port of 127.0.0.1 can be held for the ranks to meet at: {exc.strerror}") from exc
    return holder


def _ends(place: str) -> tuple[list[tuple[int, int]], tuple[socket.socket, socket.socket]]:
    """Three pipes and a pair of sockets; LaunchError when this process has as many open files as it may have."""
    pipes: list[tuple[int, int]] = []
    try:
        pipes.extend(os.pipe() for _ in range(3))
        return pipes, socket.socketpair()
    except OSError as exc:
        for fd in (fd for pipe in pipes for fd in pipe):
            os.close(fd)
        raise LaunchError(f"{place} could not be started: {exc.strerror}; `ulimit -n` is the limit") from exc


def _read(fd: int) -> bytes | None:
    """Some bytes; empty at the end; None when there are none now."""
    try:
        return os.read(fd, _CHUNK)
    except BlockingIOError:
        return None
