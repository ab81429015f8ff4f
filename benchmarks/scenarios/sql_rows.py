"""SQL result of 5 million rows, taken by a Python task (floor: bare to_arrow_table)."""

from __future__ import annotations

from collections.abc import Callable

TARGET = 1.2
NEEDS = "sql"
IS_COUNTABLE = False  # its threads share the work differently each time


def floor() -> Callable[[], object]:
    from benchmarks.tasks.sql_texts import FIVE_MILLION, bare

    connection = bare()
    return lambda: connection.cursor().sql(FIVE_MILLION, params={"n": 1}).to_arrow_table().num_rows


def fledge() -> Callable[[], object]:
    from benchmarks.tasks.sql_fledge import count, rows

    return lambda: count(table=rows(n=1))


def flytekit() -> Callable[[], object]:
    from benchmarks.tasks.flytekit_tasks import forget
    from benchmarks.tasks.sql_flytekit import count, drop, rows

    def work() -> object:
        forget()
        result = rows(params=[1])
        counted = count(table=result)
        drop(result)
        return counted

    return work
