"""SQL tasks as tasks: values in, values out, here and in a container."""

from __future__ import annotations

import datetime as dt
import importlib
import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, ClassVar, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fledge import (
    FlyteContextManager,
    FlyteDirectory,
    FlyteFile,
    Secret,
    SerializationSettings,
    StructuredDataset,
    kwtypes,
    task,
    task_template,
)
from fledge.errors import DefinitionError
from fledge.testing import TaskContract, assert_parity
from fledge_sql import DuckDB, DuckDBTask, Identifier, ParameterError, QueryError, SQLDefinitionError, sql_task
from fledge_sql.parameters import to_parameter
from fledge_sql.schemas import ParameterInput, declare_input

sys.path.insert(0, str(Path(__file__).parent))  # a container imports the examples by name
examples: ModuleType = importlib.import_module("sql_task_examples")
FLIGHTS: pa.Table = examples.FLIGHTS


@dataclass
class Row:
    carrier: str
    n: int


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Stats(NamedTuple):
    n: int
    mean: float


# -- values ------------------------------------------------------------------------------------------------------------

UTC = dt.timezone.utc
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False),
    bool: st.booleans(),
    str: st.text(),
    bytes: st.binary(),
    dt.date: st.dates(),
    dt.datetime: st.datetimes(timezones=st.just(UTC)),
    dt.timedelta: st.timedeltas(dt.timedelta(days=-99_999), dt.timedelta(days=99_999)),
    Decimal: st.decimals(-(10**20), 10**20, places=9),
}
ECHO: dict[Any, DuckDBTask] = {
    kind: DuckDBTask(
        f"echo_{kind.__name__}", "select $v as v", inputs=kwtypes(v=kind | None), outputs=kwtypes(v=kind | None)
    )
    for kind in VALUES
}
ECHO_LIST: dict[Any, DuckDBTask] = {
    kind: DuckDBTask(f"list_{kind.__name__}", "select $v as v", kwtypes(v=list[kind]), kwtypes(v=list[kind]))  # type: ignore[valid-type] # made at run time
    for kind in (int, str, float, bool)
}


@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: kind.__name__)
@settings(max_examples=40)
@given(data=st.data())
def test_any_value_comes_back_equal(kind: Any, data: st.DataObject) -> None:
    value = data.draw(st.none() | VALUES[kind])
    assert ECHO[kind].execute(v=value) == value


@pytest.mark.parametrize("kind", ECHO_LIST, ids=lambda kind: kind.__name__)
@settings(max_examples=20)
@given(data=st.data())
def test_any_list_comes_back_equal(kind: Any, data: st.DataObject) -> None:
    value = data.draw(st.lists(VALUES[kind], max_size=5))
    assert ECHO_LIST[kind].execute(v=value) == value


@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: kind.__name__)
@settings(max_examples=10)
@given(data=st.data())
def test_a_template_is_the_same_parameter(kind: Any, data: st.DataObject) -> None:
    """None, dates, durations, bytes: what was pasted as its Python text would be broken or another value."""
    value = data.draw(st.none() | VALUES[kind])
    query = "select {{ .inputs.v }} as v, {{.inputs.v}} is null as is_none"
    run = DuckDBTask("template", query, kwtypes(v=kind | None), kwtypes(v=kind | None, is_none=bool))
    assert run.execute(v=value) == {"v": value, "is_none": value is None}


