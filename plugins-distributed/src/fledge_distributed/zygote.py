"""The process between the caller and its ranks: imports the framework once, forks ranks, reaps them, outlives nobody.

Frames come in over one socket (PRELOAD, FORK, SIGNAL, SWEEP) and go out over it (READY, FORKED, EXIT, SWEPT). It
stays single-threaded, so that forking it is safe; where a preload has started threads or touched a GPU it starts fresh
interpreters instead. When the caller is gone (end of the socket, or its death signal) it ends all ranks and itself.
Processes that a rank leaves behind become its children (subreaper) and are ended too.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import importlib
import os
import pickle
import selectors
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field

from fledge_distributed.frames import Channel, Frame, Kind, anonymous_file
from fledge_distributed.worker import STACKS_SIGNAL, Descriptors, Exit, Start, die_with_parent, enter, peak_kib

__all__ = ["main"]

_PR_SET_CHILD_SUBREAPER = 36
_HARMLESS_THREADS = {"jemalloc_bg_thd"}  # pyarrow's allocator; it holds no lock across a fork
_SPAWN = "import sys; sys.path[:] = sys.argv[2:]; from fledge_distributed.worker import main; main()"


def main() -> None:
    """`argv`: number of the control socket, process id of the caller."""
    control, parent = int(sys.argv[1]), int(sys.argv[2])
    _Zygote(Channel(socket.socket(fileno=control)), parent).run()


@dataclass
class _Zygote:
    control: Channel
    parent: int
    ranks: dict[int, int] = field(default_factory=dict)  # process id -> rank
    grace_s: float = 5.0
    waiting: list[Frame] = field(default_factory=list)  # received, and not handled yet
    spawn_reason: str | None = None
    kill_at: float | None = None  # when what is still alive gets SIGKILL
    sweeping: bool = False
    orphaned: bool = False  # the caller is gone

    def run(self) -> None:
        self._prepare()
        with selectors.DefaultSelector() as selector:
            selector.register(self.control, selectors.EVENT_READ)
            selector.register(self.wakeup, selectors.EVENT_READ)
            while not (self.orphaned and not self._has_children()):
                selector.select(None if self.kill_at is None else max(0.0, self.kill_at - time.monotonic()))
                self._step(selector)

    def _prepare(self) -> None:
        self.wakeup, waker = socket.socketpair()
        self._waker = waker  # kept: closing it would end the wakeups
        self.wakeup.setblocking(False)
        waker.setblocking(False)
        for number in (signal.SIGCHLD, signal.SIGUSR1, signal.SIGTERM):
            signal.signal(number, lambda number, frame: None)  # a handler, so that the wakeup descriptor is written
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        # Whatever the caller's thread has blocked, SIGCHLD has to arrive. A rank unblocks this one once it can answer.
        signal.pthread_sigmask(signal.SIG_SETMASK, {STACKS_SIGNAL})
        die_with_parent(self.parent, signal.SIGUSR1)  # also comes when only the creating thread ends: see _step
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def _step(self, selector: selectors.BaseSelector) -> None:
        with suppress(BlockingIOError):  # woken by the control socket or the timer; the checks below run in any case
            self.wakeup.recv(4096)
        self.waiting += self.control.receive()
        while self.waiting:
            self._handle(self.waiting.pop(0))
        self._reap()
        if (self.control.closed or os.getppid() != self.parent) and not self.orphaned:
            self.orphaned = True
            selector.unregister(self.control)
            self._end_all()
        if self.sweeping and not self._has_children():
            self.sweeping, self.kill_at = False, None
            self._tell(Kind.SWEPT, b"")
        if self.kill_at is not None and time.monotonic() >= self.kill_at:
            self.kill_at = None
            self._signal_all(signal.SIGKILL)
        elif (self.sweeping or self.orphaned) and self.kill_at is None:
            self._signal_all(signal.SIGKILL)  # the time is up, yet more children of dead ones have come to us

    def _handle(self, frame: Frame) -> None:
        if frame.kind is Kind.PRELOAD:
            self._preload(*frame.load())
        elif frame.kind is Kind.FORK:
            self._start(frame)
        elif frame.kind is Kind.RUN:
            self._run_command(frame)
        elif frame.kind is Kind.SIGNAL:
            rank, number = frame.load()
            for pid in [pid for pid, one in self.ranks.items() if one == rank]:
                os.kill(pid, number)  # not reaped yet, so the number is still its own
        elif frame.kind is Kind.SWEEP:
            self.sweeping = True
            self._end_all()

    # -- starting ------------------------------------------------------------------------------------------------------

    def _preload(self, modules: tuple[str, ...], fork: bool) -> None:
        for name in modules:
            try:
                importlib.import_module(name)
            except BaseException as exc:  # noqa: BLE001 - a module may raise anything at import, SystemExit too
                self._tell(Kind.PRELOAD_FAILED, f"preload {name!r} cannot be imported: {type(exc).__name__}: {exc}")
                return
        self.spawn_reason = _why_not_fork() if fork else "asked for"
        gc.collect()
        gc.freeze()  # the ranks share these pages as long as no collection writes to them
        self._tell(Kind.READY, self.spawn_reason)

    def _start(self, frame: Frame) -> None:
        start: Start = frame.load()
        self.grace_s = start.grace_s
        try:
            pid = self._begin(start, frame.fds)
        except OSError as exc:
            self._tell(Kind.FORK_FAILED, (start.rank.rank, str(exc)))
        else:
            self.ranks[pid] = start.rank.rank
            self._tell(Kind.FORKED, (start.rank.rank, pid))
        finally:
            for fd in frame.fds:
                os.close(fd)

    def _begin(self, start: Start, fds: tuple[int, ...]) -> int:
        """The process of a new rank. OSError: there is none."""
        if len(fds) != len(Descriptors._fields):  # the kernel leaves out those for which we have no number left
            raise OSError(errno.EMFILE, "the ranks' parent has no more file descriptors (ulimit -n)")
        return self._fork(start, fds) if self.spawn_reason is None else self._spawn(start, fds)

    def _fork(self, start: Start, fds: tuple[int, ...]) -> int:
        parent = os.getpid()
        before = signal.pthread_sigmask(
            signal.SIG_BLOCK, signal.valid_signals()
        )  # none may meet our handlers in the child
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            for channel in (self.control, self.wakeup, self._waker):
                channel.close()
            for fd in [fd for frame in self.waiting for fd in frame.fds]:
                os.close(fd)  # of ranks that come next, whose end would not be seen while this one lives
            enter(start, Descriptors(*fds), parent)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return pid

    def _spawn(self, start: Start, fds: tuple[int, ...]) -> int:
        file = anonymous_file(pickle.dumps((start, fds, os.getpid())))
        try:
            process = subprocess.Popen(
                [sys.executable, "-c", _SPAWN, str(file), *sys.path],
                env=dict(start.environment),
                pass_fds=[file, *fds],
                start_new_session=True,
            )
        finally:
            os.close(file)
        process.returncode = 0  # reaped by _reap; keeps Popen from warning and from waiting
        return process.pid

    def _run_command(self, frame: Frame) -> None:
        """A launcher of its own kind (mpirun), which starts the ranks in its way."""
        words, environment, self.grace_s = frame.load()
        out, err = frame.fds
        try:
            process = subprocess.Popen(
                words, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
            )
        except OSError as exc:
            self._tell(Kind.FORK_FAILED, (-1, str(exc)))
        else:
            process.returncode = 0  # as above
            self.ranks[process.pid] = -1
        finally:
            os.close(out)
            os.close(err)

    # -- ending --------------------------------------------------------------------------------------------------------

    def _reap(self) -> None:
        """Report ranks that have ended, and ask what is left of their process groups to end."""
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is None:
                return
            pid = found.si_pid
            if pid in self.ranks:
                _signal_group(pid, signal.SIGTERM)  # still a zombie, so the number is still this group's
            _, status, usage = os.wait4(pid, 0)
            rank = self.ranks.pop(pid, None)
            if rank is not None:
                exit_ = Exit(rank, os.waitstatus_to_exitcode(status), time.monotonic(), peak_kib(usage))
                self._tell(Kind.EXIT, exit_)

    def _end_all(self) -> None:
        self._signal_all(signal.SIGTERM)
        self.kill_at = time.monotonic() + self.grace_s

    def _signal_all(self, number: int) -> None:
        for pid in {*self.ranks, *_children()}:
            _signal_group(pid, number)
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue  # another process has reaped it

    def _has_children(self) -> bool:
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return False
        return True

    def _tell(self, kind: Kind, value: object) -> None:
        try:
            self.control.send(kind, value)
        except OSError:
            self.control.closed = True  # the caller is gone; the next step ends everything


def _signal_group(pid: int, number: int) -> None:
    """Signal the group that a rank leads; nothing when it leads none (any more)."""
    try:
        if os.getpgid(pid) == pid:
            os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        return


def _children() -> set[int]:
    """Direct children, among them what dead ranks left behind. Linux only: elsewhere nothing is handed over to us."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:
            return {int(word) for word in file.read().split()}
    except OSError:
        return set()


def _why_not_fork() -> str | None:
    """None when a fork of this process is safe."""
    if sys.platform != "linux":
        return f"forking is not safe on {sys.platform}"
    names = []
    for task in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{task}/comm") as file:
            names.append(file.read().strip() if int(task) != os.getpid() else "")
    threads = sorted(name for name in names if name and name not in _HARMLESS_THREADS)
    if threads:
        return f"a preloaded module has started threads: {', '.join(threads)}"
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        return "a preloaded module has initialized CUDA"
    return None


if __name__ == "__main__":
    main()
