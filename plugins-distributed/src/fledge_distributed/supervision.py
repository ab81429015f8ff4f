"""Zygotes as the caller holds them: started early, kept warm between runs, ended with the caller.

A zygote serves one run at a time; runs at the same moment get one each. One idle zygote is kept per key, which is what
it has preloaded, from which folders, and the variables that native libraries read when they are loaded.
"""

from __future__ import annotations

import atexit
import os
import selectors
import socket
import subprocess
import sys
import threading
import time
import weakref
from typing import TYPE_CHECKING

from fledge_distributed.errors import LaunchError, RankCancelled
from fledge_distributed.frames import Channel, Frame, Kind

if TYPE_CHECKING:
    from fledge_distributed.stopping import Stop

__all__ = ["Zygote", "give_back", "idle_processes", "lease", "temporary_prefix", "warm_up"]

_Key = tuple[tuple[str, ...], bool, tuple[tuple[str, str], ...], tuple[str, ...]]

_MAIN = "import sys; sys.path[:] = sys.argv[3:]; from fledge_distributed.zygote import main; main()"
_READ_AT_LOAD = (
    "OMP_",
    "OPENBLAS_",
    "MKL_",
    "KMP_",
    "TORCH_",
    "PYTORCH_",
    "CUDA_",
    "NCCL_",
    "JAX_",
    "XLA_",
    "LD_",
    "PYTHON",
)
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # else numpy and torch start threads at import
_KEPT = 2  # idle zygotes, over all keys


class Zygote:
    """The process, and the socket to it."""

    def __init__(self, key: _Key) -> None:
        self.key = key
        self.spawn_reason: str | None = None
        self._ready = False
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, *_optimized(), "-c", _MAIN, str(theirs.fileno()), str(os.getpid()), *sys.path]
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                env=_ONE_THREAD | dict(os.environ),
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # ctrl-C and hang-ups of the terminal reach the caller only
            )
        self.channel = Channel(ours)
        _alive.add(self)
        self.channel.send(Kind.PRELOAD, (key[0], key[1]))

    def wait_ready(self, stop: Stop | None = None, deadline: float | None = None, limit: str = "") -> None:
        """Return once the preload is done.

        Raises:
            LaunchError: It failed, or was not done at the deadline (`time.monotonic()` seconds), called `limit`.
            RankCancelled: The run was told to end before it began.
        """
        while not self._ready or (stop is not None and stop.is_asked):
            if stop is not None and stop.is_asked:
                raise RankCancelled("no rank had been started")
            if deadline is not None and time.monotonic() >= deadline:
                raise LaunchError(f"the imports of {', '.join(self.key[0])} were not done within {limit}")
            for frame in self._receive(stop, deadline):
                if frame.kind is Kind.PRELOAD_FAILED:
                    self.close()
                    raise LaunchError(frame.load())
                if frame.kind is Kind.READY:
                    self._ready, self.spawn_reason = True, frame.load()

    def _receive(self, stop: Stop | None, deadline: float | None) -> list[Frame]:
        """Wait for the next frames, for the deadline or for the stop. LaunchError when the zygote has died."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.channel, selectors.EVENT_READ)
            if stop is not None:
                selector.register(stop, selectors.EVENT_READ)
            selector.select(None if deadline is None else max(0.0, deadline - time.monotonic()))
        frames = self.channel.receive()
        if not frames and self.channel.closed:
            raise self.died()
        return frames

    def died(self) -> LaunchError:
        """The error for an end of the socket that we did not ask for."""
        self.close()
        code = self.process.returncode
        return LaunchError(
            f"the process that starts the ranks has ended unexpectedly, {_ending(code)}; no rank is left"
        )

    def close(self) -> None:
        """End it, with all it has started; returns when the process is gone."""
        _alive.discard(self)
        self.channel.close()
        if not self._ready:
            self.process.kill()  # an import may take for ever, and there is no rank yet
        interrupted: BaseException | None = None
        while self.process.returncode is None:
            try:
                self.process.wait()
            except KeyboardInterrupt as exc:  # asked a second time: do not wait for the grace time
                interrupted = exc
                self.process.kill()
            except BaseException as exc:  # noqa: BLE001 - a repeating alarm of the caller's: first end what we began
                interrupted = exc
        if interrupted is not None:
            raise interrupted

    def abandon(self) -> None:
        """In a forked child: let go of the parent's zygote without touching it."""
        self.channel.close()
        self.process.returncode = 0  # not our child: nothing to wait for or to warn about


_alive: weakref.WeakSet[Zygote] = weakref.WeakSet()
_idle: list[Zygote] = []
_lock = threading.Lock()


def lease(preload: tuple[str, ...], fork: bool) -> Zygote:
    """A zygote for one run, warm if there is one. Give it back, or close it."""
    key = _key(preload, fork)
    with _lock:
        for zygote in _idle:
            if zygote.key == key:
                _idle.remove(zygote)
                break
        else:
            return Zygote(key)
    if zygote.process.poll() is None:
        return zygote
    zygote.close()
    return Zygote(key)


def give_back(zygote: Zygote) -> None:
    """Keep it warm for the next run; the oldest ones beyond the limit, and a second one of its key, are ended."""
    with _lock:
        if any(other.key == zygote.key for other in _idle):
            surplus = [zygote]
        else:
            _idle.append(zygote)
            surplus = [_idle.pop(0) for _ in range(len(_idle) - _KEPT)]
    for one in surplus:
        one.close()


def warm_up(preload: tuple[str, ...], fork: bool = True) -> None:
    """Start a zygote now, so that its imports run while the caller does something else."""
    give_back(lease(preload, fork))


def temporary_prefix() -> str:
    """How the temporary folders of this process's runs begin."""
    return f"fledge-ranks-{os.getpid()}-"


def idle_processes() -> list[int]:
    """Process ids of the zygotes that are kept warm."""
    with _lock:
        return [zygote.process.pid for zygote in _idle]


def _key(preload: tuple[str, ...], fork: bool) -> _Key:
    read_at_load = sorted((name, value) for name, value in os.environ.items() if name.startswith(_READ_AT_LOAD))
    return preload, fork, tuple(read_at_load), tuple(sys.path)


def _optimized() -> list[str]:
    return [f"-{'O' * sys.flags.optimize}"] if sys.flags.optimize else []


def _ending(code: int | None) -> str:
    return f"killed by signal {-code}" if code is not None and code < 0 else f"exit code {code}"


def _close_all() -> None:
    for zygote in list(_alive):
        zygote.close()


def _forget_in_child() -> None:
    """A forked child has neither the parent's zygotes nor its lock; holding the sockets would hide the parent's end."""
    global _lock  # noqa: PLW0603 - one lock per process
    _lock = threading.Lock()
    _idle.clear()
    for zygote in list(_alive):
        zygote.abandon()
    _alive.clear()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