def test_patterns_limits_and_offsets_take_parameters() -> None:
    words = pa.table({"w": ["50%", "50 percent", "a_b", "axb", "O'Brien"]})
    like = DuckDBTask("like", "select w from t where w like $p escape '!' order by w", kwtypes(t=pa.Table, p=str))
    assert [row["w"] for row in like(t=words, p="50!%").to_pylist()] == ["50%"]
    assert [row["w"] for row in like(t=words, p="a!_b").to_pylist()] == ["a_b"]
    assert [row["w"] for row in like(t=words, p="%'%").to_pylist()] == ["O'Brien"]
    within = DuckDBTask(
        "within", "select w from t where w like '%{{ .inputs.p }}' order by w", kwtypes(t=pa.Table, p=str)
    )
    assert [row["w"] for row in within(t=words, p="'Brien").to_pylist()] == ["O'Brien"]
    page = DuckDBTask(
        "page",
        "from range(10) r(i) order by i limit $n offset {{ .inputs.k }}",
        kwtypes(n=int, k=int),
        kwtypes(r=pa.Table),
    )
    assert page(n=2, k=3)["i"].to_pylist() == [3, 4]
    assert page(n=0, k=0).num_rows == 0


def test_text_that_looks_like_parameters_and_statements_stays_text() -> None:
    query = """select 'a?b $n; drop table t' as s, $$ $n ? ; -- $$ as d, e'\\'$n' as e, "c$1" as c /* $n ; ? */ -- $n
        from (select 1 as "c$1"), (select $n as n)"""
    (row,) = DuckDBTask("text", query, kwtypes(n=int))(n=7).to_pylist()
    assert row == {"s": "a?b $n; drop table t", "d": " $n ? ; -- ", "e": "'$n", "c": 1}


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), -0.0, 5e-324, 1.7976931348623157e308])
def test_extreme_floats_survive_a_call(value: float) -> None:
    assert ECHO[float](v=value) == value


def test_nan_survives_a_call() -> None:
    result = ECHO[float](v=float("nan"))
    assert result != result  # noqa: PLR0124 - what NaN is


INJECTIONS = [
    "zz' or '1'='1",
    "'; drop table t; --",
    "$m",
    "{{ .inputs.other }}",
    "?",
    "$$; select 1",
    "/* x",
    "--",
    "O'Brien",
    'a"b',
    "\\'",
    "a\nb",
    "a  b",
    "\x00",
    "日本",
]


@pytest.mark.parametrize("value", INJECTIONS)
@pytest.mark.parametrize(
    "query",
    [
        "select $s as x, $other as y from t where s = $s",
        "select {{ .inputs.s }} as x, {{ .inputs.other }} as y from t where s = '{{ .inputs.s }}'",
        "select '{{ .inputs.s }}' as x, $other as y from t where s like $s or s = $s",
        "select concat($s, '') as x, $other as y from t where s in ($s)",
    ],
)
def test_a_hostile_value_is_only_a_value(query: str, value: str) -> None:
    run = DuckDBTask("hostile", query, inputs=kwtypes(t=pa.Table, s=str, other=str), outputs=kwtypes(r=pa.Table))
    table = pa.table({"s": [value, "another"]})
    result = run.execute(t=table, s=value, other="$s")
    assert result.to_pylist() == [{"x": value, "y": "$s"}]


@pytest.mark.parametrize("count", [0, 1, 3, 10_000])
@pytest.mark.parametrize("form", ["in $xs", "in ($xs)", "in {{ .inputs.xs }}", "in ({{ .inputs.xs }})"])
def test_lists_after_in_have_any_length(form: str, count: int) -> None:
    run = DuckDBTask(
        "members", f"select count(*) from range(20000) r(i) where i {form}", kwtypes(xs=list[int]), kwtypes(n=int)
    )
    assert run.execute(xs=list(range(count))) == count


def test_not_in_keeps_the_meaning_of_null() -> None:
    query = "select count(*) from (values (1), (2)) v(i) where i not in $xs"
    run = DuckDBTask("others", query, kwtypes(xs=list[int | None]), kwtypes(n=int))
    assert run.execute(xs=[1]) == 1
    assert run.execute(xs=[1, None]) == 0
    assert run.execute(xs=[]) == 2


def test_a_list_elsewhere_is_a_list() -> None:
    run = DuckDBTask("sums", "select list_sum($xs), len($xs)", kwtypes(xs=list[int]), kwtypes(r=pa.Table))
    assert list(run.execute(xs=[1, 2, 3]).to_pylist()[0].values()) == [6, 3]


