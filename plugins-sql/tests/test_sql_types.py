"""Every type of DuckDB on its way out and of Arrow on its way in: it survives, or is refused by name before a run."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any, TypedDict

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fledge import FlyteFile, kwtypes
from fledge.errors import TypeConversionError
from fledge_sql import DuckDBTask, ParameterError, QueryError, SQLDefinitionError, output_schema
from fledge_sql.engine import engine_version, open_cursor

BEFORE_2 = engine_version() < "2"
UTC = dt.timezone.utc
ID = "00000000-0000-0000-0000-00000000000a"

# DuckDB's type -> expressions of it with their values.
SURVIVES: dict[str, dict[str, object]] = {
    "BOOLEAN": {"true": True, "null::boolean": None},
    "TINYINT": {"(-128)::tinyint": -128},
    "SMALLINT": {"32767::smallint": 2**15 - 1},
    "INTEGER": {"2147483647": 2**31 - 1},
    "BIGINT": {"9223372036854775807": 2**63 - 1},
    "HUGEINT": {"9223372036854775808": Decimal(2**63), "[9223372036854775808]": [Decimal(2**63)]},
    "UTINYINT": {"255::utinyint": 255},
    "USMALLINT": {"65535::usmallint": 2**16 - 1},
    "UINTEGER": {"4294967295::uinteger": 2**32 - 1},
    "UBIGINT": {"18446744073709551615::ubigint": 2**64 - 1},
    "FLOAT": {"1.5::float": 1.5},
    "DOUBLE": {"0.1::double": 0.1},
    "DECIMAL": {
        "1.5::decimal(4, 1)": Decimal("1.5"),
        "-1.00001::decimal(9, 5)": Decimal("-1.00001"),
        "123456789012.5::decimal(18, 4)": Decimal("123456789012.5"),
        "12345678901234567890123456789012345678::decimal(38, 0)": Decimal(12345678901234567890123456789012345678),
        "[0.1::decimal(38, 38)]": [Decimal("0.1")],
    },
    "VARCHAR": {"'a日' || chr(0)": "a日\0", "'{\"a\": 1}'::json": '{"a": 1}', "''": ""},
    "BLOB": {r"'\xFF\x00'::blob": b"\xff\x00", "''::blob": b""},
    "DATE": {"date '0001-01-01'": dt.date(1, 1, 1), "date '9999-12-31'": dt.date(9999, 12, 31)},
    "TIME": {"time '01:02:03.000004'": dt.time(1, 2, 3, 4)},
    "TIME_NS": {"'01:02:03.000004'::time_ns": dt.time(1, 2, 3, 4)},
    "TIMESTAMP": {"timestamp '2024-01-02 03:04:05.000006'": dt.datetime(2024, 1, 2, 3, 4, 5, 6)},  # noqa: DTZ001 - it has none
    "TIMESTAMP_S": {"'2024-01-02 03:04:05'::timestamp_s": dt.datetime(2024, 1, 2, 3, 4, 5)},  # noqa: DTZ001 - it has none
    "TIMESTAMP_MS": {"'2024-01-02 03:04:05.006'::timestamp_ms": dt.datetime(2024, 1, 2, 3, 4, 5, 6000)},  # noqa: DTZ001 - it has none
    "TIMESTAMP_NS": {"epoch_ns('2024-01-02 03:04:05.000000006'::timestamp_ns)": 1704164645000000006},
    "TIMESTAMP WITH TIME ZONE": {"timestamptz '2024-01-02 03:04:05+01'": dt.datetime(2024, 1, 2, 2, 4, 5, tzinfo=UTC)},
    "UUID": {f"'{ID}'::uuid": ID, f"{{'u': '{ID}'::uuid}}": {"u": ID}},
    "ENUM": {"'a'::enum('a', 'INTERVAL')": "a", "['a'::enum('a')]": ["a"]},
    "LIST": {"[1, null]": [1, None], "[[1], [], null]": [[1], [], None], "[]::int[]": []},
    "ARRAY": {"[1, 2]::int[2]": [1, 2]},
    "STRUCT": {"{'a': 1, 'b c': ['x']}": {"a": 1, "b c": ["x"]}, "null::struct(a int)": None},
    "MAP": {"map {'k': [1.5]}": [("k", [Decimal("1.5")])], "map {1: date '2024-01-01'}": [(1, dt.date(2024, 1, 1))]},
}
REFUSED = {
    "BIT": "'101'::bit",
    "UHUGEINT": "1::uhugeint",
    "BIGNUM": "1::bignum",
    "INTERVAL": "interval 1 month",
    "TIME WITH TIME ZONE": "'01:02:03+01'::timetz",
    "UNION": "union_value(a := 1)",
    "GEOMETRY": "'POINT(1 2)'::geometry",
    "VARIANT": "1::variant",
    "TYPE": "get_type(1)",
}
NEW_IN_2 = {"TIMESTAMPTZ_NS", "TUPLE"}
if BEFORE_2:
    REFUSED["STRUCT"] = "row(1, 'a')"
else:
    REFUSED["NULL"] = "null"  # before, a NULL without a type is an INTEGER
    SURVIVES["TUPLE"] = {"row(1, 'a')": {"element1": 1, "element2": "a"}}
    SURVIVES["TIMESTAMPTZ_NS"] = {
        "'2024-01-02 03:04:05.000006+01'::timestamptz_ns": dt.datetime(2024, 1, 2, 2, 4, 5, 6, tzinfo=UTC)
    }
EXPRESSIONS = [(sql, value) for values in SURVIVES.values() for sql, value in values.items()]


def test_every_type_that_this_duckdb_has_is_listed_here() -> None:
    with open_cursor() as cursor:
        known = {row[0] for row in cursor.run("select distinct logical_type from duckdb_types()")}
    assert known - {"NULL"} == (SURVIVES.keys() | REFUSED.keys()) - {"NULL"}


def is_free(value: object) -> bool:
    """Whether a dict of no declared types may hold it."""
    if isinstance(value, list):
        return all(map(is_free, value))
    if isinstance(value, dict):
        return all(map(is_free, value.values()))
    if isinstance(value, int):
        return abs(value) < 2**63
    return value is None or isinstance(value, (float, str, bytes))


@pytest.mark.parametrize(("sql", "expected"), EXPRESSIONS, ids=[sql for sql, _ in EXPRESSIONS])
def test_a_value_is_the_same_in_a_table_a_stream_rows_and_a_file(sql: str, expected: object) -> None:
    query = f"select {sql} as x"
    task = DuckDBTask("table", query)
    table = task()
    assert table.to_pylist() == [{"x": expected}]
    assert table.schema == output_schema(task)
    stream = DuckDBTask("stream", query, outputs=kwtypes(r=pa.RecordBatchReader)).execute().read_all()
    assert stream.to_pylist() == [{"x": expected}]
    file = DuckDBTask("file", query, outputs=kwtypes(r=FlyteFile))()
    assert pq.read_table(file.path).to_pylist() == [{"x": expected}]
    if is_free(expected):
        assert DuckDBTask("rows", query, outputs=kwtypes(r=list[dict]))() == [{"x": expected}]  # type: ignore[type-arg] # free-form rows
    else:
        with pytest.raises((SQLDefinitionError, TypeConversionError), match=r"a free dict does not hold|int64"):
            DuckDBTask("rows", query, outputs=kwtypes(r=list[dict]))()  # type: ignore[type-arg] # free-form rows


class Color(Enum):
    RED = "red"


@dataclass
class Point:
    x: int
    y: Decimal


class Place(TypedDict):
    name: str
    seen: dt.date | None


@dataclass
class Everything:
    day: dt.date
    at: dt.datetime
    span: dt.timedelta
    price: Decimal
    color: Color
    point: Point
    place: Place
    points: list[Point]
    counts: dict[str, int]
    key: uuid.UUID
    total: int
    maybe: int | None


def test_rows_of_a_dataclass_hold_every_type_of_python() -> None:
    query = f"""select date '2024-01-01' as day, timestamptz '2024-01-01 12:00:00+02' as at,
        interval '1 day 2 hours' as span, 1.50 as price, 'red' as color, {{'x': 1, 'y': 2.5}} as point,
        {{'name': 'a', 'seen': null::date}} as place, [{{'x': 1::hugeint, 'y': 2}}] as points, map {{'k': 1}} as counts,
        '{ID}'::uuid as key, sum(i) as total, null::int as maybe from range(4) r(i)"""
    (row,) = DuckDBTask("everything", query, outputs=kwtypes(r=list[Everything]))()
    assert row == Everything(
        dt.date(2024, 1, 1),
        dt.datetime(2024, 1, 1, 10, tzinfo=UTC),
        dt.timedelta(1, 7200),
        Decimal("1.50"),
        Color.RED,
        Point(1, Decimal("2.5")),
        {"name": "a", "seen": None},
        [Point(1, Decimal(2))],
        {"k": 1},
        uuid.UUID(ID),
        6,
        None,
    )
    assert type(row.total) is int


@dataclass
class Named:
    color: Color
    key: uuid.UUID


@dataclass
class Nested:
    one: Named
    colors: list[Color]
    by_color: dict[Color, uuid.UUID | None]


def test_rows_with_enums_and_uuids_come_in_and_out() -> None:
    rows = [Nested(Named(Color.RED, uuid.UUID(ID)), [Color.RED], {Color.RED: uuid.UUID(ID)})]
    assert DuckDBTask("nested", "select * from t", kwtypes(t=list[Nested]), kwtypes(r=list[Nested]))(t=rows) == rows


SCALARS: list[tuple[str, Any, object]] = [
    ("map {'k': 1}", dict[str, int], {"k": 1}),
    ("{'k': 1}", dict[str, int], {"k": 1}),
    ("[1::hugeint]", list[int], [1]),
    ("[interval 1 day]", list[dt.timedelta], [dt.timedelta(1)]),
    ("[date '2024-01-01', null]", list[dt.date | None], [dt.date(2024, 1, 1), None]),
    (f"'{ID}'::uuid", uuid.UUID, uuid.UUID(ID)),
    ("'red'", Color, Color.RED),
    ("1", Decimal, Decimal(1)),
    ("'2024-01-02 03:04:05.000006'::timestamp_ns", dt.datetime, dt.datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=UTC)),
]


@pytest.mark.parametrize(("sql", "kind", "expected"), SCALARS, ids=[sql for sql, _, _ in SCALARS])
def test_a_scalar_has_its_declared_type(sql: str, kind: Any, expected: object) -> None:
    value = DuckDBTask("scalar", f"select {sql} as x", outputs=kwtypes(x=kind))()
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("sql", "kind", "words"),
    [
        ("'2024-01-02 03:04:05.000000006'::timestamp_ns", dt.datetime, "nanoseconds"),
        ("'green'", Color, "'green' is not a valid Color"),
        ("interval 1 month", dt.timedelta, "has no fixed length"),
    ],
)
def test_a_value_that_its_type_cannot_hold_is_named(sql: str, kind: Any, words: str) -> None:
    with pytest.raises(QueryError, match=words):
        DuckDBTask("scalar", f"select {sql} as x", outputs=kwtypes(x=kind))()


@dataclass
class Large:
    x: int


@pytest.mark.parametrize("kind", [int, Decimal, list[int], list[Large]])
def test_an_integer_of_128_bits_without_sign_is_refused(kind: Any) -> None:
    """Arrow would give its largest value as -1."""
    value = "340282366920938463463374607431768211455::uhugeint"
    with pytest.raises(SQLDefinitionError, match="UHUGEINT"):
        DuckDBTask("large", f"select {f'[{value}]' if kind == list[int] else value} as x", outputs=kwtypes(x=kind))


def test_a_sum_is_an_int_in_free_rows() -> None:
    (row,) = DuckDBTask("sum", "select sum(i) as s, [sum(i)] as l from range(3) r(i)", outputs=kwtypes(r=list[dict]))()  # type: ignore[type-arg] # free-form rows
    assert row == {"s": 3, "l": [3]}
    assert type(row["s"]) is int


@pytest.mark.parametrize("form", ["{}", "[{}]", "{{'a': [{}]}}", "map {{1: {}}}"])
@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("output", [pa.Table, FlyteFile, pa.RecordBatchReader])
def test_what_would_not_survive_is_refused_by_name_when_the_task_is_defined(name: str, form: str, output: Any) -> None:
    with pytest.raises(SQLDefinitionError, match=f"column 'x' has type .*: \"?{name}\"? does not survive") as caught:
        DuckDBTask("refused", f"select {form.format(REFUSED[name])} as x", outputs=kwtypes(r=output))
    assert "Convert it in the query" in caught.value.hint


# -- Arrow's types on their way in -------------------------------------------------------------------------------------

READ: dict[str, Any] = {
    "a dictionary": pa.array(["a", None, "a"]).dictionary_encode(),
    "a dictionary of integers": pa.array([1, None]).dictionary_encode(),
    "a large list": pa.array([[1], None], pa.large_list(pa.int64())),
    "a list view": pa.array([[1], None], pa.list_view(pa.int64())),
    "a list of one size": pa.array([[1, 2], None], pa.list_(pa.int64(), 2)),
    "bytes of one size": pa.array([b"ab", None], pa.binary(2)),
    "a large text": pa.array(["a"], pa.large_string()),
    "a text view": pa.array(["a"], pa.string_view()),
    "large bytes": pa.array([b"a"], pa.large_binary()),
    "a view of bytes": pa.array([b"a"], pa.binary_view()),
    "a short time": pa.array([dt.time(1)], pa.time32("s")),
    "a date of 64 bits": pa.array([dt.date(2024, 1, 1)], pa.date64()),
    "a time of another zone": pa.array([dt.datetime(2024, 1, 1, tzinfo=UTC)], pa.timestamp("us", "Europe/Berlin")),
    "a decimal": pa.array([Decimal("1.5"), None], pa.decimal128(38, 1)),
    "a struct": pa.array([{"a": 1, "b": "x"}, None]),
    "a map": pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int64())),
    "a big integer": pa.array([2**64 - 1], pa.uint64()),
    "nothing but nulls": pa.array([None, None], pa.string()),
}
UNREAD: dict[str, Any] = {
    "a half float": pa.array([1.5, 2], pa.float16()),
    "a wide decimal": pa.array([Decimal("1.5")], pa.decimal256(50, 1)),
    "a duration": pa.array([dt.timedelta(1)]),  # an INTERVAL: DuckDB reads it, and would not give it back
}


@pytest.mark.parametrize("name", READ)
def test_a_column_of_arrow_passes_through_unchanged(name: str) -> None:
    table = pa.table({"c": READ[name]})
    assert DuckDBTask("through", "select * from t", kwtypes(t=pa.Table))(t=table).to_pylist() == table.to_pylist()


@pytest.mark.parametrize("name", UNREAD)
def test_a_column_that_cannot_pass_is_named_before_the_query_runs(name: str) -> None:
    table = pa.table({"a": [0] * len(UNREAD[name]), "c": UNREAD[name]})
    with pytest.raises(SQLDefinitionError, match=r"column 'c' has (Arrow )?type"):
        DuckDBTask("named", "select * from t", kwtypes(t=pa.Table))(t=table)


def test_nanoseconds_with_a_zone_are_kept_or_refused() -> None:
    column = pa.array([1_000, 1_001], pa.timestamp("ns", "UTC"))
    task = DuckDBTask("ns", "select c from t", kwtypes(t=pa.Table))
    if BEFORE_2:
        with pytest.raises(ParameterError, match="column 'c' holds nanoseconds with a zone"):
            task.execute(t=pa.table({"c": column}))
        assert task.execute(t=pa.table({"c": column[:1]}))["c"].cast(pa.int64()).to_pylist() == [1]
    else:
        assert task.execute(t=pa.table({"c": column}))["c"].cast(pa.int64()).to_pylist() == [1_000, 1_001]


def test_columns_of_one_name_are_refused_in_and_out() -> None:
    double = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    with pytest.raises((SQLDefinitionError, TypeError), match=r"'?a'?"):
        DuckDBTask("double", "select * from t", kwtypes(t=pa.Table))(t=double)
    with pytest.raises(SQLDefinitionError, match="2 columns of the result are called 'a'"):
        DuckDBTask("double", "select 1 as a, 2 as a")


def test_the_digits_of_decimals_do_not_depend_on_python_s_context() -> None:
    task = DuckDBTask("digits", "select $d as d", kwtypes(d=Decimal), kwtypes(d=Decimal))
    value = Decimal("12345678901234567890.123456789")
    with decimal.localcontext() as context:
        context.prec = 3
        assert task(d=value) == value
