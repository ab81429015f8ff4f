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


class Cancellation:
    """The deadline of one run and what to call when it is cut short.

    Attributes:
        deadline: `time.monotonic()` seconds at which the run ends; None: no limit. Never later than the parent's.
        cancelled: The run was told to end.
    """

    __slots__ = ("_callbacks", "_lock", "cancelled", "deadline", "parent")

    deadline: float | None

    def __init__(self, timeout_s: float | None = None, parent: Cancellation | None = None) -> None:
        own = None if timeout_s is None else time.monotonic() + timeout_s
        outer = parent.deadline if parent is not None else None
        self.deadline = min((one for one in (own, outer) if one is not None), default=None)
        self.parent = parent
        self.cancelled = False
        self._callbacks: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    def on_cancel(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` once when the run is cut short, from any thread; at once if it already was.

        Returns:
            The way to take it back.
        """
        with self._lock:
            if not self.cancelled:
                self._callbacks.append(callback)
                return lambda: self._forget(callback)
        callback()
        return lambda: None

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
    main = threading.current_thread() is threading.main_thread()
    alarm = _main_alarm(cancellation, task_name) if main else _thread_alarm(cancellation, task_name)
    try:
        with alarm:
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


@contextmanager
def _main_alarm(cancellation: Cancellation, task_name: str) -> Iterator[None]:
    assert cancellation.deadline is not None

    def on_alarm(signum: int, frame: FrameType | None) -> None:
        if not cancellation.is_due:
            if callable(previous_handler):
                previous_handler(signum, frame)
            return
        _report(task_name, frame)
        cancellation.cancel()
        raise _DeadlinePassed

    previous_handler = signal.signal(signal.SIGALRM, on_alarm)
    started = time.monotonic()
    previous_left, previous_interval = signal.setitimer(
        signal.ITIMER_REAL, max(cancellation.deadline - started, 1e-6), 0.05
    )  # repeats: an exception raised inside a destructor is lost
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous_handler)
        if previous_left:
            left = max(previous_left - (time.monotonic() - started), 1e-6)
            signal.setitimer(signal.ITIMER_REAL, left, previous_interval)


@contextmanager
def _thread_alarm(cancellation: Cancellation, task_name: str) -> Iterator[None]:
    assert cancellation.deadline is not None
    thread_id = threading.get_ident()
    lock = threading.Lock()
    running = True

    def on_alarm() -> None:
        with lock:
            if not running:
                return
            _report(task_name, sys._current_frames().get(thread_id))  # noqa: SLF001 - the documented way
            cancellation.cancel()
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread_id), ctypes.py_object(_DeadlinePassed))

    timer = threading.Timer(max(cancellation.deadline - time.monotonic(), 0), on_alarm)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        with lock:
            running = False
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread_id), None)  # one that has not arrived yet
        timer.cancel()
        timer.join()


def _report(task_name: str, frame: FrameType | None) -> None:
    stack = "".join(traceback.format_stack(frame)) if frame is not None else ""
    _log.warning("task %s reached its timeout here:\n%s", task_name, stack)
