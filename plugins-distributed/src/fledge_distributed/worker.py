"""What one rank does: take its place, load the target, call it, say how it went, leave.

A rank is a child of the zygote: forked (`enter`), or a fresh interpreter where forking is unsafe (`main`). It gets a
job (target and payload, in an anonymous file), its own environment, and descriptors to write to. It leaves by
`os._exit` once its last frame is sent, so that no library's exit code can lose a result.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import resource
import signal
import socket
import sys
import time
import traceback
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import NamedTuple, NoReturn, TextIO

from fledge.progress import ProgressReport, shown_to
from fledge_distributed.frames import Channel, Kind, read_file, unpickled
from fledge_distributed.ranks import Rank, enter_rank
from fledge_distributed.targets import Target, load_target
from fledge_distributed.troubles import describe, ignores_outputs

__all__ = [
    "STACKS_END",
    "STACKS_SIGNAL",
    "Descriptors",
    "Exit",
    "Job",
    "Start",
    "die_with_parent",
    "enter",
    "main",
    "peak_kib",
    "send_extra",
]

STACKS_SIGNAL = signal.SIGUSR2  # dumps the Python stacks of all threads into Descriptors.stacks
STACKS_END = bytes([STACKS_SIGNAL])  # follows each dump: the interpreter's C handler writes it, even in native code
_PR_SET_PDEATHSIG = 1


class Descriptors(NamedTuple):
    """What comes with Kind.FORK, in this order."""

    job: int
    stdout: int
    stderr: int
    results: int
    stacks: int


@dataclass(frozen=True)
class Job:
    """The same for all ranks of a run.

    `collect_all`: every rank sends its bytes, not the leader alone. `tells_progress`: every rank sends its reports of
    progress.
    """

    target: Target
    payload: bytes
    path: tuple[str, ...]
    argv: tuple[str, ...]
    folder: str
    collect_all: bool = False
    tells_progress: bool = False


@dataclass(frozen=True)
class Start:
    """What makes a rank this rank.

    `environment` is the whole environment, not an addition, unless `inherit`: another launcher (mpirun) has started the
    process, whose variables and process group stay.
    """

    rank: Rank
    environment: Mapping[str, str]
    grace_s: float
    inherit: bool = False


@dataclass(frozen=True)
class Exit:
    """How a rank's process ended: `status` as of `os.waitstatus_to_exitcode`, monotonic seconds, KiB."""

    rank: int
    status: int
    when: float
    peak_kib: int


_results: Channel | None = None


def send_extra(name: str, data: bytes) -> None:
    """Hand named bytes (a deck) to the caller; nothing outside a rank."""
    if _results is not None:
        _results.send(Kind.EXTRA, (name, data))


def peak_kib(usage: resource.struct_rusage) -> int:
    """The largest resident size of a process."""
    return usage.ru_maxrss // 1024 if sys.platform == "darwin" else usage.ru_maxrss


def main() -> NoReturn:
    """A rank in a fresh interpreter: `Start` and the descriptors' numbers come in a file whose number is in argv."""
    fd = int(sys.argv[1])
    start, fds, parent = unpickled(read_file(fd))
    os.close(fd)
    enter(start, Descriptors(*fds), parent)


def enter(start: Start, fds: Descriptors, parent: int) -> NoReturn:
    """Be the rank until its end. Never returns, never raises."""
    code = 70
    try:
        results = _take_place(start, fds, parent)
        code = _work(start, fds.job, results)
    except BrokenPipeError:
        code = 71  # the caller is gone; nobody is left to tell
    except BaseException:  # noqa: BLE001 - before there is a channel to report on: the rank's stderr, then exit code 70
        traceback.print_exc()
    finally:
        _flush()
        os._exit(code)


