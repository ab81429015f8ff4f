"""All 22 queries of TPC-H as tasks: checked, their schema inferred, run, equal to bare DuckDB; lineage and dialects."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fledge import kwtypes
from fledge_sql import (
    DuckDBTask,
    SQLDefinitionError,
    check_query,
    column_lineage,
    columns_read,
    output_schema,
    transpile,
)
from fledge_sql.transpiling import DIALECTS

sys.path.insert(0, str(Path(__file__).parent))
sql_tpch: Any = importlib.import_module(
    "sql_tpch"
)  # Any: loaded by name, as pytest does not put this folder on the path
SCHEMAS, TABLES, VALUES = sql_tpch.SCHEMAS, sql_tpch.TABLES, sql_tpch.VALUES
make_task, tables_of, text_of = sql_tpch.make_task, sql_tpch.tables_of, sql_tpch.text_of
with_literals = sql_tpch.with_literals
duckdb: Any = pytest.importorskip("duckdb")  # Any: what 1.5 and 2.0 both have
NUMBERS = range(1, 23)
TASKS = {number: make_task(number) for number in NUMBERS}
# Found on the package index; without it the queries run on tables without rows.
GENERATOR = shutil.which("tpchgen-cli") or shutil.which("tpchgen-cli", path=str(Path(sys.executable).parent))
SCALE = "0.002"


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pa.Table]:
    if GENERATOR is None:
        return {name: schema.empty_table() for name, schema in TABLES.items()}
    folder = tmp_path_factory.mktemp("tpch")
    command = [GENERATOR, "parquet", "-s", SCALE, "--output-dir", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    return {name: pq.read_table(folder / f"{name}.parquet").cast(schema) for name, schema in TABLES.items()}


@pytest.mark.parametrize("number", NUMBERS)
def test_a_query_gives_what_bare_duckdb_gives(number: int, tables: dict[str, pa.Table]) -> None:
    used = {name: tables[name] for name in tables_of(number)}
    result = TASKS[number](**used, **VALUES[number])
    with duckdb.connect() as bare:
        for name, table in used.items():
            bare.register(name, table)
        expected = bare.execute(with_literals(number)).fetchall()
    rows = [tuple(row.values()) for row in result.to_pylist()]
    assert [tuple(map(rounded, row)) for row in rows] == [tuple(map(rounded, row)) for row in expected]


def rounded(value: Any) -> Any:
    """A decimal and a float are compared by value; a sum of floats may differ in its last digit."""
    return round(float(value), 6) if isinstance(value, (float, int)) or hasattr(value, "as_tuple") else value


@pytest.mark.parametrize("number", NUMBERS)
def test_the_schema_is_known_before_the_query_runs(number: int, tables: dict[str, pa.Table]) -> None:
    used = {name: tables[name] for name in tables_of(number)}
    assert TASKS[number](**used, **VALUES[number]).schema == output_schema(TASKS[number])


def test_every_column_that_is_read_is_found() -> None:
    assert sum(len(columns) for number in NUMBERS for columns in columns_read(TASKS[number]).values()) == 222


@pytest.mark.parametrize("number", [2, 13, 15, 20, 21])
def test_a_column_counts_as_read_if_and_only_if_the_query_needs_it(number: int) -> None:
    """Proof by removal: without a column that is read the check fails, without all the others it passes."""
    read = columns_read(TASKS[number])
    text, parameters = text_of(number), {n: sql_tpch.type_of(n, v) for n, v in VALUES[number].items()}
    check_without: dict[str, dict[str, Any]] = {
        table: {c: SCHEMAS[table][c] for c in columns} for table, columns in read.items()
    }
    check(text, check_without, parameters)
    table, columns = max(read.items(), key=lambda item: len(item[1]))
    for column in sorted(columns):
        less = {**check_without, table: {c: t for c, t in check_without[table].items() if c != column}}
        with pytest.raises(SQLDefinitionError):
            check(text, less, parameters)


def check(text: str, columns: dict[str, dict[str, Any]], parameters: dict[str, Any]) -> None:

    tables = {
        n: Annotated[pa.Table, pa.schema(list(c.items()) or [("nothing", pa.int8())])] for n, c in columns.items()
    }
    check_query(text, {**tables, **parameters})


@pytest.mark.parametrize("number", NUMBERS)
def test_lineage_has_the_real_names_and_is_a_part_of_what_is_read(number: int) -> None:
    lineage, read = column_lineage(TASKS[number]), columns_read(TASKS[number])
    assert list(lineage) == output_schema(TASKS[number]).names
    assert all(column in read[table] for pairs in lineage.values() for table, column in pairs)


def test_lineage_of_a_computed_column() -> None:
    charge = column_lineage(TASKS[1])["sum_charge"]
    assert charge == {("lineitem", "l_extendedprice"), ("lineitem", "l_discount"), ("lineitem", "l_tax")}
    assert column_lineage(TASKS[9])["nation"] == {("nation", "n_name")}


# -- other engines -----------------------------------------------------------------------------------------------------

UNPORTABLE = {
    "snowflake": {1: "computed interval", 12: "UNNEST", 16: "UNNEST", 22: "UNNEST"},
    "bigquery": {12: "UNNEST", 16: "UNNEST", 22: "UNNEST"},
}


@pytest.mark.parametrize("dialect", UNPORTABLE)
@pytest.mark.parametrize("number", NUMBERS)
def test_a_query_is_written_for_another_engine_or_refused_by_name(number: int, dialect: str) -> None:
    words = UNPORTABLE[dialect].get(number)
    if words:
        with pytest.raises(SQLDefinitionError, match=words):
            transpile(TASKS[number], dialect)
        return
    text, names = transpile(TASKS[number], dialect)
    assert sorted(names) == sorted(VALUES[number])
    assert all(f"%({name})s" in text if dialect == "snowflake" else f"@{name}" in text for name in names)


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
@pytest.mark.parametrize("number", [4, 15, 19])
def test_what_another_engine_is_given_means_the_same(number: int, dialect: str, tables: dict[str, pa.Table]) -> None:
    """The text is read back by sqlglot, run on DuckDB and compared; no other engine is at hand here."""
    import sqlglot

    portable = make_plain(number)
    text, names = transpile(portable, dialect)
    assert names == []
    back = sqlglot.transpile(text, read=dialect, write="duckdb")[0]
    used = {name: tables[name] for name in tables_of(number)}
    with duckdb.connect() as bare:
        for name, table in used.items():
            bare.register(name, table)
        expected, found = bare.execute(with_literals(number)).fetchall(), bare.execute(back).fetchall()
    assert [tuple(map(rounded, row)) for row in found] == [tuple(map(rounded, row)) for row in expected]


def make_plain(number: int) -> Any:
    """The query without parameters."""

    tables = {name: Annotated[pa.Table, TABLES[name]] for name in tables_of(number)}
    return DuckDBTask(f"plain{number}", with_literals(number), kwtypes(**tables))
