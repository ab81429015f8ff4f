"""Attached databases and scripts that write: what `attach` and `writes` opt in to, and nothing more."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from fledge import FlyteFile, kwtypes
from fledge_sql import DuckDB, DuckDBTask, ParameterError, QueryError, ReadOnlyError, SQLDefinitionError, sql_task
from fledge_sql.engine import LOCK_ATTEMPTS

duckdb: Any = pytest.importorskip("duckdb")  # Any: what 1.5 and 2.0 both have


@pytest.fixture
def sales(tmp_path: Path) -> Path:
    path = tmp_path / "sales.duckdb"
    with duckdb.connect(str(path)) as made:
        made.execute("create table orders as select * from (values (1, 10.0), (2, 20.0)) t(id, amount)")
    return path


def rows_of(path: Path) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(path), read_only=True) as opened:
        found: list[tuple[Any, ...]] = opened.execute("select * from orders order by 1").fetchall()
        return found


def test_an_attached_file_is_read_under_its_name(sales: Path) -> None:
    total = DuckDBTask(
        "total",
        "select sum(amount)::double from sales.orders where id > $n",
        kwtypes(n=int),
        kwtypes(t=float),
        DuckDB(attach=sales),
    )
    assert total(n=0) == 30.0
    assert total(n=1) == 20.0


def test_a_mapping_gives_the_name(sales: Path) -> None:
    config = DuckDB(attach={"shop": sales})
    assert DuckDBTask("n", "select count(*) from shop.orders", outputs=kwtypes(n=int), task_config=config)() == 2


def test_a_database_may_be_an_input(sales: Path) -> None:
    @sql_task("select count(*) from db.orders", attach=("db",))
    def count(db: FlyteFile) -> int:
        raise NotImplementedError

    assert count(db=FlyteFile(str(sales))) == 2


def test_tables_and_an_attached_file_meet_in_one_query(sales: Path) -> None:
    query = "select sum(o.amount * r.rate)::double from sales.orders o join rates r using (id)"
    joined = DuckDBTask("joined", query, kwtypes(rates=pa.Table), kwtypes(t=float), DuckDB(attach=sales))
    assert joined(rates=pa.table({"id": [1, 2], "rate": [1.0, 0.5]})) == 20.0


def test_defining_a_task_opens_no_file(tmp_path: Path) -> None:
    missing = tmp_path / "later.duckdb"
    task = DuckDBTask(
        "later", "select count(*) from later.t", outputs=kwtypes(n=int), task_config=DuckDB(attach=missing)
    )
    with pytest.raises(ParameterError, match="does not exist"):
        task()
    assert not missing.exists()


@pytest.mark.parametrize(
    "query",
    [
        "insert into sales.orders values (3, 1.0)",
        "delete from sales.orders",
        "with x as (delete from sales.orders returning *) select * from x",
        "select * from other.orders",
        "select * from sales.orders, read_text('/etc/passwd')",
        "select 1; select * from sales.orders",
    ],
)
def test_attaching_allows_reading_only(sales: Path, query: str) -> None:
    with pytest.raises(SQLDefinitionError):
        DuckDBTask("w", query, task_config=DuckDB(attach=sales))
    assert len(rows_of(sales)) == 2


def test_a_script_writes_what_it_may_and_its_last_statement_returns(sales: Path) -> None:
    script = (
        "insert into sales.orders select id, amount from new where id > $n;\n"
        "create temp table sums as select sum(amount)::double as s from sales.orders;\n"
        "select s from sums"
    )
    task = DuckDBTask(
        "load",
        script,
        kwtypes(new=pa.Table, n=int),
        kwtypes(s=float),
        DuckDB(attach=sales, writes=("sales.orders", "sums")),
    )
    assert task(new=pa.table({"id": [3, 4], "amount": [5.0, 6.0]}), n=3) == 36.0
    assert rows_of(sales) == [(1, 10.0), (2, 20.0), (4, 6.0)]


def test_a_script_without_a_query_has_no_output(sales: Path) -> None:
    task = DuckDBTask(
        "clear", "delete from sales.orders where id = $n", kwtypes(n=int), {}, DuckDB(attach=sales, writes=("sales",))
    )
    assert task(n=1) is None
    assert rows_of(sales) == [(2, 20.0)]


def test_a_script_may_drop_what_it_may_write(sales: Path) -> None:
    script = (
        "create view sales.large as select * from sales.orders where amount > 15;"
        "create table sales.copy as select * from sales.large;"
        "drop view sales.large; drop table if exists sales.orders; drop table if exists sales.orders;"
        "create table sales.orders as select * from sales.copy; truncate sales.copy; drop table sales.copy"
    )
    config = DuckDB(attach=sales, writes=("sales.orders", "sales.large", "sales.copy"))
    assert DuckDBTask("renewed", script, {}, {}, config)() is None
    assert rows_of(sales) == [(2, 20.0)]
    with duckdb.connect(str(sales)) as opened:
        assert [name for (name,) in opened.execute("select table_name from duckdb_tables()").fetchall()] == ["orders"]


def test_a_script_that_fails_changes_nothing(sales: Path) -> None:
    script = "delete from sales.orders; select cast($s as int) as n"
    task = DuckDBTask("half", script, kwtypes(s=str), kwtypes(n=int), DuckDB(attach=sales, writes=("sales",)))
    with pytest.raises(QueryError, match="Could not convert"):
        task(s="x")
    assert len(rows_of(sales)) == 2
    assert task(s="7") == 7
    assert rows_of(sales) == []


def test_threads_that_write_one_file_take_turns(sales: Path) -> None:
    script = "insert into sales.orders values ($n, 0.0); select count(*) from sales.orders"
    write = DuckDBTask("w", script, kwtypes(n=int), kwtypes(c=int), DuckDB(attach=sales, writes=("sales",)))
    read = DuckDBTask("r", "select count(*) from sales.orders", {}, kwtypes(c=int), DuckDB(attach=sales))
    with ThreadPoolExecutor(6) as pool:
        reads = [pool.submit(read) for _ in range(6)]
        counts = list(pool.map(lambda n: write(n=n), range(3, 15)))
    assert sorted(counts) == list(range(3, 15))
    assert all(2 <= one.result() <= 14 for one in reads)
    assert len(rows_of(sales)) == 14


def test_an_error_in_a_script_has_its_place_in_the_whole_text() -> None:
    script = "create temp table a as select $s as s;\n-- ü; and a comment\nselect\n  cast(s as int) as n\nfrom a"
    task = DuckDBTask("placed", script, kwtypes(s=str), kwtypes(n=int), DuckDB(writes=("a",)))
    with pytest.raises(QueryError) as caught:
        task(s="x")
    assert (caught.value.line, caught.value.column) == (4, 3)


def test_a_script_may_give_a_reader(sales: Path) -> None:
    script = "insert into sales.orders select i, 1.0 from range(10, 200000) r(i); select id from sales.orders"
    task = DuckDBTask(
        "stream", script, {}, kwtypes(r=pa.RecordBatchReader), DuckDB(attach=sales, writes=("sales.orders",))
    )
    assert sum(batch.num_rows for batch in task()) == 199_992
    assert len(rows_of(sales)) == 199_992


def test_an_output_needs_a_query_at_the_end_of_the_script() -> None:
    """It would have been missed after the script's changes were committed."""
    with pytest.raises(SQLDefinitionError, match="last statement is no query") as caught:
        DuckDBTask("none", "create temp table a as\nselect 1 as n;", task_config=DuckDB(writes=("a",)))
    assert caught.value.line == 2
    assert "outputs={}" in caught.value.hint


