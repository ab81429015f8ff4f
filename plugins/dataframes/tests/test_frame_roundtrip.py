"""A frame survives: alive in a run, through parquet, from library to library; every type, nulls, nothing at all."""

from __future__ import annotations

import importlib
import importlib.util
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fledge import idl
from fledge.interface import kwtypes
from fledge.storage import LIVE_SCHEME, LiveStore, StorageRouter, materialize
from fledge.types.base import TypeRegistry
from fledge.types.builtin import builtin_registry
from fledge_dataframes import frames, to_arrow
from fledge_dataframes.hooks import register_types

HAS_POLARS = importlib.util.find_spec("polars") is not None
pl: Any = importlib.import_module("polars") if HAS_POLARS else None  # Any: a module that may be missing
needs_polars = pytest.mark.skipif(not HAS_POLARS, reason="polars is not installed")

Cells = st.SearchStrategy[Any]  # Any: values of any column
DAY = timedelta(days=1)
LOCAL = datetime(2013, 1, 1)  # noqa: DTZ001 - frames may hold moments without a zone


def _whole(unit: timedelta) -> Cells:
    """Moments that a unit can hold."""
    return st.integers(-(10**4), 10**4).map(lambda steps: LOCAL + steps * unit)


SIMPLE: list[tuple[pa.DataType, Cells]] = [
    (pa.null(), st.none()),
    (pa.bool_(), st.booleans()),
    *((getattr(pa, f"int{bits}")(), st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)) for bits in (8, 16, 32, 64)),
    *((getattr(pa, f"uint{bits}")(), st.integers(0, 2**bits - 1)) for bits in (8, 16, 32, 64)),
    (pa.float32(), st.floats(width=32, allow_nan=False)),
    (pa.float64(), st.floats(allow_nan=False)),
    (pa.string(), st.text()),
    (pa.large_string(), st.text()),
    (pa.binary(), st.binary()),
    (pa.binary(3), st.binary(min_size=3, max_size=3)),
    (pa.date32(), st.dates()),
    (pa.date64(), st.dates(date(1900, 1, 1))),
    (pa.time32("s"), st.times().map(lambda moment: moment.replace(microsecond=0))),
    (pa.time64("us"), st.times()),
    (pa.timestamp("s"), _whole(timedelta(seconds=1))),
    (
        pa.timestamp("ms", "Europe/Berlin"),
        _whole(timedelta(milliseconds=1)).map(lambda at: at.replace(tzinfo=timezone.utc)),
    ),
    (pa.timestamp("us", "UTC"), st.datetimes(timezones=st.just(timezone.utc))),
    (pa.timestamp("ns"), st.datetimes(LOCAL - 100_000 * DAY, LOCAL + 60_000 * DAY)),
    (pa.duration("us"), st.timedeltas(-1000 * DAY, 1000 * DAY)),
    (pa.decimal128(38, 0), st.integers(-(10**38) + 1, 10**38 - 1).map(Decimal)),
    (pa.decimal128(7, 2), st.integers(-(10**7) + 1, 10**7 - 1).map(lambda cents: Decimal(cents).scaleb(-2))),
    (pa.dictionary(pa.int32(), pa.string()), st.text(max_size=2)),
]


def _nested(inner: st.SearchStrategy[tuple[pa.DataType, Cells]]) -> st.SearchStrategy[tuple[pa.DataType, Cells]]:
    def of_lists(kind: tuple[pa.DataType, Cells]) -> tuple[pa.DataType, Cells]:
        return pa.list_(kind[0]), st.lists(st.none() | kind[1], max_size=3)

    def of_structs(kinds: list[tuple[pa.DataType, Cells]]) -> tuple[pa.DataType, Cells]:
        named = {f"f{number}": kind for number, kind in enumerate(kinds)}
        fields = pa.struct([(name, kind[0]) for name, kind in named.items()])
        return fields, st.fixed_dictionaries({name: st.none() | kind[1] for name, kind in named.items()})

    def of_maps(kind: tuple[pa.DataType, Cells]) -> tuple[pa.DataType, Cells]:
        return pa.map_(pa.string(), kind[0]), st.dictionaries(st.text(max_size=3), kind[1], max_size=2).map(
            lambda cells: list(cells.items())
        )

    return inner.map(of_lists) | st.lists(inner, min_size=1, max_size=2).map(of_structs) | inner.map(of_maps)