def die_with_parent(parent: int, number: int) -> None:
    """Ask the kernel for a signal when the creating thread of the parent ends. Linux only; elsewhere EOF has to do."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(71)


def _take_place(start: Start, fds: Descriptors, parent: int) -> Channel:
    global _results  # noqa: PLW0603 - one channel per process
    if not start.inherit and os.getsid(0) != os.getpid():
        os.setsid()
    die_with_parent(parent, signal.SIGKILL)
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (fds.stdout, 1), (fds.stderr, 2)):
        os.dup2(source, target)
        os.close(source)
    sys.stdout, sys.stderr = (_line_writer(fd) for fd in (1, 2))
    _results = Channel(socket.socket(fileno=fds.results))
    os.register_at_fork(after_in_child=_let_go)  # else children of a dead rank hide its end
    _handle_signals(fds.stacks)
    if not start.inherit:
        os.environ.clear()
    os.environ.update(start.environment)
    time.tzset()
    enter_rank(start.rank)
    _reseed()
    _results.send(Kind.STARTED, os.getpid())
    return _results


def _let_go() -> None:
    """In a child of the rank: it reports nothing."""
    global _results  # noqa: PLW0603 - as above
    if _results is not None:
        _results.close()
        _results = None


def _line_writer(fd: int) -> TextIO:
    return open(fd, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


def _handle_signals(stacks: int) -> None:
    """Default signals, and stack dumps.

    Faulthandler writes a dump and chains to the interpreter's C handler, which writes the number of the signal to the
    wakeup descriptor at once, whatever the main thread is doing: the mark of the dump's end.
    """
    os.set_blocking(stacks, False)
    signal.set_wakeup_fd(stacks, warn_on_full_buffer=False)
    signal.signal(STACKS_SIGNAL, lambda number, frame: None)
    faulthandler.register(STACKS_SIGNAL, file=stacks, all_threads=True, chain=True)
    faulthandler.enable(file=stacks, all_threads=True)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGUSR1):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _reseed() -> None:
    """Numpy's global generator was seeded in the zygote: without this all ranks of all runs draw the same numbers."""
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()


def _work(start: Start, job_fd: int, results: Channel) -> int:
    """Call the target and send the one frame that says how it went. Returns the exit code."""
    kind, value, code = _worked(start.rank, job_fd)
    if start.inherit:
        results.send(Kind.PEAK, peak_kib(resource.getrusage(resource.RUSAGE_SELF)))
    try:
        results.send(kind, value)
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - a value for which there is no memory: the caller has to hear of it
        results.send(Kind.ERROR, describe(error))
        return 1
    if kind is Kind.VALUE:
        _finalize_mpi()
    return code


def _worked(rank: Rank, job_fd: int) -> tuple[Kind, object, int]:
    """What the frame holds, and the exit code."""
    try:
        job: Job = unpickled(read_file(job_fd))
        os.close(job_fd)
        os.chdir(job.folder)
        sys.path[:], sys.argv[:] = job.path, job.argv
        target = load_target(job.target)
        with _progress_sent(job):
            value = _checked(target(job.payload), job.target)
        _flush()
        return Kind.VALUE, value if rank.is_leader or job.collect_all else b"", 0
    except BaseException as error:  # noqa: BLE001 - everything a user's code can do to leave is reported
        if ignores_outputs(error):
            return Kind.IGNORED, b"", 0
        trouble = describe(error)
        return Kind.ERROR, trouble, 1 if trouble.exitcode is None else trouble.exitcode & 0xFF


def _progress_sent(job: Job) -> AbstractContextManager[None]:
    return shown_to(_send_progress) if job.tells_progress else nullcontext()


def _send_progress(one: ProgressReport) -> None:
    if _results is not None:
        _results.send(Kind.PROGRESS, one)


def _finalize_mpi() -> None:
    """The exit code of mpi4py would do it, which a rank that leaves by `os._exit` does not run."""
    mpi = sys.modules.get("mpi4py.MPI")
    if mpi is not None and mpi.Is_initialized() and not mpi.Is_finalized():
        mpi.Finalize()


def _checked(value: object, target: Target) -> bytes:
    if value is None or isinstance(value, bytes):
        return value or b""
    raise TypeError(
        f"{target.name} returned {type(value).__name__}; what the launcher calls has to return bytes or None"
    )


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue  # the user closed it, or the caller no longer reads
