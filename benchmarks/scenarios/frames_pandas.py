"""DataFrame of 100,000 x 4 to storage (floor: its Arrow table by pyarrow.parquet)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

TARGET = 1.05
NEEDS = "data"


def floor() -> Callable[[], object]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from benchmarks.tasks.frames import pandas_frame

    frame = pandas_frame()

    def work() -> object:
        pq.write_table(pa.Table.from_pandas(frame), "bare.parquet")
        size = Path("bare.parquet").stat().st_size
        Path("bare.parquet").unlink()
        return size

    return work


def fledge() -> Callable[[], object]:
    from benchmarks.tasks.frames import by_fledge, pandas_frame

    return by_fledge(pandas_frame())


def flytekit() -> Callable[[], object]:
    from benchmarks.tasks.frames import by_flytekit, pandas_frame

    return by_flytekit(pandas_frame())