FLAT = [kind for kind in SIMPLE if not pa.types.is_dictionary(kind[0]) and not pa.types.is_null(kind[0])]
KINDS = st.sampled_from(SIMPLE) | st.recursive(st.sampled_from(FLAT), _nested, max_leaves=3)

LETTERS = st.characters(codec="utf-8")
NO_NUL = st.characters(codec="utf-8", exclude_characters="\0")  # a name with one ends polars itself


@st.composite
def tables(
    draw: st.DrawFn,
    kinds: st.SearchStrategy[tuple[pa.DataType, Cells]] = KINDS,
    letters: st.SearchStrategy[str] = LETTERS,
) -> pa.Table:
    """Shape (0 to 6 rows, 1 to 4 columns), in one chunk or two."""
    rows = draw(st.integers(0, 6))
    names = draw(st.lists(st.text(letters, min_size=1, max_size=4), min_size=1, max_size=4, unique=True))
    columns = []
    for _ in names:
        kind, cells = draw(kinds)
        columns.append(pa.array(draw(st.lists(st.none() | cells, min_size=rows, max_size=rows)), kind))
    table = pa.table(columns, names=names)
    cut = draw(st.integers(0, rows))
    return pa.concat_tables([table.slice(0, cut), table.slice(cut)]) if draw(st.booleans()) else table


def _registry() -> TypeRegistry:
    made = builtin_registry()
    register_types(made.register)
    return made


REGISTRY = _registry()


def _trip(value: Any, given_as: Any, read_as: Any, storage: StorageRouter) -> Any:  # Any: frames and annotations
    literal = REGISTRY.converter(given_as).to_literal(value, storage, "inputs.t")
    return _read(literal, read_as, storage)


def _read(literal: idl.literals.Literal, read_as: Any, storage: StorageRouter) -> Any:  # Any: frames and annotations
    return REGISTRY.converter(read_as).to_python(literal, storage, "inputs.t")


@given(tables())
def test_a_table_survives_parquet_with_its_schema(table: pa.Table) -> None:
    read = _trip(table, pa.Table, pa.Table, StorageRouter())
    assert read.schema.equals(table.schema, check_metadata=True)
    assert read.equals(table)


@given(tables())
def test_a_live_table_is_the_same_object(table: pa.Table) -> None:
    assert _trip(table, pa.Table, pa.Table, StorageRouter(live=LiveStore())) is table


@given(tables())
def test_a_live_table_is_written_when_it_leaves_the_process(table: pa.Table) -> None:
    storage = StorageRouter(live=LiveStore())
    literals = idl.literals.LiteralMap()
    literals.literals["t"].CopyFrom(REGISTRY.converter(pa.Table).to_literal(table, storage))
    written = materialize(literals, storage)
    assert LIVE_SCHEME not in str(written)
    assert _read(written.literals["t"], pa.Table, StorageRouter()).equals(table)


@given(tables(), st.data())
def test_only_the_declared_columns_are_read_in_declared_order(table: pa.Table, data: st.DataObject) -> None:
    names = data.draw(st.lists(st.sampled_from(table.column_names), min_size=1, unique=True))
    wanted = Annotated[pa.Table, pa.schema([table.schema.field(name) for name in names])]
    for storage in (StorageRouter(), StorageRouter(live=LiveStore())):
        assert _trip(table, pa.Table, wanted, storage).equals(table.select(names))


