"""One seam for every way a run is cut short: a task's timeout, Ctrl-C, SIGTERM, a database's interrupt, a launcher.

A `Cancellation` belongs to one run. Whoever blocks in native code registers a callback (`on_cancel`); `limit` enforces
a deadline: in the main thread with ITIMER_REAL (handler and timer of the surrounding code are restored), in other
threads with an asynchronous exception. The deadline decides, never the type of the exception that surfaced: code that
runs past it ends in TaskTimeoutError, whatever it raised or returned.
"""

from __future__ import annotations

import ctypes
import logging
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from fledge.errors import TaskTimeoutError

__all__ = ["Cancellation", "limit"]

_log = logging.getLogger("fledge.cancellation")

_AGAIN_S = 0.05  # an exception raised inside a destructor, or caught by a bare `except:`, is lost: raise it again


class Cancellation:
    """The deadline of one run and what to call when it is cut short.

    Attributes:
        deadline: `time.monotonic()` seconds at which the run ends; None: no limit. Never later than the parent's.
        cancelled: The run was told to end.
        owner: The task whose own timeout the deadline enforces; empty when there is none.
    """

    __slots__ = ("_callbacks", "_lock", "cancelled", "deadline", "owner", "parent")

    deadline: float | None

    def __init__(self, timeout_s: float | None = None, parent: Cancellation | None = None, owner: str = "") -> None:
        own = None if timeout_s is None else time.monotonic() + timeout_s
        outer = parent.deadline if parent is not None else None
        self.deadline = min((one for one in (own, outer) if one is not None), default=None)
        self.parent = parent
        self.owner = owner
        self.cancelled = False
        self._callbacks: list[Callable[[], None]] = []
        self._lock = threading.RLock()  # a signal handler may come in while this thread holds it

    def on_cancel(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` once when the run is cut short, from any thread; at once if it already was.

        Returns:
            The way to take it back.
        """
        with self._lock:
            self._callbacks.append(callback)
        if self.cancelled:
            self.cancel()
        return lambda: self._forget(callback)

    def _forget(self, callback: Callable[[], None]) -> None:
        with self._lock:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

    def cancel(self) -> None:
        """Run every callback, newest first. One that raises is logged and does not stop the others."""
        with self._lock:
            callbacks, self._callbacks, self.cancelled = self._callbacks[::-1], [], True
        for callback in callbacks:
            try:
                callback()
            except Exception:  # noqa: BLE001 - a callback of a plugin: the others must still be called
                _log.exception("a cancel callback failed")

    @property
    def is_due(self) -> bool:
        return self.deadline is not None and time.monotonic() >= self.deadline


@contextmanager
def limit(cancellation: Cancellation, task_name: str, timeout_s: float) -> Iterator[None]:
    """Run the body until the deadline; then log its stack, call the callbacks and raise.

    Raises:
        TaskTimeoutError: The deadline passed before the body ended; what the body raised meanwhile is its cause.
    """
    in_main = threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer")
    end = _End(cancellation, task_name)
    try:
        with _main_alarm(end) if in_main else _thread_alarm(end):
            yield
    except _DeadlinePassed:
        raise TaskTimeoutError(task_name, timeout_s) from None
    except Exception as exc:
        if cancellation.is_due:
            raise TaskTimeoutError(task_name, timeout_s) from exc
        raise
    if cancellation.is_due:
        raise TaskTimeoutError(task_name, timeout_s)


class _DeadlinePassed(BaseException):
    """Ends the user's code at the deadline; a BaseException so that `except Exception` in it does not swallow it."""


class _End:
    """What happens at a deadline, whoever sees it first: the stack is logged and the callbacks are called, once."""

    def __init__(self, cancellation: Cancellation, task_name: str) -> None:
        assert cancellation.deadline is not None
        self.cancellation, self.deadline = cancellation, cancellation.deadline
        self._task_name = task_name
        self._is_reported = False
        self._lock = threading.RLock()  # as in Cancellation

    @property
    def seconds_left(self) -> float:
        return max(self.deadline - time.monotonic(), 0)

    def report(self, frame: FrameType | None) -> None:
        with self._lock:
            if self._is_reported:
                return
            self._is_reported = True
        stack = "".join(traceback.format_stack(frame)) if frame is not None else ""
        _log.warning("task %s reached its timeout here:\n%s", self._task_name, stack)


@contextmanager
def _main_alarm(end: _End) -> Iterator[None]:
    """ITIMER_REAL ends Python code; the watcher calls back also while native code keeps signal handlers waiting."""

    def on_alarm(signum: int, frame: FrameType | None) -> None:
        if not end.cancellation.is_due:
            if callable(previous_handler):
                previous_handler(signum, frame)
            return
        end.report(frame)
        end.cancellation.cancel()
        raise _DeadlinePassed

    previous_handler = signal.signal(signal.SIGALRM, on_alarm)
    started = time.monotonic()
    previous_left, previous_interval = signal.setitimer(signal.ITIMER_REAL, max(end.seconds_left, 1e-6), _AGAIN_S)
    try:
        with _watcher(end, strike=lambda: None):
            yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous_handler)
        if previous_left:
            left = max(previous_left - (time.monotonic() - started), 1e-6)
            signal.setitimer(signal.ITIMER_REAL, left, previous_interval)


@contextmanager
def _thread_alarm(end: _End) -> Iterator[None]:
    thread_id = ctypes.c_ulong(threading.get_ident())

    def strike(error: type[BaseException] | None = _DeadlinePassed) -> None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(thread_id, None if error is None else ctypes.py_object(error))

    try:
        with _watcher(end, strike):
            yield
    finally:
        strike(None)  # one that has not arrived yet


@contextmanager
def _watcher(end: _End, strike: Callable[[], object]) -> Iterator[None]:
    """A thread that waits for the deadline, then strikes and calls back, and strikes again until the body has ended.

    It strikes before it calls back: what a callback wakes finds the exception waiting.
    """
    thread_id = threading.get_ident()
    has_ended = threading.Event()
    lock = threading.Lock()

    def watch() -> None:
        wait_s = end.seconds_left
        while not has_ended.wait(wait_s):
            with lock:
                if has_ended.is_set():
                    return
                end.report(sys._current_frames().get(thread_id))  # noqa: SLF001 - the documented way
                strike()
            end.cancellation.cancel()
            wait_s = _AGAIN_S

    thread = threading.Thread(target=watch, name="fledge-deadline", daemon=True)
    thread.start()
    try:
        yield
    finally:
        with lock:
            has_ended.set()
        thread.join()