def test_scratch_tables_live_for_one_call() -> None:
    script = "create table x as select $n as n; insert into x values ($n + 1); select sum(n)::bigint as s from x"
    task = DuckDBTask("scratch", script, kwtypes(n=int), kwtypes(s=int), DuckDB(writes=("x",)))
    assert (task(n=1), task(n=2)) == (3, 5)


REFUSED = {
    "another table": ("delete from sales.prices", "writes 'sales.prices'"),
    "dropping another table": ("drop table sales.prices", "writes 'sales.prices'"),
    "dropping two at once": ("drop table sales.orders, sales.prices", "no DROP"),
    "emptying two at once": ("truncate sales.orders, sales.prices", "no TRUNCATE"),
    "another database": ("create table other.x as select 1", "writes 'other.x'"),
    "an input": ("delete from t", "writes 't'"),
    "a file": ("copy sales.orders to '/tmp/fledge-never.csv'", "COPY"),
    "a setting": ("set threads = 1", "SET"),
    "attaching more": ("attach '/tmp/fledge-never.db' as y", "ATTACH"),
    "reading a file": ("insert into sales.orders select 1, 2 from read_csv('/etc/passwd')", "read"),
    "reading an undeclared table": ("insert into sales.orders select * from secrets", "'secrets'"),
    "a hidden write": ("insert into sales.orders with x as (delete from t returning *) select * from x", "DELETE"),
    "an extension": ("install httpfs", "INSTALL|COMMAND"),
    "a transaction": ("commit", "COMMIT"),
    "a macro": ("create macro f() as 1", "CREATE"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_script_does_what_writes_names_and_nothing_else(sales: Path, name: str) -> None:
    statement, words = REFUSED[name]
    config = DuckDB(attach=sales, writes=("sales.orders",))
    with pytest.raises(ReadOnlyError, match=words):
        DuckDBTask("w", f"select * from t; {statement}; select 1 as x", kwtypes(t=pa.Table), task_config=config)


def test_a_script_writes_to_one_database(sales: Path) -> None:
    script = "create table x as select 1 as a; delete from sales.orders; select 1 as a"
    with pytest.raises(SQLDefinitionError, match="CREATE TEMP TABLE"):
        DuckDBTask("w", script, task_config=DuckDB(attach=sales, writes=("sales", "x")))


def test_two_databases_of_one_name_are_refused(sales: Path) -> None:
    with pytest.raises(SQLDefinitionError, match="two attached databases"):
        DuckDBTask("two", "select 1", task_config=DuckDB(attach=(sales, "elsewhere/sales.duckdb")))


@pytest.mark.parametrize("name", ["memory", "System", "temp", "main", "information_schema", "pg_catalog"])
def test_a_name_that_duckdb_uses_itself_is_refused(sales: Path, name: str) -> None:
    with pytest.raises(SQLDefinitionError, match=f"can be called {name!r}.*attach="):
        DuckDBTask("own", f"select * from {name}.orders", task_config=DuckDB(attach={name: sales}))
    with pytest.raises(SQLDefinitionError, match="Rename the input"):
        DuckDBTask("own", "select 1", kwtypes(**{name: FlyteFile}), task_config=DuckDB(attach=(name,)))


@pytest.mark.parametrize(
    ("writes", "table"), [("sales.orders", "sales.MAIN.orders"), ("sales.main.orders", "sales.orders")]
)
def test_the_main_schema_goes_without_saying(sales: Path, writes: str, table: str) -> None:
    script = f"insert into {table} values (3, 0.0); select count(*) from {table}"
    task = DuckDBTask("more", script, outputs=kwtypes(n=int), task_config=DuckDB(attach=sales, writes=writes))
    assert task() == 3
    with pytest.raises(ReadOnlyError, match=r"writes 'sales\.other\.orders'"):
        DuckDBTask("no", "delete from sales.other.orders", {}, {}, DuckDB(attach=sales, writes=writes))


def test_a_locked_file_names_who_holds_it(sales: Path) -> None:
    code = f"import duckdb, sys; c = duckdb.connect({str(sales)!r}); print('open', flush=True); sys.stdin.read()"
    task = DuckDBTask(
        "n", "select count(*) from sales.orders", outputs=kwtypes(n=int), task_config=DuckDB(attach=sales)
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(QueryError, match=rf"PID {holder.pid}"):
            task()
        holder.communicate("")
    assert task() == 2
    assert LOCK_ATTEMPTS > 1
