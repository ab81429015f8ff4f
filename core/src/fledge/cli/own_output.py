"""Keeps standard output for the result: while entered, whatever else is printed goes to standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

__all__ = ["printed_to_stderr"]


@contextmanager
def printed_to_stderr() -> Iterator[None]:
    """For what Python code prints, and for what child processes and native code write to descriptor 1."""
    with _descriptor_moved(), redirect_stdout(sys.stderr):
        yield


@contextmanager
def _descriptor_moved() -> Iterator[None]:
    """Only where our standard output is descriptor 1: in a host that has replaced it, the descriptor is not ours."""
    stream, to = sys.stdout, _descriptor(sys.stderr)
    if _descriptor(stream) != 1 or to is None:
        yield
        return
    stream.flush()
    kept = os.dup(1)
    os.dup2(to, 1)
    try:
        yield
    finally:
        try:
            stream.flush()  # a log handler that was made before writes to it still
        finally:
            os.dup2(kept, 1)
            os.close(kept)


def _descriptor(stream: object) -> int | None:
    """None: there is no such stream, or none behind it that the system knows."""
    try:
        return int(stream.fileno())  # type: ignore[attr-defined] # a stream of whatever kind, or None
    except (AttributeError, OSError, ValueError):
        return None
