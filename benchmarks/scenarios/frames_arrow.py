"""Arrow table of 100,000 x 4 to storage (floor: pyarrow.parquet)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

TARGET = 1.05
NEEDS = "data"


def floor() -> Callable[[], object]:
    import pyarrow.parquet as pq

    from benchmarks.tasks.frames import arrow_table

    table = arrow_table()

    def work() -> object:
        pq.write_table(table, "bare.parquet")
        size = Path("bare.parquet").stat().st_size
        Path("bare.parquet").unlink()
        return size

    return work


def fledge() -> Callable[[], object]:
    from benchmarks.tasks.frames import arrow_table, by_fledge

    return by_fledge(arrow_table())


def flytekit() -> Callable[[], object]:
    from benchmarks.tasks.frames import arrow_table, by_flytekit

    return by_flytekit(arrow_table())
