"""How far a long transfer is, as lines of the logger `fledge.storage`: one for every tenth part."""

from __future__ import annotations

import logging

__all__ = ["Progress"]

_LOG = logging.getLogger("fledge.storage")
_LONG = 64 * 2**20


class Progress:
    """Counts bytes and logs at INFO; transfers below 64 MB pass in silence."""

    def __init__(self, what: str, size_bytes: int) -> None:
        self._what, self._size = what, size_bytes
        self._done = self._tenths = 0

    def add(self, count_bytes: int) -> None:
        self._done += count_bytes
        if self._size < _LONG:
            return
        tenths = 10 * self._done // self._size
        if tenths > self._tenths:
            self._tenths = tenths
            _LOG.info("%s: %d of %d MB", self._what, self._done // 10**6, self._size // 10**6)
