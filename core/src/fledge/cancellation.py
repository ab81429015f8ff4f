"""One seam for every way a run is cut short: a task's timeout, Ctrl-C, SIGTERM, a database's interrupt, a launcher.

A `Cancellation` belongs to one run. Whoever blocks in native code registers a callback (`on_cancel`); `limited`
enforces a deadline: in the main thread with ITIMER_REAL (handler and timer of the surrounding code are restored), in
other threads with an asynchronous exception. The deadline decides, never the type of the exception that surfaced: code
that runs past it ends in TaskTimeoutError, whatever it raised or returned.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, TypeVar

from fledge.errors import TaskTimeoutError
from fledge.lazy import lazy, lazy_logger

if TYPE_CHECKING:
    import ctypes
    import signal

    from fledge import frames
else:
    ctypes = lazy("ctypes")
    frames = lazy("fledge.frames")
    signal = lazy("signal")

__all__ = ["Cancellation", "limited"]

_log = lazy_logger("fledge.cancellation")

R = TypeVar("R")
_TICK_S = 0.05
_AGAIN_CPU_S, _AGAIN_S = 0.02, 1.0  # when a strike is repeated: after so much processor time, or so long


class Cancellation:
    """The deadline of one run and what to call when it is cut short.

    Attributes:
        deadline: `time.monotonic()` seconds at which the run ends; None: no limit. Never later than the parent's.
        cancelled: The run was told to end.
        owner: The task whose own timeout the deadline enforces; empty when there is none.
        enforced_in: The thread in which the deadline is being enforced; 0 while it is not.
    """

    __slots__ = ("_callbacks", "_lock", "cancelled", "deadline", "enforced_in", "owner", "parent")

    deadline: float | None
    enforced_in: int

    def __init__(self, timeout_s: float | None = None, parent: Cancellation | None = None, owner: str = "") -> None:
        own = None if timeout_s is None else time.monotonic() + timeout_s
        outer = parent.deadline if parent is not None else None
        self.deadline = min((one for one in (own, outer) if one is not None), default=None)
        self.parent = parent
        self.owner = owner
        self.enforced_in = parent.enforced_in if parent is not None else 0
        self.cancelled = False
        self._callbacks: list[Callable[[], None]] = []
        self._lock = threading.RLock()  # a signal handler may come in while this thread holds it

    def on_cancel(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` once when this run or one around it is cut short, from any thread; at once if it already was.

        Returns:
            The way to take it back.
        """
        once = _Once(callback)
        one: Cancellation | None = self
        take_back = []
        while one is not None:
            take_back.append(one.listen(once))
            one = one.parent

        def forget() -> None:
            for take in take_back:
                take()

        return forget

    def listen(self, callback: Callable[[], None]) -> Callable[[], None]:
        """As `on_cancel`, for this run alone and not for those around it."""
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


class _Once:
    """A callback that is called by the first of several that want to."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback: Callable[[], None] | None = callback
        self._lock = threading.RLock()  # a signal handler may come in while this thread holds it

    def __call__(self) -> None:
        with self._lock:
            callback, self._callback = self._callback, None
        if callback is not None:
            callback()


def limited(call: Callable[[], R], cancellation: Cancellation, task_name: str, timeout_s: float) -> R:
    """Call, but not beyond the deadline: then the stack is logged, the callbacks are called and the call is ended.

    Raises:
        TaskTimeoutError: The deadline passed before the call ended; what the call raised meanwhile is its cause.
    """
    outer = cancellation.parent
    if outer is not None and outer.enforced_in == threading.get_ident() and outer.deadline == cancellation.deadline:
        return call()  # the outer one strikes at the same moment; two would strike each other
    in_main = threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer")
    enforcer: _Enforcer = _Alarm(cancellation, task_name) if in_main else _Watcher(cancellation, task_name)
    try:
        try:
            enforcer.start()
            result = call()
        finally:
            # In line: a strike may come in at any function's first step, and whatever it cuts short is done again.
            while not enforcer.is_stopped:
                try:
                    enforcer.stop()
                except _DeadlinePassed:
                    continue
    except _DeadlinePassed:
        enforcer.stop()
        raise TaskTimeoutError(task_name, timeout_s) from None
    except Exception as exc:
        if cancellation.is_due:
            raise TaskTimeoutError(task_name, timeout_s) from exc
        raise
    if cancellation.is_due:
        raise TaskTimeoutError(task_name, timeout_s)
    return result


class _DeadlinePassed(BaseException):
    """Ends the user's code at the deadline; a BaseException so that `except Exception` in it does not swallow it."""


