"""Signals that end a run: they cancel it, so that native code hears of them too, and raise in the main thread."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Mapping
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fledge.cancellation import Cancellation

__all__ = ["Interruptions"]


class Interruptions:
    """While entered, each of the given signals cancels the run and raises its exception; handlers are restored.

    A handler has to wait while the main thread is in native code. A watcher reads the signal from the wakeup file
    descriptor meanwhile and calls back whoever can end that code. Outside the main thread, where no handler can be set,
    nothing is done.

    Args:
        cancellation: Of the run.
        raising: Signal -> what makes the exception.
        once: Only the first signal raises.

    Attributes:
        are_told: A signal has come.
    """

    def __init__(
        self,
        cancellation: Cancellation,
        raising: Mapping[signal.Signals, Callable[[], BaseException]],
        *,
        once: bool = False,
    ) -> None:
        self.are_told = False
        self._cancellation, self._raising, self._once = cancellation, raising, once
        self._is_armed = threading.current_thread() is threading.main_thread()
        self._previous: dict[int, Any] = {}  # Any: what signal.signal gives back

    def __enter__(self) -> Interruptions:  # noqa: PYI034 - Self is in typing from 3.11 on
        if self._is_armed:
            self._reading, self._writing = os.pipe()
            if os.name == "posix":  # elsewhere Python does not ask for it
                os.set_blocking(self._writing, False)
            threading.Thread(target=self._watch, name="fledge-signals", daemon=True).start()
            self._previous_fd = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
            for number in self._raising:
                self._previous[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        if self._previous:
            for number, handler in self._previous.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)
            signal.set_wakeup_fd(self._previous_fd)
            os.close(self._writing)  # ends the watcher

    def disarm(self) -> None:
        """From now on no signal raises: something follows that must not be cut in half."""
        self._is_armed = False

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        self.are_told = True
        if self._is_armed:
            self._is_armed = not self._once
            self._cancellation.cancel()
            error = self._raising[signal.Signals(number)]()
            raise error

    def _watch(self) -> None:
        try:
            while received := os.read(self._reading, 64):
                if not self._raising.keys().isdisjoint(received):
                    self.are_told = True
                    self._cancellation.cancel()
        finally:
            os.close(self._reading)