@given(tables())
def test_a_reader_passes_through_batch_by_batch(table: pa.Table) -> None:
    for storage in (StorageRouter(), StorageRouter(live=LiveStore())):
        read = _trip(table.to_reader(max_chunksize=2), pa.RecordBatchReader, pa.RecordBatchReader, storage)
        assert isinstance(read, pa.RecordBatchReader)
        assert read.read_all().equals(table)


@pytest.mark.parametrize("is_large", [False, True])
def test_inside_a_run_a_large_reader_goes_to_files_and_a_small_one_stays_in_memory(
    is_large: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "LIVE_READER_BYTES", 100 if is_large else 1 << 20)
    storage = StorageRouter(str(tmp_path), live=LiveStore())
    table = pa.table({"a": list(range(100))})
    literal = REGISTRY.converter(pa.RecordBatchReader).to_literal(
        table.to_reader(max_chunksize=10), storage, "outputs.o0"
    )
    assert any(tmp_path.rglob("*")) is is_large
    for _ in range(2):  # it is no reader any more that could be used up
        read = _read(literal, pa.RecordBatchReader, storage)
        assert read.read_all().equals(table)


@given(tables())
def test_a_record_batch_survives(table: pa.Table) -> None:
    batch = _trip(table, pa.Table, pa.RecordBatch, StorageRouter())
    assert isinstance(batch, pa.RecordBatch)
    assert _trip(batch, pa.RecordBatch, pa.Table, StorageRouter()).equals(table)


@needs_polars
@given(tables(st.sampled_from([kind for kind in FLAT if not pa.types.is_decimal(kind[0])]), NO_NUL))
def test_polars_gets_what_it_makes_of_the_table_itself(table: pa.Table) -> None:
    expected = pl.from_arrow(table)
    for storage in (StorageRouter(), StorageRouter(live=LiveStore())):
        read = _trip(table, pa.Table, pl.DataFrame, storage)
        assert read.equals(expected)
        assert _trip(read, pl.DataFrame, pl.DataFrame, storage).equals(expected)
        assert _trip(read.lazy(), pl.LazyFrame, pl.LazyFrame, storage).collect().equals(expected)


@pytest.mark.parametrize("live", [True, False], ids=["live", "written"])
@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"a": [1, 2], "b": ["x", None]}),
        pd.DataFrame({"a": [1, 2]}, index=["p", "q"]),
        pd.DataFrame({"a": [1, 2]}, index=pd.MultiIndex.from_tuples([("p", 1), ("q", 2)], names=["k", None])),
        pd.DataFrame({1: [1.5, 2.5], 2: [True, False]}),
        pd.DataFrame({"a": pd.Categorical(["x", "y", "x"])}),
        pd.DataFrame({"a": pd.array([1, None], dtype="Int64")}),
        pd.DataFrame({"a": pd.to_datetime(["2013-01-01", None]), "b": pd.to_timedelta([1, 2], unit="s")}),
        pd.DataFrame({"a": pd.to_datetime(["2013-01-01"]).tz_localize("Europe/Berlin")}),
        pd.DataFrame({"a": pd.Series([], dtype="int32"), "b": pd.Series([], dtype="str")}),
        pd.DataFrame({"a": [1, 2, 3]})[1:],
    ],
    ids=["text", "labels", "levels", "numbered", "categories", "nullable", "times", "zone", "empty", "slice"],
)
def test_a_pandas_frame_survives_with_labels_and_dtypes(frame: pd.DataFrame, live: bool) -> None:
    storage = StorageRouter(live=LiveStore() if live else None)
    pd.testing.assert_frame_equal(_trip(frame, pd.DataFrame, pd.DataFrame, storage), frame)
    pd.testing.assert_frame_equal(_trip(to_arrow(frame), pa.Table, pd.DataFrame, storage), frame)


