"""How far long work is: queries, transfers, ranks, the nodes of a workflow, and whatever a task's body counts.

In: `with tracked("upload a.parquet", total=size, unit="bytes") as tracker: tracker.advance(n)` where the work is done.
Out: `ProgressReport`s to everyone in `shown_to(listener)`, in the process that asked. Without a listener nothing is
counted and nothing is sent; a listener that raises is logged, dropped, and breaks nothing.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from fledge.lazy import lazy_logger

__all__ = ["ProgressReport", "Tracker", "is_wanted", "next_number", "report", "shown_to", "tracked"]

_REPORT_EVERY_S = 0.1  # between two reports of one tracker; its first and its last are always sent
_log = lazy_logger("fledge.progress")
_numbers = itertools.count(1)
_lock = threading.Lock()


@dataclass(frozen=True)
class ProgressReport:
    """How far one piece of work is.

    Attributes:
        number: Which piece of work, unique in its process: two uploads may have the same name.
        name: What is being done, for a person.
        done: How much of it, in `unit`; never falls.
        total: How much there is; None where nobody knows.
        unit: "bytes", "rows", "nodes", "%" or whatever is counted; empty: plain numbers.
        state: "running" until the last report, which says how it ended.
    """

    number: int
    name: str
    done: float
    total: float | None
    unit: str
    state: Literal["running", "finished", "failed"] = "running"


Listener = Callable[[ProgressReport], None]
_listeners: tuple[Listener, ...] = ()  # replaced whole, so that reading it needs no lock


def is_wanted() -> bool:
    """Whether anybody listens; for work that would be done only to report."""
    return bool(_listeners)


def next_number() -> int:
    """A number that no other piece of work has in this process; for reports that come from another process."""
    return next(_numbers)


def report(one: ProgressReport) -> None:
    """Hand a report to every listener; for those who bring reports from another process. Else use `tracked`."""
    for listener in _listeners:
        try:
            listener(one)
        except Exception:  # noqa: BLE001 - a listener must never break the work it listens to
            _log.exception("%r failed at a report of progress and gets no more of them", listener)
            _drop(listener)


@contextmanager
def shown_to(listener: Listener) -> Iterator[None]:
    """Send every report of this process to `listener` inside the block; from any thread, several at once."""
    global _listeners  # noqa: PLW0603 - one list for the process: work is done in threads that know no context
    with _lock:
        _listeners = (*_listeners, listener)
    try:
        yield
    finally:
        _drop(listener)


@contextmanager
def tracked(name: str, total: float | None = None, unit: str = "") -> Iterator[Tracker]:
    """Report the work of the block: a first report at once, and a last one that says how it ended.

    Args:
        name: What is being done, for a person; no secrets.
        total: How much there is to do; None: not known.
        unit: What is counted.
    """
    tracker = Tracker(name, total, unit)
    if _listeners:
        tracker.send("running")
    try:
        yield tracker
    except BaseException:
        tracker.send("failed")
        raise
    tracker.send("finished")


class Tracker:
    """Counts one piece of work; from any thread."""

    def __init__(self, name: str, total: float | None, unit: str) -> None:
        self._number, self._name, self._total, self._unit = next_number(), name, total, unit
        self._done = 0.0
        self._next_s = 0.0
        self._counting = threading.Lock()

    def advance(self, amount: float = 1.0) -> None:
        """Add to what is done."""
        with self._counting:
            self._done += amount
        self._send_in_time()

    def reach(self, done: float, total: float | None = None) -> None:
        """Set what is done, where the worker knows the sum, perhaps only now the total. Less than before: not heard."""
        with self._counting:
            self._done = max(self._done, done)
            self._total = self._total if total is None else total
        self._send_in_time()

    def send(self, state: Literal["running", "finished", "failed"]) -> None:
        """Report what is done by now."""
        if _listeners:
            self._next_s = time.monotonic() + _REPORT_EVERY_S
            report(ProgressReport(self._number, self._name, self._done, self._total, self._unit, state))

    def _send_in_time(self) -> None:
        if _listeners and time.monotonic() >= self._next_s:
            self.send("running")


def _drop(listener: Listener) -> None:
    global _listeners  # noqa: PLW0603 - as above
    with _lock:
        kept = list(_listeners)
        if listener in kept:
            kept.remove(listener)
        _listeners = tuple(kept)
