"""Progress of a run as those who listen in the caller hear it: how many ranks are done, and what the ranks report."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fledge.progress import ProgressReport, next_number, report

if TYPE_CHECKING:
    from fledge.progress import Tracker

__all__ = ["RankProgress"]


class RankProgress:
    """Passes reports of ranks on, under the rank's name and with numbers of this process.

    Args:
        tracker: Counts the ranks that are done.
    """

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._numbers: dict[tuple[int, int], int] = {}
        self._open: dict[tuple[int, int], ProgressReport] = {}

    def take(self, rank: int, one: ProgressReport) -> None:
        """A rank has reported."""
        key = rank, one.number
        if key not in self._numbers:
            self._numbers[key] = next_number()
        shown = replace(one, number=self._numbers[key], name=f"rank {rank}: {one.name}")
        self._open[key] = shown
        if one.state != "running":
            self._close(key)
        report(shown)

    def reach(self, done: int) -> None:
        """So many ranks have returned, or ignore their outputs."""
        self._tracker.reach(done)

    def end(self, rank: int) -> None:
        """A rank has gone: what it was doing has failed."""
        for key in [key for key in self._open if key[0] == rank]:
            report(replace(self._close(key), state="failed"))

    def _close(self, key: tuple[int, int]) -> ProgressReport:
        del self._numbers[key]  # a rank that is started again counts from 1 again
        return self._open.pop(key)
