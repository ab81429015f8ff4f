"""SQL result of 5 million rows as a parquet file (floor: bare COPY)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

TARGET = 1.1
NEEDS = "sql"
IS_COUNTABLE = False  # its threads share the work differently each time


def rows_of(path: str) -> int:
    """How many rows a file says that it has; it is removed."""
    import pyarrow.parquet as pq

    rows: int = pq.read_metadata(path).num_rows
    Path(path).unlink()
    return rows


def floor() -> Callable[[], object]:
    from benchmarks.tasks.sql_texts import FIVE_MILLION, bare

    connection = bare()

    def work() -> object:
        connection.cursor().execute(f"copy ({FIVE_MILLION}) to 'bare.parquet' (format parquet)", {"n": 1}).fetchall()
        return rows_of("bare.parquet")

    return work


def fledge() -> Callable[[], object]:
    from benchmarks.tasks.sql_fledge import stored

    return lambda: rows_of(stored(n=1).path)


def flytekit() -> Callable[[], object]:
    from benchmarks.tasks.flytekit_tasks import forget
    from benchmarks.tasks.sql_flytekit import rows

    def work() -> object:
        forget()
        return rows_of(f"{rows(params=[1]).literal.uri}/00000")

    return work
