"""SQL task, warm call with one number (floor: bare DuckDB)."""

from __future__ import annotations

from collections.abc import Callable

TARGET_S_MORE = 1e-3
NEEDS = "sql"


def floor() -> Callable[[], object]:
    from benchmarks.tasks.sql_texts import PLUS, bare

    connection = bare()
    return lambda: connection.cursor().execute(PLUS, {"n": 1}).fetchone()[0]


def fledge() -> Callable[[], object]:
    from benchmarks.tasks.sql_fledge import plus

    return lambda: plus(n=1)


def flytekit() -> Callable[[], object]:
    import pyarrow as pa

    from benchmarks.tasks.flytekit_tasks import forget
    from benchmarks.tasks.sql_flytekit import plus

    def work() -> object:
        forget()
        return plus(params=[1]).open(pa.Table).all()["x"][0].as_py()

    return work