def test_a_placeholder_in_quotes_is_the_values_text() -> None:
    query = "select 'd={{ .inputs.d }} t={{ .inputs.t }} n={{ .inputs.n }} b={{ .inputs.b }} it''s' as x"
    run = DuckDBTask("texts", query, kwtypes(d=dt.date, t=dt.datetime, n=int, b=bool), kwtypes(x=str))
    given_time = dt.datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
    text = run.execute(d=dt.date(2024, 1, 2), t=given_time, n=7, b=True)
    assert text == "d=2024-01-02 t=2024-01-02T03:04:05+00 n=7 b=true it's"


def test_typed_literals_take_placeholders() -> None:
    query = "select date '{{ .inputs.d }}' + interval '{{ .inputs.n }} days', date $d + interval $n day"
    run = DuckDBTask("dates", query, kwtypes(d=dt.date, n=int))
    (row,) = run.execute(d=dt.date(2024, 2, 28), n=2).to_pylist()
    assert set(row.values()) == {dt.datetime(2024, 3, 1)}  # noqa: DTZ001 - date + interval has no zone


def test_times_keep_their_zone_or_their_lack_of_one() -> None:
    local = dt.datetime(2024, 6, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    assert ECHO[dt.datetime].execute(v=local) == local
    assert ECHO[dt.datetime].execute(v=dt.datetime(2024, 6, 1, 12)) == dt.datetime(2024, 6, 1, 12, tzinfo=UTC)  # noqa: DTZ001 - naive on purpose
    naive = DuckDBTask(
        "naive", "select cast($v as varchar)", kwtypes(v=Annotated[dt.datetime, pa.timestamp("us")]), kwtypes(v=str)
    )
    assert naive.execute(v=local) == "2024-06-01 10:00:00"


MISFITS: list[tuple[Any, object, str]] = [
    (int, 2**63, "out of range"),
    (int, -(2**63) - 1, "out of range"),
    (Annotated[int, pa.int8()], 128, "out of range"),
    (Annotated[int, pa.uint8()], -1, "out of range"),
    (int, True, "whole number"),
    (int, 1.5, "whole number"),
    (float, "x", "float is needed"),
    (str, 1, "str is needed"),
    (str, "\ud800", "surrogates"),
    (dt.date, "2024-01-01", "date is needed"),
    (Decimal, Decimal("NaN"), "NaN"),
    (Decimal, Decimal("1e-10"), "digits after the point"),
    (Decimal, Decimal("1e30"), "digits before the point"),
    (list[int], 1, "a list is needed"),
    (list[int], [2**63], "out of range"),
    (int, None, "not Optional"),
]


@pytest.mark.parametrize(("kind", "value", "words"), MISFITS)
def test_a_value_that_does_not_fit_is_named_without_being_shown(kind: Any, value: object, words: str) -> None:
    declared = declare_input("v", kind)
    assert isinstance(declared, ParameterInput)
    with pytest.raises(ParameterError, match=words) as caught:
        to_parameter(declared, value)
    assert caught.value.name == "v"
    assert isinstance(value, int) or value is None or repr(value) not in str(caught.value)


@pytest.mark.parametrize("space", ["\u00a0", "\u2003", "\u202f", "\u3000"])
def test_a_space_beyond_ascii_is_a_space(space: str) -> None:
    query = f"select{space}$x{space}+{space}$x{space}where{space}$x in{space}$among"
    run = DuckDBTask("spaced", query, kwtypes(x=int, among=list[int]), kwtypes(y=int))
    assert run(x=2, among=[1, 2]) == 4


def test_a_file_may_begin_with_a_mark(tmp_path: Path) -> None:
    file = tmp_path / "marked.sql"
    file.write_text("select $x + 1", encoding="utf-8-sig")
    assert DuckDBTask("marked", file, kwtypes(x=int), kwtypes(y=int))(x=2) == 3


FIVE_HOURS = dt.timezone(dt.timedelta(hours=5))


@pytest.mark.parametrize(
    ("kind", "fits", "as_text", "cut"),
    [
        (
            Annotated[dt.datetime, pa.timestamp("s")],
            dt.datetime(2024, 1, 1, tzinfo=dt.timezone.utc),
            "2024-01-01 00:00:00",
            {"microsecond": 9},
        ),
        (
            Annotated[dt.datetime, pa.timestamp("ms")],
            dt.datetime(2024, 1, 1, 5, microsecond=7000, tzinfo=FIVE_HOURS),
            "2024-01-01 00:00:00.007",
            {"microsecond": 7001},
        ),
        (dt.time, dt.time(1, 2, 3, 4), "01:02:03.000004", {"tzinfo": FIVE_HOURS}),
    ],
    ids=["seconds", "milliseconds", "time of day"],
)
def test_a_time_is_never_cut_or_rounded(kind: Any, fits: Any, as_text: str, cut: dict[str, Any]) -> None:
    run = DuckDBTask("time", "select $t::varchar", kwtypes(t=kind), kwtypes(s=str))
    assert run.execute(t=fits) == as_text
    with pytest.raises(ParameterError, match="input 't'"):
        run.execute(t=fits.replace(**cut))


def test_a_wider_integer_can_be_declared() -> None:
    run = DuckDBTask("wide", "select $v::varchar", kwtypes(v=Annotated[Decimal, pa.decimal128(38)]), kwtypes(v=str))
    assert run.execute(v=Decimal(2**64)) == str(2**64)


def test_a_secret_value_is_in_no_error() -> None:
    query = "select cast($password as int)"
    run = DuckDBTask("secret", query, kwtypes(password=Annotated[str, Secret(key="p")]), kwtypes(n=int))
    with pytest.raises(QueryError) as caught:
        run.execute(password="hunter2")
    seen: BaseException = caught.value
    assert seen.__cause__ is None and seen.__suppress_context__  # noqa: PT018 - one fact
    assert "hunter2" not in str(seen)
    assert "$password" in str(seen)


@pytest.mark.parametrize(
    "query", ["[x * 2 for x in $xs]", "[x * 2 for x in ($xs)]", "[x * 2 for x, i in $xs if i > 0]"]
)
def test_a_list_comprehension_takes_the_list_itself(query: str) -> None:
    run = DuckDBTask("comprehension", f"select {query}", kwtypes(xs=list[int]), kwtypes(ys=list[int]))
    assert run(xs=[1, 2, 3]) == [2, 4, 6]


def test_an_optional_name_is_refused_instead_of_bound_as_a_text() -> None:
    with pytest.raises(SQLDefinitionError, match="a name is never None"):
        DuckDBTask("name", "select $k", kwtypes(k=Annotated[str, Identifier("a", "b")] | None), kwtypes(n=str))


def test_a_secret_value_is_in_no_log_and_on_no_page(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    kinds = kwtypes(password=Annotated[str, Secret(key="p")])
    good = DuckDBTask("good", "select length($password)", kinds, kwtypes(n=int), enable_deck=True)
    bad = DuckDBTask("bad", "select cast($password as int)", kinds, kwtypes(n=int), enable_deck=True, retries=1)
    ctx = FlyteContextManager.current_context()
    with (
        caplog.at_level(logging.DEBUG),
        FlyteContextManager.with_context(ctx.with_(storage=ctx.storage.with_(raw_prefix=str(tmp_path)))),
    ):
        assert good(password="hunter2") == 7
        with pytest.raises(QueryError) as caught:
            bad(password="hunter2")
    pages = [path.read_text() for path in tmp_path.rglob("deck.html")]
    assert len(pages) > 1
    assert "hunter2" not in "".join([caplog.text, str(caught.value), *caught.value.__notes__, *pages])


def test_defaults_are_bound() -> None:
    run = DuckDBTask("default", "select $n", inputs=kwtypes(n=(int, 5)), outputs=kwtypes(n=int))
    assert run() == 5
    assert run(n=6) == 6


def test_an_enum_and_a_name_out_of_a_set() -> None:
    by = DuckDBTask(
        "by",
        "select $key as k, count(*) as n from flights group by 1 order by 1",
        inputs=kwtypes(flights=pa.Table, key=Annotated[str, Identifier("carrier", "month")]),
    )
    assert by(flights=FLIGHTS, key="carrier").to_pydict() == {"k": ["AA", "UA"], "n": [2, 1]}
    assert by(flights=FLIGHTS, key="month").num_rows == 3
    with pytest.raises(ParameterError, match="did you mean 'carrier'"):
        by(flights=FLIGHTS, key="carier")
    assert DuckDBTask("e", "select $c = 'red'", kwtypes(c=Color), kwtypes(b=bool)).execute(c=Color.RED) is True


# -- tables ------------------------------------------------------------------------------------------------------------

COUNT = "select count(*) as n, sum(delay) as total from flights"


@pytest.mark.parametrize("kind", ["table", "pandas", "polars", "stream", "reader", "file", "folder", "dataset", "rows"])
def test_a_table_comes_in_many_forms(kind: str, tmp_path: Path) -> None:
    annotation, value = _form(kind, tmp_path)
    run = DuckDBTask("forms", COUNT, inputs=kwtypes(flights=annotation), outputs=kwtypes(n=int, total=float))
    result = run(flights=value)
    assert (result.n, result.total) == (3, 9.0)


def _form(kind: str, folder: Path) -> tuple[Any, Any]:
    pq.write_table(FLIGHTS, folder / "one.parquet")
    if kind == "polars":
        pl = pytest.importorskip("polars")
        return pl.DataFrame, pl.from_arrow(FLIGHTS)

    class Stream:
        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            return FLIGHTS.__arrow_c_stream__(requested_schema)

    @dataclass
    class Flight:
        carrier: str
        delay: float

    return {
        "table": (pa.Table, FLIGHTS),
        "pandas": (pd.DataFrame, FLIGHTS.to_pandas()),
        "stream": (pa.Table, Stream()),
        "reader": (pa.RecordBatchReader, FLIGHTS.to_reader()),
        "file": (FlyteFile, FlyteFile(str(folder / "one.parquet"))),
        "folder": (FlyteDirectory, FlyteDirectory(str(folder))),
        "dataset": (StructuredDataset, StructuredDataset(dataframe=FLIGHTS)),
        "rows": (list[Flight], [Flight("AA", 1.0), Flight("UA", 2.0), Flight("AA", 6.0)]),
    }[kind]


def test_a_file_that_is_no_parquet_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_text("no parquet")
    with pytest.raises(ParameterError, match=r"x\.parquet cannot be read as parquet"):
        examples.from_file(flights=FlyteFile(str(tmp_path / "x.parquet")))


def test_a_reader_that_was_read_is_refused() -> None:
    run = DuckDBTask("once", "select count(*) from t", kwtypes(t=pa.RecordBatchReader), kwtypes(n=int))
    reader = FLIGHTS.to_reader()
    assert run.execute(t=reader) == 3
    with pytest.raises(ParameterError, match="has been read already"):
        run.execute(t=reader)


TWICE = {
    "two places": ("select (select count(*) from t) + (select count(*) from t) as n", 6),
    "a table expression used twice": (
        "with c as not materialized (from t) select (select count(*) from c) + (select count(*) from c) as n",
        6,
    ),
    "one inside another": (
        "with b as (from t), c as not materialized (from b) select (from c select count(*)) + count(*) as n from c",
        6,
    ),
    "recursion": (
        "with recursive r as (select 1 n union all from r, t select n + 1 where month=1 and n<4) select max(n) from r",
        4,
    ),
    "a table expression used once": ("with c as (from t) select count(*) as n from c", 3),
}


@pytest.mark.parametrize("name", TWICE)
def test_a_reader_gives_what_a_table_gives_however_often_it_is_scanned(name: str) -> None:
    query, expected = TWICE[name]
    run = DuckDBTask("twice", query, kwtypes(t=pa.RecordBatchReader), kwtypes(n=int))
    flights = FLIGHTS.set_column(2, "month", [[1, 2, 7]])
    assert run.execute(t=flights.to_reader()) == run.execute(t=flights) == expected
    assert (run.checked.scans_of("t") == 1) is (name == "a table expression used once")


def test_the_result_of_one_task_is_the_input_of_the_next() -> None:
    second = DuckDBTask("second", "select max(mean) from means", kwtypes(means=pa.Table), kwtypes(top=float))
    assert second(means=examples.delays(flights=FLIGHTS, m=12)) == 3.5


# -- results -----------------------------------------------------------------------------------------------------------

RESULTS: dict[str, tuple[Any, Any]] = {
    "table": (pa.Table, pa.table({"carrier": ["AA", "UA"], "n": [2, 1]})),
    "rows": (list[Row], [Row("AA", 2), Row("UA", 1)]),
    "pandas": (pd.DataFrame, pd.DataFrame({"carrier": ["AA", "UA"], "n": [2, 1]})),
}


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_comes_in_the_declared_form(name: str) -> None:
    annotation, expected = RESULTS[name]
    query = "select carrier, count(*) as n from flights group by 1 order by 1"
    result = DuckDBTask("result", query, kwtypes(flights=pa.Table), kwtypes(r=annotation))(flights=FLIGHTS)
    if isinstance(expected, pd.DataFrame):
        pd.testing.assert_frame_equal(result, expected)
    else:
        assert result == expected


def test_a_result_can_be_a_stream() -> None:
    run = DuckDBTask("stream", "select i from range(500000) r(i)", outputs=kwtypes(r=pa.RecordBatchReader))
    reader = run.execute()
    assert isinstance(reader, pa.RecordBatchReader)
    assert sum(batch.num_rows for batch in reader) == 500_000
    assert run().read_all().num_rows == 500_000


def test_a_result_can_be_a_parquet_file() -> None:
    query = "select i, sum(i) over () as total, uuid() as u from range(300000) r(i) order by i desc; -- the end"
    result = DuckDBTask("file", query, outputs=kwtypes(r=FlyteFile))()
    assert isinstance(result, FlyteFile)
    table = pq.read_table(result.path)
    assert (table.num_rows, table.schema.field("total").type) == (300_000, pa.decimal128(38, 0))
    assert pq.ParquetFile(result.path).num_row_groups > 1
    assert table.column("i")[0].as_py() == 299_999
    assert table.schema.field("u").type == pa.string()


def test_a_parquet_file_holds_the_types_of_a_table() -> None:
    query = "select {'h': 1::hugeint} as nested, [1, null] as l, 'a'::enum('a') as e, date '2024-01-01' as d, $n as n"
    table = DuckDBTask("table", query, kwtypes(n=int))(n=7)
    file = DuckDBTask("file", query, kwtypes(n=int), kwtypes(r=FlyteFile))(n=7)
    assert pq.read_table(file.path).to_pylist() == table.to_pylist()


def test_a_file_that_cannot_be_finished_is_not_there(tmp_path: Path) -> None:
    query = "select cast(case when i = 290000 then 'x' else '1' end as int) as n from range(300000) r(i)"
    with pytest.raises(QueryError, match="Could not convert"):
        DuckDBTask("broken", query, outputs=kwtypes(r=FlyteFile))()
    with pytest.raises(QueryError, match=r"Could not convert|an error that DuckDB did not keep"):  # the second: 1.5
        DuckDBTask("broken", query.replace(" as n", " as n, [1] as l"), outputs=kwtypes(r=FlyteFile))()


def test_several_scalars_are_one_row() -> None:
    @sql_task("select count(*) as n, avg(delay) as mean from flights")
    def stats(flights: pa.Table) -> Stats: ...

    assert stats(flights=FLIGHTS) == (3, 3.0)


def test_a_scalar_needs_one_row_and_a_value() -> None:
    query = "select delay from flights where month = $m"
    one = DuckDBTask("one", query, kwtypes(flights=pa.Table, m=int), kwtypes(d=float))
    assert one(flights=FLIGHTS, m=1) == 1.0
    with pytest.raises(QueryError, match="gave 0 rows"):
        one(flights=FLIGHTS, m=9)
    maybe = DuckDBTask("maybe", query, kwtypes(flights=pa.Table, m=int), kwtypes(d=float | None))
    assert maybe(flights=FLIGHTS, m=9) is None
    with pytest.raises(QueryError, match="NULL"):
        DuckDBTask(
            "null",
            "select max(delay) from flights where month > $m",
            kwtypes(flights=pa.Table, m=int),
            kwtypes(d=float),
        )(flights=FLIGHTS, m=99)
    with pytest.raises(QueryError, match="gave 3 rows"):
        DuckDBTask("many", "select delay from flights", kwtypes(flights=pa.Table), kwtypes(d=float))(flights=FLIGHTS)


def test_a_huge_sum_keeps_every_digit() -> None:
    table = pa.table({"x": [2**62, 2**62, 1]})
    assert DuckDBTask("s", "select sum(x)::varchar from t", kwtypes(t=pa.Table), kwtypes(s=str))(t=table) == str(
        2**63 + 1
    )
    result = DuckDBTask("t", "select sum(x) as s from t", kwtypes(t=pa.Table))(t=table)
    assert result.to_pylist() == [{"s": Decimal(2**63 + 1)}]


def test_intervals_become_timedeltas_when_their_length_is_fixed() -> None:
    assert DuckDBTask("i", "select interval '2 days 3 hours'", outputs=kwtypes(t=dt.timedelta))() == dt.timedelta(
        2, 10800
    )
    with pytest.raises(QueryError, match="months"):
        DuckDBTask("m", "select interval 1 month", outputs=kwtypes(t=dt.timedelta))()


def test_without_rows_the_schema_stays() -> None:
    result = examples.delays(flights=FLIGHTS.slice(0, 0), m=1)
    assert result.schema == pa.schema([("carrier", pa.string()), ("mean", pa.float64())])
    assert result.num_rows == 0


# -- errors while it runs ----------------------------------------------------------------------------------------------


def test_an_error_of_the_engine_has_the_authors_place() -> None:
    run = DuckDBTask("bad", "select $s as s,\n  cast($s as int) as n", kwtypes(s=str), kwtypes(r=pa.Table))
    with pytest.raises(QueryError, match="Could not convert string 'x'") as caught:
        run(s="x")
    assert (caught.value.engine_error, caught.value.line) == ("Conversion", 2)


def test_a_column_that_is_missing_at_run_time_is_named() -> None:
    with pytest.raises(QueryError, match="mont") as caught:
        examples.delays(flights=FLIGHTS.rename_columns(["carrier", "delay", "mont"]), m=1)
    assert caught.value.engine_error == "Binder"


def test_a_result_that_differs_from_the_declared_one_is_refused_before_the_query_runs() -> None:
    run = DuckDBTask("differs", "select month as n from flights", kwtypes(flights=pa.Table), kwtypes(n=int))
    with pytest.raises(SQLDefinitionError, match="VARCHAR"):
        run(flights=pa.table({"month": ["x"]}))


def test_a_column_type_that_does_not_survive_is_refused_before_the_query_runs() -> None:
    run = DuckDBTask("interval", "select month - month as d from flights", kwtypes(flights=pa.Table))
    table = pa.table({"month": [dt.datetime(2024, 1, 1, tzinfo=UTC)]})
    with pytest.raises(SQLDefinitionError, match="INTERVAL does not survive"):
        run(flights=table)


# -- declaring ---------------------------------------------------------------------------------------------------------


def test_a_function_body_that_would_never_run_is_refused() -> None:
    with pytest.raises(DefinitionError, match="never runs"):

        @sql_task("select $n")
        def wrong(n: int) -> int:
            return n + 1


def test_an_empty_body_may_have_a_docstring_or_raise() -> None:
    @sql_task("select $n")
    def documented(n: int) -> int:
        """Gives n back."""

    @sql_task("select $n")
    def raising(n: int) -> int:
        raise NotImplementedError

    assert (documented(n=1), raising(n=2)) == (1, 2)
    assert documented.docs is not None


def test_task_config_makes_the_same_task() -> None:
    @task(task_config=DuckDB("select $n + 1"), retries=2)
    def plus(n: int) -> int:
        raise NotImplementedError

    assert plus(n=1) == 2
    assert plus.metadata.retries == 2
    assert plus.task_type == "duckdb"


def test_options_of_a_task_are_taken_and_misspelt_ones_refused() -> None:
    run = DuckDBTask("options", "select 1", outputs=kwtypes(n=int), retries=3, timeout=60, environment={"A": "1"})
    assert (run.metadata.retries, run.metadata.timeout_s, run.environment) == (3, 60.0, {"A": "1"})
    with pytest.raises(DefinitionError, match="unknown argument 'retires'"):
        DuckDBTask("options", "select 1", outputs=kwtypes(n=int), retires=3)


def test_a_definition_error_says_in_which_task_and_file(tmp_path: Path) -> None:
    path = tmp_path / "q.sql"
    path.write_text("select\n  1 +\nfrom")
    with pytest.raises(SQLDefinitionError) as caught:
        DuckDBTask("broken", path)
    assert caught.value.line == 3
    assert any("task broken" in note and "q.sql" in note for note in caught.value.__notes__)
    path.write_text("select 41 + $n")
    assert DuckDBTask("whole", path, kwtypes(n=int), kwtypes(n=int))(n=1) == 42
    with pytest.raises(SQLDefinitionError, match="cannot be read"):
        DuckDBTask("missing", tmp_path / "nothing.sql")


def test_the_authors_text_reaches_the_engine_byte_for_byte() -> None:
    query = "select 'a  b' as x, -- a comment that stays\n  2 as y"
    assert DuckDBTask("text", query)().to_pylist() == [{"x": "a  b", "y": 2}]


def test_importing_the_package_loads_no_engine() -> None:
    import subprocess

    code = "import fledge_sql, sys; print([m for m in ('duckdb', 'sqlglot', 'pyarrow', 'pandas') if m in sys.modules])"
    hooks = code.replace("fledge_sql,", "fledge_sql.hooks,")
    for one in (code, hooks):
        assert subprocess.run([sys.executable, "-c", one], capture_output=True, text=True, check=True).stdout == "[]\n"


# -- in a container ----------------------------------------------------------------------------------------------------


class TestDelays(TaskContract):
    task = examples.delays
    inputs: ClassVar[Mapping[str, Any]] = {"flights": FLIGHTS, "m": 6}


class TestRowsOfDay(TaskContract):
    task = examples.rows_of_day
    inputs: ClassVar[Mapping[str, Any]] = {"t": pa.table({"ds": [dt.date(2024, 1, 1)]}), "ds": dt.date(2024, 1, 1)}


def test_an_error_in_a_container_is_the_one_of_a_local_call() -> None:
    with pytest.raises(QueryError, match="Could not convert"):
        examples.fails(n=1)
    assert "Could not convert" in str(assert_parity(examples.fails, n=1))


def test_a_task_asks_for_one_container_and_no_other_target() -> None:
    template = task_template(examples.delays, SerializationSettings(project="p", domain="d", version="v"))
    assert template.WhichOneof("target") == "container"
    assert template.type == "duckdb"


def test_the_decorator_without_its_query_says_so() -> None:
    def no_query(a: int) -> int: ...

    with pytest.raises(SQLDefinitionError, match="@sql_task needs its query"):
        sql_task(no_query)  # type: ignore[arg-type] # the mistake
