"""Tables on their way through SQL tasks: frames of every library, nothing copied, written or read that need not be."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fledge import ExecutionState, FlyteContextManager, FlyteDirectory, FlyteFile, kwtypes
from fledge.cancellation import Cancellation
from fledge_sql import DuckDBTask, QueryCancelled, QueryError
from fledge_sql.checking import check_query
from fledge_sql.schemas import Identifier, TableInput
from fledge_sql.table_inputs import scannable

ROWS = pa.table({"k": ["a", "b", None, "a"], "v": [1, 2, 3, None]})
TOTALS = [{"k": "a", "n": 2, "s": 1}, {"k": "b", "n": 1, "s": 2}, {"k": None, "n": 1, "s": 3}]
QUERY = "select k, count(*) as n, sum(v)::bigint as s from t group by k order by k nulls last"


class Stream:
    """A frame of a library that nobody knows, which speaks Arrow."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return ROWS.__arrow_c_stream__(requested_schema)


FRAMES: dict[str, tuple[Any, Any]] = {
    "pyarrow": (pa.Table, ROWS),
    "a batch": (pa.RecordBatch, ROWS.to_batches()[0]),
    "a reader": (pa.RecordBatchReader, ROWS.to_reader()),
    "pandas": (pd.DataFrame, ROWS.to_pandas()),
    "pandas with Arrow's types": (pd.DataFrame, ROWS.to_pandas(types_mapper=pd.ArrowDtype)),
    "polars": (pl.DataFrame, pl.from_arrow(ROWS)),
    "another library": (pa.Table, Stream()),
}


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_of_any_library_is_a_table(name: str) -> None:
    annotation, frame = FRAMES[name]
    assert DuckDBTask("totals", QUERY, kwtypes(t=annotation))(t=frame).to_pylist() == TOTALS


def test_a_result_is_a_frame_of_the_declared_library() -> None:
    table = DuckDBTask("totals", QUERY, kwtypes(t=pa.Table))(t=ROWS)
    frame = DuckDBTask("totals", QUERY, kwtypes(t=pa.Table), kwtypes(r=pl.DataFrame))(t=ROWS)
    assert isinstance(frame, pl.DataFrame)
    assert frame.to_dicts() == table.to_pylist()
    pandas = DuckDBTask("totals", QUERY, kwtypes(t=pa.Table), kwtypes(r=pd.DataFrame))(t=ROWS)
    pd.testing.assert_frame_equal(pandas, table.to_pandas())


def test_what_is_scanned_is_the_table_itself() -> None:
    """Arrow goes in without a copy: DuckDB is given the very object, or batches over the same memory."""
    declared = TableInput("t", None)
    assert scannable(declared, ROWS, 1) is ROWS
    before = pa.total_allocated_bytes()
    wide = pa.table({"v": pa.array(range(1_000_000))})
    own = pa.total_allocated_bytes() - before
    sums = DuckDBTask("sums", "select sum(v)::bigint from t", kwtypes(t=pa.Table), kwtypes(s=int))
    assert sums(t=wide) == sum(range(1_000_000))
    assert pa.total_allocated_bytes() - before < 1.1 * own


def damaged(path: Path, column: int, group: int) -> Path:
    """The file with the pages of one column, in one of its row groups, overwritten."""
    place = pq.read_metadata(path).row_group(group).column(column)
    start = place.dictionary_page_offset or place.data_page_offset
    data = bytearray(path.read_bytes())
    data[start : start + place.total_compressed_size] = b"Z" * place.total_compressed_size
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("kind", [FlyteFile, FlyteDirectory])
def test_only_the_columns_and_row_groups_of_a_parquet_file_that_are_needed_are_read(tmp_path: Path, kind: Any) -> None:
    """Proved by damage: what is not read may be broken."""
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": range(3000), "b": range(3000), "c": range(3000)}), path, row_group_size=1000)
    damaged(damaged(path, column=1, group=0), column=0, group=2)
    handle = kind(str(path if kind is FlyteFile else tmp_path))
    good = DuckDBTask("good", "select count(*) from t where a < $n and c >= 0", kwtypes(t=kind, n=int), kwtypes(n=int))
    assert good(t=handle, n=1500) == 1500
    for query in ("select sum(b) from t where a < $n", "select sum(a) from t where a < $n + 2000"):
        with pytest.raises(QueryError, match=r"tables were read: t \("):
            DuckDBTask("bad", query, kwtypes(t=kind, n=int))(t=handle, n=1500)


