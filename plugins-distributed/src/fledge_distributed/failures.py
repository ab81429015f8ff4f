"""Which failure came first, and how it reaches the caller.

The failures of all ranks are put in order; the first one is raised as the exception it was, with its rank in a note,
its traceback as the cause and the others, mostly echoes of the first, in one line each.
"""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from fledge.errors import add_note
from fledge_distributed.errors import RankFailed, RemoteTraceback
from fledge_distributed.troubles import Trouble, rebuild

__all__ = ["Failure", "World", "first_failure", "listed", "signal_name", "to_error"]


_NONE: Mapping[int, str] = MappingProxyType({})
_HINTS: Mapping[int | None, str] = {
    signal.SIGKILL: "the system kills the largest process when memory runs out",
    signal.SIGBUS: "memory that was mapped cannot be had: /dev/shm or the disk of a mapped file may be full",
}


@dataclass(frozen=True)
class World:
    """The shape of a run. Ranks count over all nodes: node = rank // nproc."""

    nproc: int
    nnodes: int = 1

    @property
    def size(self) -> int:
        return self.nproc * self.nnodes

    def place(self, rank: int) -> str:
        """`rank 1 of 4 (local 1, node 0)`"""
        return f"rank {rank} of {self.size} (local {rank % self.nproc}, node {rank // self.nproc})"


@dataclass(frozen=True)
class Failure:
    """One rank that failed: with an exception (`trouble`), or by ending before its function had returned."""

    rank: int
    when: float
    trouble: Trouble | None = None
    exitcode: int | None = None
    signal: int | None = None
    stack: str = ""

    @property
    def order(self) -> tuple[int, float]:
        """Smaller is earlier. A rank killed from outside is seen a few ms after the peers that lost it."""
        killed = self.trouble is None and self.signal not in (None, signal.SIGABRT)
        echo = self.trouble is not None and self.trouble.echo
        return (0 if killed else 2 if echo else 1), self.when

    @property
    def headline(self) -> str:
        if self.trouble is not None and self.trouble.exitcode is None:
            return self.trouble.headline
        if self.signal is not None:
            return f"killed by {signal_name(self.signal)}"
        if self.exitcode is None:
            return "closed its connection to the launcher before its function had returned"
        said = self.trouble.first_line if self.trouble is not None else ""  # sys.exit("why"); of sys.exit(3) it is a 3
        why = f": {said}" if said not in ("", str(self.exitcode)) else ""
        return f"left with exit code {self.exitcode} before its function had returned{why}"


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def first_failure(failures: Sequence[Failure]) -> Failure:
    """The one that caused the others, as far as order in time and the way of dying tell."""
    return min(failures, key=lambda failure: failure.order)


def to_error(
    failures: Sequence[Failure], world: World, notes: Sequence[str] = (), stacks: Mapping[int, str] = _NONE
) -> BaseException:
    """The exception to raise: the first failure as it was, its place in the first note, the others summed up.

    `stacks`: where the ranks were that had not failed; they go along with the cause.
    """
    root = first_failure(failures)
    peers = _grouped([failure for failure in failures if failure is not root])
    trouble = root.trouble
    rebuilt = rebuild(trouble) if trouble is not None else None
    if trouble is None or rebuilt is None:
        return _rank_failed(root, world, peers, notes, stacks)
    original, missing = rebuilt
    original.__cause__ = RemoteTraceback(trouble.traceback, trouble.at, stacks)
    lost = [f"attributes that could not be carried over: {', '.join(missing)}"] if missing else []
    for note in [world.place(root.rank), *trouble.notes, *lost, *peers, *notes]:
        add_note(original, note)
    return original


def _rank_failed(
    root: Failure, world: World, peers: Sequence[str], notes: Sequence[str], stacks: Mapping[int, str]
) -> RankFailed:
    trouble = root.trouble
    exitcode = trouble.exitcode if trouble is not None else root.exitcode
    hint = f"; {_HINTS[root.signal]}" if root.signal in _HINTS else ""
    message = f"{world.place(root.rank)}: {root.headline}{hint}"
    recoverable = trouble is not None and trouble.recoverable
    error = RankFailed(
        message, root.rank, root.rank // world.nproc, exitcode, root.signal, peers=peers, recoverable=recoverable
    )
    text = trouble.traceback if trouble is not None else root.stack
    at = trouble.at if trouble is not None else time.time() - (time.monotonic() - root.when)
    error.__cause__ = RemoteTraceback(text, at, stacks)
    for note in [*(trouble.notes if trouble is not None else ()), *peers, *notes]:
        add_note(error, note)
    return error


def _grouped(failures: Sequence[Failure]) -> list[str]:
    """`ranks 0, 2, 3: RuntimeError: Connection closed by peer`; numbers in the text (ports) do not count."""
    groups: dict[str, list[Failure]] = {}
    for failure in failures:
        groups.setdefault(re.sub(r"\d+", "#", failure.headline), []).append(failure)
    return [_group_line(sorted(group, key=lambda one: one.rank)) for group in groups.values()]


def _group_line(group: Sequence[Failure]) -> str:
    return f"{listed([failure.rank for failure in group])}: {group[0].headline}"


def listed(ranks: Sequence[int]) -> str:
    """`rank 1`, `ranks 1, 3`"""
    return f"rank{'s' if len(ranks) != 1 else ''} {', '.join(str(rank) for rank in ranks)}"
