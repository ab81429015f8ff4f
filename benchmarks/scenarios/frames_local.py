"""Arrow table of 100,000 x 4 through a local call (floor: two integers)."""

from __future__ import annotations

from collections.abc import Callable

TARGET_S = 0.0005  # a write would take 15 ms
NEEDS = "data"


def floor() -> Callable[[], object]:
    from benchmarks.tasks.fledge_tasks import add

    return lambda: add(a=1, b=2) and None


def fledge() -> Callable[[], object]:
    from benchmarks.tasks.frame_tasks import same
    from benchmarks.tasks.frames import arrow_table

    table = arrow_table()
    return lambda: same(table=table) and None