@pytest.mark.parametrize("live", [True, False], ids=["live", "written"])
def test_a_pandas_frame_keeps_its_labels_when_columns_are_declared(live: bool) -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": [3, 4]}, index=pd.Index(["p", "q"], name="k"))
    storage = StorageRouter(live=LiveStore() if live else None)
    read = _trip(frame, pd.DataFrame, Annotated[pd.DataFrame, kwtypes(b=int)], storage)
    pd.testing.assert_frame_equal(read, frame[["b"]])
    assert _trip(frame, pd.DataFrame, Annotated[pa.Table, kwtypes(b=int)], storage).column_names == ["b"]


def test_no_task_can_change_the_frame_of_another() -> None:
    storage = StorageRouter(live=LiveStore())
    frame = pd.DataFrame({"a": [1, 2]})
    literal = REGISTRY.converter(pd.DataFrame).to_literal(frame, storage)
    frame.loc[0, "a"] = 100
    first = _read(literal, pd.DataFrame, storage)
    first.loc[1, "a"] = 200
    assert _read(literal, pd.DataFrame, storage)["a"].tolist() == [1, 2]


@needs_polars
def test_no_task_can_change_the_polars_frame_of_another() -> None:
    storage = StorageRouter(live=LiveStore())
    frame = pl.DataFrame({"a": [1, 2]})
    literal = REGISTRY.converter(pl.DataFrame).to_literal(frame, storage)
    frame[0, "a"] = 100
    _read(literal, pl.DataFrame, storage)[1, "a"] = 200
    assert _read(literal, pl.DataFrame, storage)["a"].to_list() == [1, 2]


def test_live_frames_share_their_buffers_across_libraries() -> None:
    table = pa.table({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5]})
    storage = StorageRouter(live=LiveStore())
    addresses = [column.chunk(0).buffers()[1].address for column in table.columns]
    chosen = _trip(table, pa.Table, Annotated[pa.Table, kwtypes(b=float, a=int)], storage)
    assert [chosen[name].chunk(0).buffers()[1].address for name in ("a", "b")] == addresses
    batch = _trip(table, pa.Table, pa.RecordBatch, storage)
    assert [batch[name].buffers()[1].address for name in ("a", "b")] == addresses


@pytest.mark.parametrize("live", [True, False], ids=["live", "written"])
def test_no_integer_is_rounded_on_the_way_to_pandas(live: bool) -> None:
    exact = [2**63 - 1, None, -(2**53) - 1]
    storage = StorageRouter(live=LiveStore() if live else None)
    read = _trip(pa.table({"a": exact, "b": [1, None, 3]}), pa.Table, pd.DataFrame, storage)
    assert [None if value is pd.NA else value for value in read["a"]] == exact


def test_a_hugeint_sum_keeps_every_digit() -> None:
    table = pa.table({"s": pa.array([Decimal(2**100), None], pa.decimal128(38, 0))})
    read = _trip(table, pa.Table, pa.Table, StorageRouter())
    assert read["s"].to_pylist() == [Decimal(2**100), None]
    assert read.schema == table.schema


def test_an_object_that_only_speaks_arrow_is_taken() -> None:
    class Speaker:
        def __init__(self, table: pa.Table) -> None:
            self.table = table

        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            return self.table.__arrow_c_stream__(requested_schema)

    table = pa.table({"a": [1, 2]})
    for storage in (StorageRouter(), StorageRouter(live=LiveStore())):
        assert _trip(Speaker(table), pa.Table, pa.Table, storage).equals(table)


def test_a_table_without_columns_or_rows_survives() -> None:
    empty = pa.table({})
    assert _trip(empty, pa.Table, pa.Table, StorageRouter()).equals(empty)


def test_times_of_day_survive_pandas() -> None:
    table = pa.table({"at": pa.array([time(1, 2, 3, 4)], pa.time64("us"))})
    read = _trip(table, pa.Table, pd.DataFrame, StorageRouter())
    assert read["at"].tolist() == [time(1, 2, 3, 4)]
