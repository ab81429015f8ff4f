"""What goes wrong around a query: it is named, nothing half-written stays, and what was there keeps its bytes."""

from __future__ import annotations

import datetime as dt
import math
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fledge import FlyteContextManager, FlyteDirectory, FlyteFile, current_context, kwtypes, task
from fledge.errors import FledgeError, StorageError, TypeConversionError
from fledge_sql import DuckDB, DuckDBTask, ParameterError, QueryError, SQLDefinitionError
from fledge_sql.conversions import written
from fledge_sql.schemas import declare_output

duckdb: Any = pytest.importorskip("duckdb")  # Any: what 1.5 and 2.0 both have

ROWS = pa.table({"x": list(range(50_000))})
of_file = DuckDBTask("of_file", "select sum(x)::bigint from t", kwtypes(t=FlyteFile), kwtypes(s=int))
of_folder = DuckDBTask("of_folder", "select sum(x)::bigint from t", kwtypes(t=FlyteDirectory), kwtypes(s=int))


def files_below(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


# -- the disk ----------------------------------------------------------------------------------------------------------

PROGRAM = str(Path(__file__).parent / "sql_full_disk.py")
SMALL = 2_000_000
# Arguments: the disk's folder, the file to put there, Python, the program.
MOUNTED = 'mount -t tmpfs -o size=2m tmpfs "$1" && cp "$2" "$1/" && "$3" -W ignore "$4" "$1"; r=$?; ls "$1"; exit $r'


def limit_files() -> None:
    """Runs in the child: a write beyond the limit is an error, as on a full disk, and no signal."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL, SMALL))


def may_mount(folder: Path) -> bool:
    unshare = shutil.which("unshare")
    if unshare is None:
        return False
    try_out = [unshare, "-rm", "mount", "-t", "tmpfs", "tmpfs", str(folder)]
    return subprocess.run(try_out, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("how", ["a full disk", "a limit on files"])
def test_when_the_disk_is_full_the_file_is_named_and_nothing_half_written_stays(tmp_path: Path, how: str) -> None:
    disk, store = tmp_path / "disk", tmp_path / "store.duckdb"
    disk.mkdir()
    with duckdb.connect(str(store)) as made:
        made.execute("create table t as select 'x' || i as v from range(3) r(i)")
    program = [sys.executable, PROGRAM]
    options: dict[str, Any] = {"env": {**os.environ, "TMPDIR": str(disk)}}  # Any: keywords of subprocess.run
    if how == "a limit on files":
        shutil.copy(store, disk)
        command = [sys.executable, "-W", "ignore", PROGRAM, str(disk)]
        options["preexec_fn"] = limit_files
    elif may_mount(disk):
        command = ["unshare", "-rm", "sh", "-c", MOUNTED, "sh", str(disk), str(store), *program]
    else:
        pytest.skip("this machine lets nobody mount a disk of two megabytes")
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, **options)
    assert done.returncode == 0, done.stderr
    file, nested, spill, load, rows, *left = done.stdout.splitlines()
    for line in (file, nested):
        assert re.match(r"StorageError .*r\.parquet: cannot be written: .*(No space left|File too large)", line)
    assert re.match(r"QueryError .*(No space left|File too large|max_temp_directory_size)", spill)
    assert re.match(r"QueryError .*store\.duckdb", load)
    assert rows == "3"
    assert (left or files_below(disk)) == ["store.duckdb"]


COMMIT_FAILS = """
import resource, signal, sys
from fledge import kwtypes
from fledge_sql import DuckDB, DuckDBTask, QueryError

script = "insert into store.t values ('y'); select count(*) from store.t"
writing = DuckDB(attach=sys.argv[1], writes=("store",))
write = DuckDBTask("write", script, outputs=kwtypes(n=int), task_config=writing)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
try:
    write()
except QueryError as error:
    print(error)
"""


def test_a_commit_that_fails_tells_why(tmp_path: Path) -> None:
    store = tmp_path / "store.duckdb"
    with duckdb.connect(str(store)) as made:
        made.execute("create table t as select 'x' as v")
    command = [sys.executable, "-W", "ignore", "-c", COMMIT_FAILS, str(store)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert re.search(r"store\.duckdb\.wal.*File too large", done.stdout), done.stdout + done.stderr
    with duckdb.connect(str(store)) as opened:
        assert opened.execute("select count(*) from t").fetchall() == [(1,)]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "plain"
    blocked.write_text("a file, no folder")
    ctx = FlyteContextManager.current_context()
    with (
        FlyteContextManager.with_context(ctx.with_(storage=ctx.storage.with_(raw_prefix=str(blocked / "below")))),
        pytest.raises(StorageError, match=rf"{blocked}/below/.*cannot be written: Not a directory"),
    ):
        DuckDBTask("file", "select 1 as i", outputs=kwtypes(r=FlyteFile))()
    config = DuckDB(attach={"s": blocked / "s.duckdb"}, writes=("s",))
    load = DuckDBTask(
        "load", "create table s.t as select 1 as i; select 1 as n", outputs=kwtypes(n=int), task_config=config
    )
    with pytest.raises(QueryError, match=rf"{blocked}/s\.duckdb.*Not a directory"):
        load()
    assert files_below(tmp_path) == ["plain"]
    assert blocked.read_text() == "a file, no folder"


def test_a_file_that_is_there_keeps_its_bytes_until_the_new_one_is_whole() -> None:
    output = declare_output("r", FlyteFile)

    @task
    def in_a_run() -> list[str]:
        target = Path(current_context().working_directory, "r.parquet")
        target.write_bytes(b"old")

        def half(path: str) -> None:
            Path(path).write_bytes(b"ne")
            assert target.read_bytes() == b"old"
            raise OSError(28, "No space left on device")

        def whole(path: str) -> None:
            Path(path).write_bytes(b"new")

        with pytest.raises(StorageError, match=r"r\.parquet: cannot be written: No space left"):
            written(output, half)
        kept = target.read_text()
        written(output, whole)
        return [kept, target.read_text(), *files_below(target.parent)]

    assert in_a_run() == ["old", "new", "r.parquet"]


def test_a_file_that_is_no_database_is_named_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "no.duckdb"
    path.write_text("no database")
    run = DuckDBTask("n", "select count(*) from no.t", outputs=kwtypes(n=int), task_config=DuckDB(attach=path))
    with pytest.raises(QueryError, match=r"no\.duckdb.*not a valid DuckDB database"):
        run()
    assert path.read_text() == "no database"


# -- files of parquet --------------------------------------------------------------------------------------------------


def put(folder: Path, **tables: pa.Table) -> Path:
    folder.mkdir(exist_ok=True)
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet")
    return folder


def broken(path: Path, how: str) -> Path:
    """A parquet file of ROWS, damaged."""
    pq.write_table(ROWS, path, use_dictionary=False, compression="zstd")
    data = path.read_bytes()
    quarter = len(data) // 4
    damaged = {
        "no bytes": b"",
        "half": data[: 2 * quarter],
        "other": b"PAR1 is no parquet PAR1",
        "pages": data[:quarter] + b"Z" * quarter + data[2 * quarter :],
    }
    path.write_bytes(damaged[how])
    return path


@pytest.mark.parametrize("how", ["no bytes", "half", "other"])
def test_a_damaged_file_is_named_before_the_query_runs(tmp_path: Path, how: str) -> None:
    path = broken(tmp_path / "x.parquet", how)
    with pytest.raises(ParameterError, match=rf"input 't' .*{path} cannot be read as parquet"):
        of_file(t=FlyteFile(str(path)))


@pytest.mark.parametrize("output", [pa.Table, pa.RecordBatchReader, FlyteFile, list[dict]])  # type: ignore[type-arg] # free-form rows
def test_a_file_that_breaks_while_it_is_read_is_named(tmp_path: Path, output: Any) -> None:
    path = broken(tmp_path / "x.parquet", "pages")
    run = DuckDBTask("all", "select * from t", kwtypes(t=FlyteFile), kwtypes(r=output))
    with pytest.raises(QueryError, match=rf"(?s)corruption.*tables were read: t \({path}\)"):
        run(t=FlyteFile(str(path)))
    assert files_below(tmp_path) == ["x.parquet"]


def test_a_missing_file_or_folder_and_one_without_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(FledgeError, match=rf"no file at {tmp_path}/nothing\.parquet"):
        of_file(t=FlyteFile(str(tmp_path / "nothing.parquet")))
    with pytest.raises(ParameterError, match=r"nothing\.parquet does not exist"):
        of_file.execute(t=FlyteFile(str(tmp_path / "nothing.parquet")))
    with pytest.raises(FledgeError, match=rf"no directory at {tmp_path}/nothing"):
        of_folder(t=FlyteDirectory(str(tmp_path / "nothing")))
    with pytest.raises(ParameterError, match=rf"{tmp_path} holds no parquet file"):
        of_folder(t=FlyteDirectory(str(tmp_path)))


def test_columns_of_files_meet_by_name(tmp_path: Path) -> None:
    folder = put(tmp_path / "t", a=pa.table({"y": ["a"], "x": [1]}), b=pa.table({"x": [2], "y": ["b"]}))
    assert of_folder(t=FlyteDirectory(str(folder))) == 3


def test_integers_of_another_width_are_one_column(tmp_path: Path) -> None:
    folder = put(tmp_path / "t", a=pa.table({"x": [1]}), b=pa.table({"x": pa.array([2], pa.int8())}))
    assert of_folder(t=FlyteDirectory(str(folder))) == 3


def test_a_partition_is_a_column(tmp_path: Path) -> None:
    for x in (1, 2):
        put(tmp_path / f"x={x}", a=pa.table({"y": [1]}))
    assert of_folder(t=FlyteDirectory(str(tmp_path))) == 3


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (pa.table({"y": ["b"]}), r"b\.parquet has no column 'x'"),
        (pa.table({"x": ["2"]}), r"column 'x' is string in .*b\.parquet, in other files int64"),
    ],
)
def test_files_of_one_folder_that_differ_are_named(tmp_path: Path, second: pa.Table, words: str) -> None:
    folder = put(tmp_path / "t", a=pa.table({"x": [1]}), b=second)
    with pytest.raises(ParameterError, match=words):
        of_folder(t=FlyteDirectory(str(folder)))


# -- what changed between definition and run ---------------------------------------------------------------------------

DECLARED = kwtypes(a=int, b=str)
CHANGES: dict[str, tuple[pa.Table, str]] = {
    "a column is missing": (pa.table({"b": ["x"]}), "no (such )?column"),
    "a column is misnamed": (pa.table({"A": [1], "b": ["x"]}), "no (such )?column"),
    "a column has another type": (pa.table({"a": ["1"], "b": ["x"]}), "'?a'? ?.*(VARCHAR|string)"),
    "integers became floats": (pa.table({"a": [1.5], "b": ["x"]}), "'?a'? ?.*(DOUBLE|double)"),
}
FITS: dict[str, pa.Table] = {
    "as declared": pa.table({"a": [1], "b": ["x"]}),
    "in another order": pa.table({"b": ["x"], "a": [1]}),
    "with more columns": pa.table({"c": [0.5], "a": [1], "d": [1], "b": ["x"]}),
    "narrower integers": pa.table({"a": pa.array([1], pa.int8()), "b": ["x"]}),
}


def given(kind: str, table: pa.Table, folder: Path) -> tuple[Any, Any]:
    """The declared type and a value of it."""
    if kind == "file":
        return Annotated[FlyteFile, DECLARED], FlyteFile(str(put(folder, t=table) / "t.parquet"))
    if kind == "reader":
        return Annotated[pa.RecordBatchReader, DECLARED], table.to_reader()
    return Annotated[pa.Table, DECLARED], table


@pytest.mark.parametrize("kind", ["table", "reader", "file"])
@pytest.mark.parametrize("name", CHANGES)
def test_a_table_that_is_no_longer_as_declared_is_refused_by_column(name: str, kind: str, tmp_path: Path) -> None:
    table, words = CHANGES[name]
    annotation, value = given(kind, table, tmp_path)
    run = DuckDBTask("changed", "select a, b from t", kwtypes(t=annotation))
    with pytest.raises((ParameterError, TypeError), match=words):
        run(t=value)


@pytest.mark.parametrize("kind", ["table", "reader", "file"])
@pytest.mark.parametrize("name", FITS)
def test_declared_columns_come_in_the_declared_order_and_alone(name: str, kind: str, tmp_path: Path) -> None:
    annotation, value = given(kind, FITS[name], tmp_path)
    run = DuckDBTask("fits", "select * from t", kwtypes(t=annotation), kwtypes(r=Annotated[pa.Table, DECLARED]))
    result = run(t=value)
    assert result.to_pylist() == [{"a": 1, "b": "x"}]
    assert result.column_names == ["a", "b"]


def test_a_result_in_another_order_than_declared_is_refused_at_run_time_too() -> None:
    run = DuckDBTask("star", "select * from t", kwtypes(t=pa.Table), kwtypes(r=Annotated[pa.Table, DECLARED]))
    with pytest.raises(SQLDefinitionError, match="another order"):
        run(t=pa.table({"b": ["x"], "a": [1]}))


# -- readers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("annotation", [pa.RecordBatchReader, pa.Table])
def test_a_reader_that_a_task_has_read_is_refused(annotation: Any) -> None:
    run = DuckDBTask("once", "select count(*) from t", kwtypes(t=annotation), kwtypes(n=int))
    reader = ROWS.to_reader()
    assert run(t=reader) == 50_000
    with pytest.raises(ParameterError, match=r"input 't' .*has been read already. Pass a pa\.Table, or a new reader"):
        run(t=reader)


def test_a_reader_that_breaks_is_named() -> None:
    def batches() -> Any:
        yield from ROWS.to_batches(max_chunksize=1000)[:2]
        raise ValueError("the source broke")

    run = DuckDBTask("breaks", "select count(*) from t", kwtypes(t=pa.RecordBatchReader), kwtypes(n=int))
    with pytest.raises(QueryError, match=r"(?s)the source broke.*tables were read: t"):
        run.execute(t=pa.RecordBatchReader.from_batches(ROWS.schema, batches()))
    with pytest.raises(TypeConversionError, match=r"breaks\.inputs\.t.*the source broke"):
        run(t=pa.RecordBatchReader.from_batches(ROWS.schema, batches()))


# -- numbers and times at their ends -----------------------------------------------------------------------------------


class Seen(TypedDict):
    x: dt.datetime


ODD = pa.table({"x": [math.nan, math.inf, -math.inf, None, -0.0]})


def same(one: list[Any], other: list[Any]) -> bool:
    return [repr(value) for value in one] == [repr(value) for value in other]


def test_nan_and_infinities_pass_through_tables_rows_and_files() -> None:
    query = "select x from t"
    for output in (pa.Table, pa.RecordBatchReader, FlyteFile, list[dict]):  # type: ignore[type-arg] # free-form rows
        result: Any = DuckDBTask("odd", query, kwtypes(t=pa.Table), kwtypes(r=output))(t=ODD)
        if isinstance(result, pa.RecordBatchReader):
            result = result.read_all()
        if isinstance(result, FlyteFile):
            result = pq.read_table(result.path)
        rows = result if isinstance(result, list) else result.to_pylist()
        assert same([row["x"] for row in rows], ODD["x"].to_pylist())


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("select x::bigint from t where isnan(x)", "nan"),
        ("select x::decimal(10, 2) from t where isinf(x)", "inf"),
    ],
)
def test_nan_and_infinities_are_no_integers(query: str, words: str) -> None:
    with pytest.raises(QueryError, match=words) as caught:
        DuckDBTask("odd", query, kwtypes(t=pa.Table))(t=ODD)
    assert caught.value.engine_error == "Conversion"


def test_integers_beyond_64_bits_are_exact_in_tables_and_refused_as_int() -> None:
    table = pa.table({"x": pa.array([2**63, 2**64 - 1], pa.uint64())})
    run = DuckDBTask("wide", "select x, x::hugeint * 2 as y from t order by x", kwtypes(t=pa.Table))
    rows = run(t=table).to_pylist()
    assert [(row["x"], int(row["y"])) for row in rows] == [(2**63, 2**64), (2**64 - 1, 2**65 - 2)]
    with pytest.raises(TypeConversionError, match=r"wide\.outputs\.n.*9223372036854775808.*outside of int64"):
        DuckDBTask("wide", "select min(x) from t", kwtypes(t=pa.Table), kwtypes(n=int))(t=table)
    with pytest.raises(QueryError, match=r"(?i)overflow"):
        DuckDBTask("more", "select $n + 1", kwtypes(n=int), kwtypes(n=int))(n=2**63 - 1)
    with pytest.raises(ParameterError, match="out of range"):
        DuckDBTask("more", "select $n", kwtypes(n=int), kwtypes(n=int)).execute(n=2**63)


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("select 'infinity'::date as x", dt.date),
        ("select '-infinity'::timestamptz as x", dt.datetime),
        ("select '0044-03-15 (BC)'::date as x", dt.date),
        ("select timestamp '20000-01-01' as x", list[Seen]),
    ],
)
def test_a_time_that_python_has_not_is_named_and_stays_in_a_table(query: str, kind: Any) -> None:
    with pytest.raises(QueryError, match="output 'x': Python has no value for what the query gave"):
        DuckDBTask("far", query, outputs=kwtypes(x=kind))()
    assert DuckDBTask("far", query)().num_rows == 1
    assert DuckDBTask("text", query.replace(" as x", "::varchar as x"), outputs=kwtypes(x=str))()


# -- no rows -----------------------------------------------------------------------------------------------------------

NONE = ROWS.slice(0, 0)
EMPTY: dict[str, Any] = {
    "table": pa.Table,
    "reader": pa.RecordBatchReader,
    "file": FlyteFile,
    "rows": list[dict],  # type: ignore[type-arg] # free-form rows
}


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("name", EMPTY)
def test_without_rows_names_and_types_stay(name: str, nested: bool) -> None:
    query = f"select {'[x]' if nested else 'x'} as x, sum(x) as total from t group by x"
    result: Any = DuckDBTask("none", query, kwtypes(t=pa.Table), kwtypes(r=EMPTY[name]))(t=NONE)
    if name == "rows":
        assert result == []
        return
    schema = pq.read_schema(result.path) if name == "file" else result.schema
    assert schema.names == ["x", "total"]
    assert schema.field("total").type == pa.decimal128(38, 0)
    assert schema.field("x").type == (pa.list_(pa.int64()) if nested else pa.int64())


@pytest.mark.parametrize("value", [NONE, NONE.to_reader(), NONE.to_pandas()], ids=["table", "reader", "pandas"])
def test_inputs_without_rows_are_read_as_such(value: Any) -> None:
    run = DuckDBTask(
        "none", "select count(*) as n, max(x) as m from t", kwtypes(t=pa.Table), kwtypes(n=int, m=int | None)
    )
    assert tuple(run(t=value)) == (0, None)


@pytest.mark.parametrize("before", ["", "\n", "\n\t  ", "-- ü\n  ", "\n/* ü */\n"])
@pytest.mark.parametrize("kind", [int, pa.RecordBatchReader, FlyteFile])
def test_an_error_while_the_query_runs_has_its_place_whatever_stands_before_the_query(before: str, kind: Any) -> None:
    query = f"{before}select cast($s as int) as n"
    with pytest.raises(QueryError, match="Could not convert") as caught:
        DuckDBTask("place", query, kwtypes(s=str), kwtypes(n=kind))(s="x")
    assert query.splitlines()[caught.value.line - 1][caught.value.column - 1 :].startswith("cast($s")
