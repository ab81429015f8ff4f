"""Telling a run to end, from any thread or signal handler: a flag, and a socket that wakes whoever waits for ranks."""

from __future__ import annotations

import socket
import threading
from types import TracebackType

__all__ = ["Stop"]


class Stop:
    """One for a run and all its restarts. Asking is heard once, by whatever the run waits for at that moment.

    Attributes:
        is_asked: The run is to end.
        is_late: It is, because the task's own time is up.
    """

    def __init__(self) -> None:
        self.is_asked = self.is_late = False
        self._lock = threading.RLock()  # a signal handler may come in while this thread holds it
        self._reading, self._writing = socket.socketpair()

    def __enter__(self) -> Stop:  # noqa: PYI034 - typing.Self came with Python 3.11
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._lock:
            self._reading.close()
            self._writing.close()

    def fileno(self) -> int:
        """Readable once the run is to end, and from then on."""
        return self._reading.fileno()

    def ask(self, *, is_late: bool = False) -> None:
        """End the run; nothing when it has ended."""
        with self._lock:
            self.is_asked, self.is_late = True, self.is_late or is_late
            if self._writing.fileno() >= 0:
                self._writing.send(b"!")
