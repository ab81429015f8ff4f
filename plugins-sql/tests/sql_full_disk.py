"""A program whose tasks write more than there is room for, into a folder that holds `store.duckdb` with three rows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from fledge import FlyteFile, Resources, kwtypes
from fledge.errors import StorageError
from fledge_sql import DuckDB, DuckDBTask, QueryError

ROWS = "from range(3000000) r(i)"


def fails(kind: type[Exception], name: str, query: str, output: Any, **options: Any) -> None:  # Any: of any task
    """One line: the class and the text of the error."""
    try:
        DuckDBTask(name, query, outputs=kwtypes(r=output), **options)()
    except kind as error:
        print(type(error).__name__, str(error).replace("\n", " "))
    else:
        raise AssertionError(name)


def main(folder: str) -> None:
    store = Path(folder, "store.duckdb")
    writing = DuckDB(attach=store, writes=("store",))
    fails(StorageError, "file", f"select hash(i) as h {ROWS}", FlyteFile)
    fails(StorageError, "nested", f"select [hash(i)] as h {ROWS}", FlyteFile)
    spill = f"select count(distinct hash(i) || repeat('x', 20)) {ROWS}"
    fails(QueryError, "spill", spill, int, limits=Resources(mem="64Mi", cpu="2"))
    load = f"insert into store.t select hash(i)::varchar {ROWS}; select count(*) from store.t"
    fails(QueryError, "load", load, int, task_config=writing)
    reading = DuckDB(attach=store)
    count = DuckDBTask("count", "select count(*) from store.t", outputs=kwtypes(n=int), task_config=reading)
    print(count())


if __name__ == "__main__":
    main(sys.argv[1])
