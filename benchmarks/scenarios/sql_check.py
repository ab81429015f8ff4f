"""22 queries of TPC-H checked when they are defined (floor: bare DESCRIBE on empty tables)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

TARGET_S = 22 * 0.01
NEEDS = "sql"
QUERIES = Path(__file__).parents[2] / "plugins-sql/tests/sql_tpch.py"


def queries() -> Any:  # Any: a module
    from benchmarks.harness import load_module

    return load_module(QUERIES)


def floor() -> Callable[[], object]:
    from benchmarks.tasks.sql_texts import bare

    tpch, connection = queries(), bare()
    for name, schema in tpch.TABLES.items():
        connection.register(name, schema.empty_table())
    texts = [(tpch.with_literals(number)) for number in range(1, 23)]

    def work() -> object:
        return [len(connection.execute(f"describe {text}").fetchall()) for text in texts]

    return work


def fledge() -> Callable[[], object]:
    tpch = queries()
    return lambda: [len(tpch.make_task(number).checked.columns) for number in range(1, 23)]
