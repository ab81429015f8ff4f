"""What the check at definition finds, without data: each fault with its line, column and way out."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, TypedDict

import pyarrow as pa
import pytest

from fledge import FlyteDirectory, kwtypes
from fledge_sql import DuckDBTask, Identifier, check_query, sql_task
from fledge_sql.errors import SQLDefinitionError

COLUMNS = kwtypes(carrier=str, delay=float, month=int, seen=dt.datetime)
FLIGHTS = Annotated[pa.Table, COLUMNS]


@dataclass
class Flight:
    carrier: str
    delay: float


class FlightDict(TypedDict):
    carrier: str
    delay: float


class Place(TypedDict):
    name: str
    lat: float


def inputs(**more: Any) -> dict[str, Any]:
    return kwtypes(flights=FLIGHTS, **more)


FAULTS = {
    "syntax": ("select * form flights", {}, 1, 15, "syntax error"),
    "syntax in a line": ("select *\nfrom flights\nwhere and 1", {}, 3, 7, "syntax error"),
    "unknown column": ("select carier from flights", {}, 1, 8, "did you mean 'carrier'"),
    "unknown column below": ("select\n  carrier,\n  mnth from flights", {}, 3, 3, "did you mean 'month'"),
    "unknown column of an alias": ("select f.x from flights f", {}, 1, 8, "does not have a column"),
    "unknown column in where": ("select carrier from flights where dealy > 1", {}, 1, 35, "did you mean 'delay'"),
    "after wide characters": ("select 'é日本' as x, carier from flights", {}, 1, 20, "did you mean 'carrier'"),
    "after a placeholder": ("select $m as m, carier from flights", {"m": int}, 1, 17, "did you mean 'carrier'"),
    "unknown table": ("select * from flihgts", {}, 1, 15, "did you mean 'flights'"),
    "unknown function": ("select lenght(carrier) from flights", {}, 1, 8, "lenght"),
    "argument type": ("select avg(carrier) from flights", {}, 1, 8, "avg"),
    "arity": ("select round(delay, 1, 2) from flights", {}, 1, 8, "round"),
    "grouping": ("select carrier, delay from flights group by 1", {}, 1, 17, "GROUP BY"),
    "aggregate in where": ("select carrier from flights where max(delay) > 1", {}, 1, 35, "aggregates"),
    "parameter type": ("select * from flights where\nseen\n> $m", {"m": int}, 0, 0, "Cannot compare"),
    "union arity": ("select carrier from flights union select 1, 2", {}, 1, 1, "same number"),
    "exclude": ("select * exclude (dealy) from flights", {}, 1, 19, "dealy"),
    "using": ("select * from flights join flights f using (x)", {}, 1, 45, "x"),
    "placeholder without input": ("select $n from flights", {}, 1, 8, "placeholder 'n' has no input"),
    "placeholder misspelt": ("select $mont from flights", {"month": int}, 1, 8, "did you mean 'month'"),
    "placeholder without input in quotes": ("select 'a{{ .inputs.n }}' from flights", {}, 1, 10, "no input"),
    "table as a value": ("select $flights from flights", {}, 1, 8, "is a table, not a value"),
    "input without use": ("select * from flights", {"m": int}, 1, 1, "input 'm' is not used"),
    "input in a comment only": ("select * from flights -- $m", {"m": int}, 1, 26, "here it is only text"),
    "input in quotes only": ("select '$m' from flights", {"m": int}, 1, 9, "here it is only text"),
    "input as :name": ("select * from flights where month\n = :m", {"m": int}, 2, 4, "`:m` is another tool's syntax"),
    "input as {{ name }}": ("select {{ m }} from flights", {"m": int}, 1, 8, "Write $m or {{ .inputs.m }}"),
    "no place for a parameter": ("select * from flights using sample $m rows", {"m": int}, 1, 36, "no parameter here"),
    "empty": (" \n", {}, 1, 1, "empty"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_at_its_place(name: str) -> None:
    query, more, line, column, words = FAULTS[name]
    with pytest.raises(SQLDefinitionError) as caught:
        check_query(query, inputs(**more))
    assert words in str(caught.value)
    place = (caught.value.line, caught.value.column)
    assert place == (line, column) or (not line and place[0] > 1)  # 0: the two versions of DuckDB point elsewhere


def test_a_function_task_says_add_a_parameter_and_a_declared_one_says_kwtypes() -> None:
    with pytest.raises(SQLDefinitionError, match=r"Add a parameter to the function: n: \.\.\.,") as caught:

        @sql_task("select $n")
        def missing(m: int) -> int:
            raise NotImplementedError

    assert "kwtypes" not in str(caught.value)
    with pytest.raises(SQLDefinitionError, match=r"Add a parameter to the function: t: pa\.Table") as caught:

        @sql_task("select * from t")
        def untold() -> pa.Table: ...

    assert "kwtypes" not in str(caught.value)
    with pytest.raises(SQLDefinitionError, match=r"-> pa\.Table"):

        @sql_task("select 1")
        def silent() -> None: ...

    with pytest.raises(SQLDefinitionError, match=r"inputs=kwtypes\(n=...\)"):
        DuckDBTask("missing", "select $n")
    with pytest.raises(SQLDefinitionError, match=r"inputs=kwtypes\(t=pa.Table\)"):
        DuckDBTask("untold", "select * from t")


def test_an_unused_table_is_named() -> None:
    with pytest.raises(SQLDefinitionError, match="input table 'flights' is not used"):
        check_query("select 1", inputs())


@pytest.mark.parametrize("text", ["(" * 400 + "1" + ")" * 400, "1 + " * 400 + "1"], ids=["parentheses", "a chain"])
def test_what_is_nested_too_deep_to_be_checked_is_refused(text: str) -> None:
    with pytest.raises(SQLDefinitionError, match="nested too deep"):
        check_query(f"select {text}", {})
    assert check_query(f"select {text}", {}, guard=False).text


def test_inputs_that_differ_only_in_case_are_refused() -> None:
    with pytest.raises(SQLDefinitionError, match="same name in SQL"):
        check_query("select $a, $A", kwtypes(a=int, A=int))


GOOD = {
    "scalar types": (
        "select $i, $f, $s, $b, $y, $d, $t, $n, $o",
        kwtypes(i=int, f=float, s=str, b=bool, y=bytes, d=dt.date, t=dt.datetime, n=Decimal, o=int | None),
        "BIGINT DOUBLE VARCHAR BOOLEAN BLOB DATE|TIMESTAMP WITH TIME ZONE|DECIMAL(38,9) BIGINT",
    ),
    "exact types": (
        "select $i, $t",
        kwtypes(i=Annotated[int, pa.int16()], t=Annotated[dt.datetime, pa.timestamp("us")]),
        "SMALLINT TIMESTAMP",
    ),
    "lists": ("select $xs, $ys", kwtypes(xs=list[int], ys=list[list[str]]), "BIGINT[] VARCHAR[][]"),
    "typed literals": (
        "select date $d, date '{{ .inputs.d }}', interval '{{ .inputs.n }} days', interval $n day",
        kwtypes(d=dt.date, n=int),
        "DATE DATE INTERVAL INTERVAL",
    ),
    "limit and offset": ("from range(10) limit $n offset {{ .inputs.n }}", kwtypes(n=int), "BIGINT"),
    "like": ("select 'abc' like '%' || $s || '%', 'a' like '{{ .inputs.s }}%'", kwtypes(s=str), "BOOLEAN BOOLEAN"),
    "an expression of another type": (
        "select $i + 0.5, $i / 2, $i::smallint",
        kwtypes(i=int),
        "DECIMAL(21,1) DOUBLE SMALLINT",
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_parameters_have_their_declared_type_whatever_the_value(name: str) -> None:
    query, declared, types = GOOD[name]
    columns = check_query(query, declared).columns or ()
    assert " ".join(column.sql_type for column in columns) == types.replace("|", " ")


@pytest.mark.parametrize(
    "declared",
    [
        kwtypes(carrier=str, delay=float),
        Flight,
        FlightDict,
        pa.schema([("carrier", pa.string()), ("delay", pa.float64())]),
    ],
    ids=["kwtypes", "dataclass", "typed dict", "schema"],
)
def test_columns_are_declared_in_four_ways(declared: Any) -> None:
    checked = check_query("select * from t", kwtypes(t=Annotated[pa.Table, declared]))
    assert [(column.name, column.sql_type) for column in checked.columns or ()] == [
        ("carrier", "VARCHAR"),
        ("delay", "DOUBLE"),
    ]


def test_a_list_of_rows_is_a_table() -> None:
    for row in (Flight, Place):
        first = next(iter(row.__annotations__))
        checked = check_query(f"select {first} from t", kwtypes(t=list[row]))  # type: ignore[valid-type] # made at run time
        assert [column.sql_type for column in checked.columns or ()] == ["VARCHAR"]


def test_without_declared_columns_the_rest_is_still_checked() -> None:
    assert check_query("select whatever from t", kwtypes(t=pa.Table)).columns is None
    with pytest.raises(SQLDefinitionError):
        check_query("select whatever form t", kwtypes(t=pa.Table))


def test_a_column_type_that_duckdb_does_not_read_is_named() -> None:
    with pytest.raises(SQLDefinitionError, match="column 'h' has Arrow type halffloat"):
        check_query("select * from t", kwtypes(t=Annotated[pa.Table, pa.schema([("h", pa.float16())])]))


def test_a_type_without_meaning_in_sql_is_refused() -> None:
    with pytest.raises(SQLDefinitionError, match="has no SQL type"):
        check_query("select $a", kwtypes(a=complex))
    with pytest.raises(SQLDefinitionError, match=r"a Flight is no parameter.*list\[Flight\]"):
        check_query("select $a", kwtypes(a=Flight))


# -- names -------------------------------------------------------------------------------------------------------------


def test_every_allowed_name_is_checked() -> None:
    key = Annotated[str, Identifier("carrier", "month")]
    assert check_query("select $key, count(*) from flights group by 1", inputs(key=key)).columns
    with pytest.raises(SQLDefinitionError, match="did you mean 'month'"):
        check_query("select $key from flights", inputs(key=Annotated[str, Identifier("carrier", "mnth")]))


def test_a_table_may_be_chosen_by_name() -> None:
    declared = kwtypes(a=FLIGHTS, b=FLIGHTS, which=Annotated[str, Identifier("a", "b")])
    assert check_query("select carrier from $which", declared).columns
    with pytest.raises(SQLDefinitionError, match="'c' is not a declared input"):
        check_query("select carrier from $which", kwtypes(a=FLIGHTS, which=Annotated[str, Identifier("a", "c")]))


def test_an_identifier_is_a_str_with_names() -> None:
    with pytest.raises(SQLDefinitionError, match="list the names"):
        Identifier()
    with pytest.raises(SQLDefinitionError, match="goes with str"):
        check_query("select $a", kwtypes(a=Annotated[int, Identifier("x")]))


# -- outputs -----------------------------------------------------------------------------------------------------------

OUTPUT_FAULTS = {
    "scalar type": ("select carrier from flights", int, "VARCHAR"),
    "several columns for a scalar": ("select 1 as a, 2 as b", int, "2 columns: a, b"),
    "missing column": ("select carrier from flights", list[Flight], "no column 'delay'"),
    "extra column": ("select carrier, delay, month from flights", list[Flight], "column 'month' is not declared"),
    "misnamed column": ("select carrier, delay as dely from flights", list[Flight], "did you mean 'dely'"),
    "column type": ("select carrier, month as delay from flights", list[Flight], "BIGINT"),
    "column order": (
        "select delay, carrier from flights",
        Annotated[pa.Table, pa.schema([("carrier", pa.string()), ("delay", pa.float64())])],
        "another order",
    ),
    "exact column type": (
        "select month from flights",
        Annotated[pa.Table, pa.schema([("month", pa.int32())])],
        "month.*BIGINT.*INTEGER",
    ),
    "two columns of one name": ("select carrier, carrier from flights", pa.Table, "2 columns of the result are called"),
    "names that differ in case": ("select 1 as a, 2 as A", pa.Table, "2 columns of the result are called"),
    "interval": ("select interval 1 day as x", pa.Table, "INTERVAL does not survive"),
    "nested interval": ("select [{'a': interval 1 day}] as x", pa.Table, "INTERVAL does not survive"),
    "bit": ("select '101'::bit as x", pa.Table, "BIT does not survive"),
    "uhugeint": ("select 1::uhugeint as x", pa.Table, "UHUGEINT does not survive"),
    "time with zone": ("select '12:00:00+01'::timetz as x", pa.Table, "TIME WITH TIME ZONE does not survive"),
    "union": ("select union_value(a := 1) as x", pa.Table, "UNION does not survive"),
    "a folder": ("select 1 as x", FlyteDirectory, "no folder. Use FlyteFile"),
    "no such python type": ("select 1 as x", complex, "a query cannot return"),
}


@pytest.mark.parametrize("name", OUTPUT_FAULTS)
def test_a_result_that_does_not_fit_the_output_is_refused_before_it_runs(name: str) -> None:
    query, output, words = OUTPUT_FAULTS[name]
    declared = inputs() if "flights" in query else {}
    with pytest.raises(SQLDefinitionError, match=words):
        check_query(query, declared, kwtypes(result=output))


OUTPUTS = {
    "int": ("select count(*) from flights", int),
    "hugeint": ("select sum(month) from flights", int),
    "float": ("select avg(delay) from flights", float),
    "str": ("select max(carrier) from flights", str),
    "enum": ("select 'a'::enum('a', 'b')", str),
    "date": ("select max(seen)::date from flights", dt.date),
    "datetime": ("select max(seen) from flights", dt.datetime),
    "timedelta": ("select interval 1 day", dt.timedelta),
    "decimal": ("select 1.5", Decimal),
    "list": ("select list(month) from flights", list[int]),
    "optional": ("select max(month) from flights", int | None),
    "table": ("select * from flights", pa.Table),
    "words that are types in an enum": ("select 'BIT'::enum('INTERVAL', 'BIT') as x", pa.Table),
    "words that are types as names": ("select {'bit': 1, 'interval': 2} as x", pa.Table),
    "timestamps": ("select seen, seen::timestamptz as z from flights", pa.Table),
    "rows in another order": ("select delay, carrier from flights", list[Flight]),
    "dicts": ("select delay, carrier from flights", list[dict]),  # type: ignore[type-arg] # free-form rows
    "loose columns": ("select carrier, delay from flights", Annotated[pa.Table, kwtypes(carrier=str, delay=float)]),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_result_that_fits_passes(name: str) -> None:
    query, output = OUTPUTS[name]
    check_query(query, inputs() if "flights" in query else {}, kwtypes(result=output))


def test_several_scalars_are_the_columns_of_one_row() -> None:
    query = "select count(*) as n, avg(delay) as mean from flights"
    check_query(query, inputs(), kwtypes(n=int, mean=float))
    with pytest.raises(SQLDefinitionError, match="no column 'median'"):
        check_query(query, inputs(), kwtypes(n=int, median=float))
    with pytest.raises(SQLDefinitionError, match="a table beside others"):
        check_query(query, inputs(), kwtypes(n=int, mean=pa.Table))


@pytest.mark.parametrize("query", ["", " \n", ";", "-- nothing\n", "/* nothing */ ;;"])
@pytest.mark.parametrize("guard", [True, False])
def test_a_text_without_a_statement_is_empty(query: str, guard: bool) -> None:
    with pytest.raises(SQLDefinitionError, match="the query is empty"):
        check_query(query, {}, guard=guard)
