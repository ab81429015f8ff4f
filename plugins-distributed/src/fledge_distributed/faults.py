"""Faults on purpose, for tests: a rank is killed, hangs or comes late, at its start or at a named point of the body."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from fledge.errors import nearest
from fledge_distributed.ranks import current_rank

__all__ = ["START", "Fault", "begin", "check_happened", "fault_point", "hang", "kill", "late"]

START = "start"


@dataclass(frozen=True)
class Fault:
    """What happens to one rank when it reaches a point."""

    kind: Literal["kill", "hang", "late"]
    rank: int
    at: str = START
    seconds: float = 0.0
    number: int = signal.SIGKILL


def kill(rank: int, at: str = START, number: int = signal.SIGKILL) -> Fault:
    """The rank ends by a signal."""
    return Fault("kill", rank, at, number=number)


def hang(rank: int, at: str = START) -> Fault:
    """The rank waits for ever."""
    return Fault("hang", rank, at)


def late(rank: int, seconds: float, at: str = START) -> Fault:
    """The rank goes on after some seconds."""
    return Fault("late", rank, at, seconds=seconds)


_faults: list[Fault] = []
_reached: set[str] = set()


def begin(faults: Sequence[Fault]) -> None:
    """In a rank: these are the faults of this run."""
    _faults[:] = faults
    _reached.clear()
    fault_point(START)


def check_happened() -> None:
    """AssertionError in a rank that has returned and never came to the point of one of its faults."""
    for fault in _faults:
        if fault.rank == current_rank().rank and fault.at not in _reached:
            points = ", ".join(sorted(_reached - {START})) or "none"
            raise AssertionError(
                f"{fault.kind}({fault.rank}, at={fault.at!r}) did not happen: the body of rank {fault.rank} returned "
                f"without fault_point({fault.at!r}). It came to: {points}{nearest(fault.at, _reached)}"
            )


def fault_point(name: str) -> None:
    """A place in a body where a test may ask for a fault; nothing happens otherwise, also outside of ranks."""
    if _faults:
        _reached.add(name)
    for fault in _faults:
        if fault.at == name and fault.rank == current_rank().rank:
            _happen(fault)


def _happen(fault: Fault) -> None:
    if fault.kind == "kill":
        os.kill(os.getpid(), fault.number)
    elif fault.kind == "hang":
        threading.Event().wait()
    else:
        time.sleep(fault.seconds)