class _Enforcer:
    """A thread that waits for the deadline, then logs the stack, strikes and calls back.

    It strikes before it calls back: what a callback wakes finds the exception waiting. It strikes again when the body
    goes on all the same: an exception in a destructor, or caught by a bare `except:`, is lost. A body that merely has
    not had the processor since is left alone, so that it can end in peace.
    """

    def __init__(self, cancellation: Cancellation, task_name: str) -> None:
        assert cancellation.deadline is not None
        self.is_over = self.is_stopped = False
        self._cancellation, self._deadline = cancellation, cancellation.deadline
        self._task_name = task_name
        self._thread_id = threading.get_ident()
        self._cpu_s = _cpu_clock(self._thread_id)
        self._struck: tuple[float, float] | None = None  # processor time and time of the last strike
        self._is_reported = False
        self._lock = threading.RLock()  # a signal handler may come in while this thread holds it
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="fledge-deadline", daemon=True)

    def start(self) -> None:
        self._cancellation.enforced_in = self._thread_id
        self._thread.start()

    def stop(self) -> None:
        """No strike after this; may be called again, also when the first call was cut short by one."""
        self.is_over = True
        self._cancellation.enforced_in = 0
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join()
        self.is_stopped = True

    def strike(self) -> None:
        """Raise in the body, if this enforcer can from its own thread."""

    def is_worth_striking(self) -> bool:
        """For the first time, and again when the body has used the processor or has been waiting for long."""
        now = self._cpu_s(), time.monotonic()
        if self._struck is not None and now[0] - self._struck[0] < _AGAIN_CPU_S and now[1] - self._struck[1] < _AGAIN_S:
            return False
        self._struck = now
        return True

    def report(self, frame: FrameType | None) -> None:
        with self._lock:
            if self._is_reported:
                return
            self._is_reported = True
        stack = frames.format_stack(frame) if frame is not None else ""
        _log.warning("task %s reached its timeout here:\n%s", self._task_name, stack)

    def _watch(self) -> None:
        wait_s = max(self._deadline - time.monotonic(), 0)
        while not self._ended.wait(wait_s):
            self.report(sys._current_frames().get(self._thread_id))  # noqa: SLF001 - the documented way
            self.strike()
            self._cancellation.cancel()
            wait_s = _TICK_S


class _Alarm(_Enforcer):
    """In the main thread ITIMER_REAL strikes; the watching thread calls back while native code keeps it waiting."""

    def start(self) -> None:
        super().start()
        self._started = time.monotonic()
        self._timer = signal.getitimer(signal.ITIMER_REAL)
        self._handler = signal.getsignal(signal.SIGALRM)
        signal.signal(signal.SIGALRM, self._on_alarm)
        signal.setitimer(signal.ITIMER_REAL, max(self._deadline - self._started, 1e-6), _TICK_S)

    def stop(self) -> None:
        self.is_over = True
        if hasattr(self, "_handler"):
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, signal.SIG_DFL if self._handler is None else self._handler)
            left, interval = self._timer
            if left:
                left = max(left - (time.monotonic() - self._started), 1e-6)
                signal.setitimer(signal.ITIMER_REAL, left, interval)
            del self._handler
        super().stop()

    def _on_alarm(self, signum: int, frame: FrameType | None) -> None:
        if self.is_over:
            return
        if not self._cancellation.is_due:
            if callable(self._handler):
                self._handler(signum, frame)
        elif self.is_worth_striking():
            self.report(frame)
            self._cancellation.cancel()
            raise _DeadlinePassed


class _Watcher(_Enforcer):
    """In other threads an asynchronous exception strikes."""

    def stop(self) -> None:
        self.is_over = True
        with self._lock:
            self._set(None)  # one that has not arrived yet
        super().stop()

    def strike(self) -> None:
        with self._lock:
            if not self.is_over and self.is_worth_striking():
                self._set(_DeadlinePassed)

    def _set(self, error: type[BaseException] | None) -> None:
        value = None if error is None else ctypes.py_object(error)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread_id), value)


def _cpu_clock(thread_id: int) -> Callable[[], float]:
    """The processor time of a thread; zero where the platform does not tell, so that only long waits count."""
    if not hasattr(time, "pthread_getcpuclockid"):
        return lambda: 0.0
    clock = time.pthread_getcpuclockid(thread_id)
    return lambda: time.clock_gettime(clock)
