"""SQL over an Arrow table of 1 million rows (floor: bare register)."""

from __future__ import annotations

from collections.abc import Callable

TARGET = 1.3
NEEDS = "sql"
IS_COUNTABLE = False  # its threads share the work differently each time


def floor() -> Callable[[], object]:
    from benchmarks.tasks.sql_texts import ARROW_IN, bare, million_rows

    connection, table = bare(), million_rows()

    def work() -> object:
        cursor = connection.cursor()
        cursor.register("t", table)
        return cursor.sql(ARROW_IN).to_arrow_table()

    return work


def fledge() -> Callable[[], object]:
    from benchmarks.tasks.sql_fledge import arrow_in
    from benchmarks.tasks.sql_texts import million_rows

    table = million_rows()
    return lambda: arrow_in(t=table)


def flytekit() -> Callable[[], object]:
    import pyarrow as pa

    from benchmarks.tasks.flytekit_tasks import forget
    from benchmarks.tasks.sql_flytekit import arrow_in
    from benchmarks.tasks.sql_texts import million_rows

    table = million_rows()

    def work() -> object:
        forget()
        return arrow_in(t=table).open(pa.Table).all()

    return work