def test_between_local_tasks_nothing_is_written(tmp_path: Path) -> None:
    """In a process that may write no byte to any file."""
    script = tmp_path / "chain.py"
    script.write_text(
        "import pyarrow as pa\n"
        "from fledge import kwtypes, task\n"
        "from fledge_sql import DuckDBTask\n"
        "first = DuckDBTask('first', 'select i as k, i % 7 as v from range($n) r(i)', kwtypes(n=int))\n"
        "second = DuckDBTask('second', 'select v, count(*) as n from t group by v', kwtypes(t=pa.Table))\n"
        "@task\n"
        "def third(t: pa.Table) -> int:\n"
        "    return t.num_rows\n"
        "assert third(t=second(t=first(n=100_000))) == 7\n"
    )

    def no_byte() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    done = subprocess.run(
        [sys.executable, "-B", str(script)], check=False, preexec_fn=no_byte, timeout=60, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_in_a_container_a_table_is_never_held_whole() -> None:
    task = DuckDBTask("rows", "select i from range(1000000) r(i)")
    ctx = FlyteContextManager.current_context()
    state = ExecutionState(ExecutionState.Mode.TASK_EXECUTION)
    with FlyteContextManager.with_context(ctx.with_(execution_state=state)):
        reader = task.execute()
    assert isinstance(reader, pa.RecordBatchReader)
    assert max(batch.num_rows for batch in reader) <= 122_880
    assert task.execute().num_rows == 1_000_000


ENDLESS = "select i, hash(i + $n) as h from range(100000000000) r(i) where hash(i + $n) % 1000 = 0"


@pytest.mark.parametrize("query", [ENDLESS, ENDLESS.replace(" as h", " as h, [i] as l")], ids=["copied", "streamed"])
def test_a_cancelled_run_leaves_no_file(query: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is cancelled once there is something of the file."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    scope, ended, is_written = Cancellation(), threading.Event(), threading.Event()

    def cancel_when_written() -> None:
        while not ended.wait(0.01):
            if any(path.suffix == ".partial" for path in tmp_path.rglob("*")):
                is_written.set()
                scope.cancel()
                return

    run = DuckDBTask("written", query, kwtypes(n=int), kwtypes(r=FlyteFile))
    ctx = FlyteContextManager.current_context()
    ctx = ctx.with_(cancellation=scope, storage=ctx.storage.with_(raw_prefix=str(tmp_path / "raw")))
    watcher = threading.Thread(target=cancel_when_written)
    watcher.start()
    try:
        with FlyteContextManager.with_context(ctx), pytest.raises(QueryCancelled):
            run(n=1)
    finally:
        ended.set()
        watcher.join()
    assert is_written.is_set()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert Path(DuckDBTask("next", "select 1 as n", outputs=kwtypes(r=FlyteFile))().path).exists()


def test_columns_declared_by_a_schema_are_exact() -> None:
    declared = Annotated[pa.Table, pa.schema([("k", pa.string()), ("v", pa.int64())])]
    columns = check_query(QUERY, kwtypes(t=declared)).columns or ()
    assert [column.sql_type for column in columns] == ["VARCHAR", "BIGINT", "BIGINT"]


def test_a_file_has_its_own_columns_wherever_it_lies(tmp_path: Path) -> None:
    """A container fetches it into a folder of another name."""
    folder = tmp_path / "day=1" / "hour=2"
    folder.mkdir(parents=True)
    pq.write_table(pa.table({"a": [1]}), folder / "x.parquet")
    one = DuckDBTask("one", "select * from t", kwtypes(t=FlyteFile), kwtypes(r=pa.Table))
    assert one(t=FlyteFile(str(folder / "x.parquet"))).column_names == ["a"]
    many = DuckDBTask("many", "select * from t", kwtypes(t=FlyteDirectory), kwtypes(r=pa.Table))
    assert many(t=FlyteDirectory(str(tmp_path))).column_names == ["a", "day", "hour"]


MANY = tuple(f"x{i}" for i in range(70))


@pytest.mark.parametrize("allowed", [("u", "t"), ("t", "u")])
@pytest.mark.parametrize("chosen", ["t", "u"])
def test_a_reader_is_read_as_often_as_the_chosen_name_asks_for(allowed: tuple[str, ...], chosen: str) -> None:
    query = "select (select count(*) from t) + (select sum(a) from $n)::bigint as r"
    readers = kwtypes(n=Annotated[str, Identifier(*allowed)], t=pa.RecordBatchReader, u=pa.RecordBatchReader)
    table = pa.table({"a": range(3000)})
    task = DuckDBTask("chosen", query, readers, kwtypes(r=int))
    assert task(n=chosen, t=table.to_reader(), u=table.to_reader()) == 3000 + 2999 * 1500


@pytest.mark.parametrize(
    ("query", "allowed", "columns", "scans"),
    [
        ("select * from $n", ("t", "u"), ("a",), {"t": 1, "u": 1}),
        ("select * from $n, t", ("u", "t"), ("a",), {"t": 2, "u": 1}),
        ("select * from $n x, $n y", ("u", "t"), ("a",), {"t": 2, "u": 2}),
        ("select $n from t, u", ("a", "b"), ("a",), {"t": 1, "u": 1}),
        ("select $n, $c from t, u", ("a", "b"), MANY, {"t": 1, "u": 1}),
        ("select $c from $n", ("u", "t"), MANY, {"t": 2, "u": 2}),  # more choices than are looked at
    ],
)
def test_scans_are_counted_over_all_choices_of_names(
    query: str, allowed: tuple[str, ...], columns: tuple[str, ...], scans: dict[str, int]
) -> None:
    declared = kwtypes(n=Annotated[str, Identifier(*allowed)], t=pa.Table, u=pa.Table)
    if "$c" in query:
        declared["c"] = Annotated[str, Identifier(*columns)]
    checked = check_query(query, declared)
    assert {table: checked.scans_of(table) for table in scans} == scans
