"""What a definition that is close to right says: the words to write, and that those words work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from fledge import FlyteFile, Resources, kwtypes
from fledge.errors import UnsupportedTypeError
from fledge_sql import DuckDB, DuckDBTask, SQLDefinitionError, check_query, sql_task


@dataclass
class Row:
    a: int


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"outputs": pa.Table}, "outputs=kwtypes(result=pa.Table)"),
        ({"outputs": int}, "outputs=kwtypes(result=int)"),
        ({"outputs": [("n", int)]}, "outputs=kwtypes(result=pa.Table)"),
        ({"inputs": pa.Table}, "inputs=kwtypes(t=pa.Table)"),
    ],
)
def test_a_type_in_place_of_names_with_types_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(SQLDefinitionError) as caught:
        DuckDBTask("bare", "select 1 as a", **given)
    assert words in str(caught.value)


def test_a_files_name_as_text_is_told_to_be_a_path(tmp_path: Path) -> None:
    with pytest.raises(SQLDefinitionError, match=r"write Path\('queries/q\.sql'\)"):
        DuckDBTask("named", "queries/q.sql")
    file = tmp_path / "my query.txt"
    file.write_text("select 1 as a")
    with pytest.raises(SQLDefinitionError, match=r"my query\.txt'\)"):
        DuckDBTask("named", str(file))
    assert DuckDBTask("named", file)().num_rows == 1
    with pytest.raises(SQLDefinitionError, match="syntax error"):
        DuckDBTask("query", "selec a from x.sql")


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("'x.csv'", "kwtypes(x=pa.Table). Read it by that name: FROM x."),
        ("'s3://b/year=2024/y-z.parquet'", "kwtypes(y_z=FlyteFile). Read it by that name: FROM y_z."),
        ("'data/*.parquet'", "kwtypes(t=FlyteFile)"),
        ('"2024"', "kwtypes(t_2024=pa.Table)"),
        ('"class"', "kwtypes(t_class=pa.Table)"),
        ("flights", "kwtypes(flights=pa.Table)."),
    ],
)
def test_a_table_is_offered_under_a_name_that_python_has(table: str, words: str) -> None:
    with pytest.raises(SQLDefinitionError) as caught:
        check_query(f"select * from {table}", {})
    assert words in str(caught.value)


def test_a_function_gets_the_parameter_that_python_has() -> None:
    with pytest.raises(SQLDefinitionError, match=r"to the function: x: pa\.Table\. Read it by that name: FROM x\."):

        @sql_task("select * from 'x.csv'")
        def read() -> pa.Table: ...


@pytest.mark.parametrize(
    ("query", "writes"), [("select * from slaes.orders", ()), ("insert into n select * from slaes.orders", ("n",))]
)
def test_a_misspelt_database_is_told_what_is_attached(query: str, writes: tuple[str, ...]) -> None:
    config = DuckDB(attach={"sales": "a.duckdb", "shop": "b.duckdb"}, writes=writes)
    with pytest.raises(SQLDefinitionError, match=r"did you mean 'sales'\? \(attached: sales, shop\)"):
        DuckDBTask("near", query, outputs={} if writes else kwtypes(n=int), task_config=config)


@pytest.mark.parametrize(
    "kind",
    [
        pa.Table | None,
        Annotated[pa.Table, kwtypes(a=int)] | None,
        list[Row] | None,
        FlyteFile | None,
    ],
)
def test_a_table_is_never_none(kind: Any) -> None:
    with pytest.raises(SQLDefinitionError, match=r"input 't': a table is never None\. Drop the None"):
        check_query("select * from t", kwtypes(t=kind))
    with pytest.raises(SQLDefinitionError, match=r"output 'r': a result is never None\. Drop the None"):
        check_query("select 1 as a", {}, kwtypes(r=kind))
    assert check_query("select $xs as xs", kwtypes(xs=list[int] | None), kwtypes(xs=list[int] | None)).columns


@pytest.mark.parametrize("mem", ["1Ki", "1023Ki", "512"])
@pytest.mark.parametrize("kind", ["limits", "requests"])
def test_memory_that_duckdb_cannot_run_in_is_refused(mem: str, kind: str) -> None:
    options: dict[str, Any] = {kind: Resources(mem=mem)}  # Any: keywords of any task
    with pytest.raises(SQLDefinitionError, match="Ask for 1Mi at least"):
        DuckDBTask("small", "select 1 as a", **options)


def test_the_smallest_memory_is_enough_for_a_small_query() -> None:
    query = "select i % 10 as a, count(*) as n from range(1000) r(i) group by 1 order by 1"
    assert DuckDBTask("small", query, limits=Resources(mem="1Mi", cpu="1"))().num_rows == 10


def test_a_dataset_is_told_what_to_use_and_not_to_install_what_is_there() -> None:
    with pytest.raises(UnsupportedTypeError, match=r"not supported\. Use pa\.Table, or FlyteDirectory"):
        DuckDBTask("data", "select 1 as a", outputs=kwtypes(r=ds.Dataset))
    with pytest.raises(UnsupportedTypeError, match=r"not supported\. Use pa\.Table, or FlyteDirectory"):
        DuckDBTask("data", "select a from t", kwtypes(t=ds.Dataset))
