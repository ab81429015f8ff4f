"""Native work in, its result out; a signal's handler or another thread may stop it at any moment, also before it began.

Two traps of DuckDB's are kept from everybody else here: an interrupt has no effect while nothing runs, and in the main
thread DuckDB runs signal handlers itself and replaces what they raise.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

__all__ = ["Interruptible", "StoppedEarly"]

_INTERRUPT_EVERY_S = 0.05
_LISTEN_EVERY_S = 0.1
Work = Callable[[], Any]  # Any: whatever the work gives


class StoppedEarly(Exception):  # noqa: N818 - it says what happened, and becomes an EngineError at once
    """The work was stopped before it began."""


class Interruptible:
    """Runs one piece of work after the other, each of which can be stopped.

    Args:
        interrupt: Stops the native call that runs; without effect when none does.

    Attributes:
        was_stopped: `stop` was called, sooner or later.
    """

    def __init__(self, interrupt: Callable[[], None]) -> None:
        self._interrupt = interrupt
        self.was_stopped = self._is_busy = self._is_stopping = False
        self._lock = threading.RLock()  # a signal handler may come in while this thread holds it

    def run(self, work: Work) -> Any:  # Any: whatever the work gives
        """Do the work.

        Raises:
            StoppedEarly: `stop` was called since the last piece of work ended.
        """
        try:
            with self._lock:
                if self._is_stopping:
                    raise StoppedEarly
                self._is_busy = True
            return _beside_main(work, self._interrupt)
        finally:
            with self._lock:
                self._is_busy = self._is_stopping = False

    def stop(self) -> None:
        """Stop the work that runs; when none does, the next one. From any thread."""
        with self._lock:
            if self._is_stopping:
                return
            self.was_stopped = self._is_stopping = True
            if not self._is_busy:
                return
        threading.Thread(target=self._insist, name="fledge-sql-stop", daemon=True).start()

    def _insist(self) -> None:
        """Until the work has ended: it may be on its way to the native call, where an interrupt is not heard yet."""
        pause = threading.Event()
        while True:
            with self._lock:
                if not self._is_stopping:
                    return
                self._interrupt()
            pause.wait(_INTERRUPT_EVERY_S)


def _beside_main(work: Work, interrupt: Callable[[], None]) -> Any:  # Any: whatever the work gives
    """Do the work in another thread when this is the main one, which handles signals meanwhile.

    Python runs signal handlers between byte codes of the main thread, so it must not sit in native code. And DuckDB
    itself runs them there: what a handler raises (SystemExit) it would replace by a RuntimeError, "Query interrupted".
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    errand, helper = _Errand(work), _idle.pop() if _idle else _Helper()
    try:
        helper.take(errand)
        while not errand.done.wait(_LISTEN_EVERY_S):  # a signal that hits another thread does not end the wait
            pass
    except BaseException:  # a signal's handler raised, perhaps before the errand ran
        if not errand.withdraw():
            while not errand.done.wait(_INTERRUPT_EVERY_S):  # as in _insist
                interrupt()
        raise
    finally:
        _idle.append(helper)
    return errand.result()


class _Helper:
    """A thread that runs errands one after the other, as long as the process lives: one for each errand costs more."""

    def __init__(self) -> None:
        self._errands: SimpleQueue[_Errand] = SimpleQueue()
        threading.Thread(target=self._serve, name="fledge-sql-query", daemon=True).start()

    def take(self, errand: _Errand) -> None:
        self._errands.put(errand)

    def _serve(self) -> None:
        while True:
            self._errands.get().run()


_idle: list[_Helper] = []
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)  # the parent's threads do not exist there


class _Errand:
    """Work for another thread: it runs or is withdrawn, never both."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._turn = threading.Lock()  # taken by who comes first: the thread that runs, or the one that withdraws
        self._value: Any = None  # Any: whatever the work gives
        self._error: BaseException | None = None
        self.done = threading.Event()

    def withdraw(self) -> bool:
        """True when the work has not begun; then it never will."""
        return self._turn.acquire(blocking=False)

    def result(self) -> Any:  # Any: whatever the work gives
        if self._error is not None:
            raise self._error
        return self._value

    def run(self) -> None:
        if not self._turn.acquire(blocking=False):
            return
        try:
            self._value = self._work()
        except BaseException as exc:  # noqa: BLE001 - raised in the thread that waits
            self._error = exc
        finally:
            self.done.set()
