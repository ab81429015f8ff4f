"""Declared columns: the path to the bad one, what counts as a type, what is refused when the task is defined."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from fledge.errors import TypeConversionError, UnsupportedTypeError
from fledge.interface import kwtypes
from fledge.storage import LiveStore, StorageRouter
from fledge.types.base import TypeRegistry
from fledge_dataframes import ColumnError

TABLE = pa.table(
    {
        "month": [1, 2],
        "carrier": ["AA", "DL"],
        "legs": [[1], []],
        "plane": [{"year": 1999, "seats": 100}, None],
    }
)


@dataclass
class Plane:
    year: int
    seats: int


def _write(registry: TypeRegistry, annotation: Any, value: Any) -> None:  # Any: annotations and frames
    registry.converter(annotation).to_literal(value, StorageRouter(live=LiveStore()), "inputs.flights")


@pytest.mark.parametrize(
    ("annotation", "path", "expected", "found"),
    [
        (Annotated[pa.Table, kwtypes(month=str)], "month", "string", "int64"),
        (Annotated[pa.Table, kwtypes(carrier=int)], "carrier", "int64", "string"),
        (Annotated[pa.Table, kwtypes(legs=list[str])], "legs[]", "string", "int64"),
        (Annotated[pa.Table, kwtypes(month=list[int])], "month", "list<item: int64>", "int64"),
        (Annotated[pa.Table, {"plane": {"year": str}}], "plane.year", "string", "int64"),
        (Annotated[pa.Table, kwtypes(month=Plane)], "month", "struct<year: int64, seats: int64>", "int64"),
        (Annotated[pa.Table, kwtypes(month=np.int32)], "month", "int32", "int64"),
        (Annotated[pa.Table, pa.schema([("month", pa.int32())])], "month", "int32", "int64"),
        (Annotated[pa.Table, kwtypes(mont=int)], "mont", "int64", "no such column; did you mean 'month'?"),
        (Annotated[pa.Table, {"plane": {"seat": int}}], "plane.seat", "int64", "no such field; did you mean 'seats'?"),
        (Annotated[pa.Table, pa.schema([("day", pa.int8())])], "day", "int8", "no such column"),
    ],
)
def test_the_error_names_the_bad_column(
    annotation: Any, path: str, expected: str, found: str, registry: TypeRegistry
) -> None:
    with pytest.raises(ColumnError) as caught:
        _write(registry, annotation, TABLE)
    assert str(caught.value) == f"inputs.flights.columns.{path}: expected {expected}, got {found}"
    assert (caught.value.path, caught.value.expected) == (f"inputs.flights.columns.{path}", expected)
    assert isinstance(caught.value, TypeConversionError)
    assert caught.value.origin == "USER"


@pytest.mark.parametrize("live", [True, False], ids=["live", "written"])
def test_a_reader_is_told_as_well(live: bool, registry: TypeRegistry) -> None:
    storage = StorageRouter(live=LiveStore() if live else None)
    literal = registry.converter(pa.Table).to_literal(TABLE, storage)
    with pytest.raises(ColumnError, match=r"^inputs\.t\.columns\.month: expected string, got int64$"):
        registry.converter(Annotated[pa.Table, kwtypes(month=str)]).to_python(literal, storage, "inputs.t")
    stream = registry.converter(Annotated[pa.RecordBatchReader, kwtypes(month=str)])
    with pytest.raises(ColumnError, match=r"^inputs\.t\.columns\.month: expected string, got int64$"):
        stream.to_python(literal, storage, "inputs.t")


@pytest.mark.parametrize(
    ("kind", "types"),
    [
        (int, [pa.int8(), pa.uint64(), pa.int64(), pa.null()]),
        (float, [pa.float32(), pa.float64()]),
        (str, [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())]),
        (bytes, [pa.binary(), pa.large_binary(), pa.binary(4)]),
        (bool, [pa.bool_()]),
        (datetime, [pa.timestamp("s"), pa.timestamp("ns", "UTC")]),
        (date, [pa.date32(), pa.date64()]),
        (timedelta, [pa.duration("ms")]),
        (list[int], [pa.list_(pa.int8()), pa.large_list(pa.int64()), pa.list_(pa.int64(), 2), pa.list_(pa.null())]),
        (dict[str, float], [pa.map_(pa.string(), pa.float64()), pa.struct([("p", pa.float64()), ("q", pa.float32())])]),
        (np.float32, [pa.float32()]),
        (np.object_, [pa.string(), pa.int64()]),
    ],
)
def test_a_python_type_stands_for_its_arrow_types(kind: Any, types: list[pa.DataType], registry: TypeRegistry) -> None:
    for arrow in types:
        _write(registry, Annotated[pa.Table, kwtypes(a=kind)], pa.table({"a": pa.array([], arrow)}))
    refused = pa.table({"a": pa.array([], pa.time32("s"))})
    if kind is not np.object_:
        with pytest.raises(ColumnError):
            _write(registry, Annotated[pa.Table, kwtypes(a=kind)], refused)


@pytest.mark.parametrize("live", [True, False], ids=["live", "written"])
def test_a_column_without_a_type_gets_the_declared_one(live: bool, registry: TypeRegistry) -> None:
    """An empty or all-null object column of pandas has no type in Arrow."""
    storage = StorageRouter(live=LiveStore() if live else None)
    frame = pd.DataFrame({"a": pd.Series([None, None], dtype=object), "b": pd.Series([[], []], dtype=object)})
    annotation = Annotated[pd.DataFrame, kwtypes(a=str, b=list[int])]
    literal = registry.converter(annotation).to_literal(frame, storage)
    read: Any = registry.converter(Annotated[pa.Table, kwtypes(a=str, b=list[int])]).to_python(literal, storage)
    assert read.schema.types == [pa.string(), pa.list_(pa.int64())]


@pytest.mark.parametrize("live", [True, False], ids=["live", "written"])
def test_an_empty_frame_keeps_its_schema(live: bool, registry: TypeRegistry) -> None:
    storage = StorageRouter(live=LiveStore() if live else None)
    converter = registry.converter(Annotated[pa.Table, TABLE.schema])
    read: Any = converter.to_python(converter.to_literal(TABLE.schema.empty_table(), storage), storage)
    assert read.schema == TABLE.schema
    assert read.num_rows == 0


def test_an_arrow_schema_decides_between_kinds_of_strings(registry: TypeRegistry) -> None:
    storage = StorageRouter(live=LiveStore())
    converter = registry.converter(Annotated[pa.Table, pa.schema([("a", pa.string()), ("b", pa.list_(pa.string()))])])
    given = pa.table(
        {"a": pa.array(["x"], pa.large_string()), "b": pa.array([["x"]], pa.large_list(pa.large_string()))}
    )
    read: Any = converter.to_python(converter.to_literal(given, storage), storage)
    assert read.schema.types == [pa.string(), pa.list_(pa.string())]


def test_a_null_in_a_column_that_must_have_none_is_refused(registry: TypeRegistry) -> None:
    annotation = Annotated[pa.Table, pa.schema([pa.field("a", pa.int64(), nullable=False)])]
    with pytest.raises(ColumnError, match=r"columns\.a: expected int64 not null, got 2 nulls"):
        _write(registry, annotation, pa.table({"a": [1, None, None]}))


@pytest.mark.parametrize(
    "frame",
    [
        pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"]),
        pd.DataFrame([[1, 2]], columns=["a", "a"]),
        pd.DataFrame([[1, 2]], columns=["1", 1]),
    ],
    ids=["arrow", "pandas", "numbers"],
)
def test_two_columns_of_one_name_are_refused(frame: Any, registry: TypeRegistry) -> None:
    for annotation in (pa.Table, pd.DataFrame):
        with pytest.raises(
            ColumnError, match=r"inputs\.flights\.columns\..: expected one column of this name, got 2 of"
        ):
            _write(registry, annotation, frame)


def test_a_column_of_mixed_values_is_named(registry: TypeRegistry) -> None:
    """A local run must not accept what a cluster cannot write."""
    with pytest.raises(ColumnError, match=r"^inputs\.flights\.columns\.b: expected values of one type"):
        _write(registry, pd.DataFrame, pd.DataFrame({"a": [1, 2], "b": [1, "x"]}))


@pytest.mark.parametrize("kind", [pd.SparseDtype(int), np.longdouble], ids=["sparse", "long"])
def test_numbers_that_arrow_does_not_know_are_refused_also_in_a_local_run(kind: Any, registry: TypeRegistry) -> None:
    if kind is np.longdouble and np.dtype(kind).itemsize == 8:
        pytest.skip("no long floats here")
    with pytest.raises(TypeConversionError, match=r"^inputs\.flights.*(Sparse pandas data|float128)"):
        _write(registry, pd.DataFrame, pd.DataFrame({"a": pd.Series([0, 1]).astype(kind)}))


@pytest.mark.parametrize(
    "column",
    [
        pa.array([None], pa.month_day_nano_interval()),
        pa.array([{}], pa.struct([])),
        pa.array([[{}]], pa.list_(pa.struct([]))),
    ],
    ids=["interval", "empty struct", "empty struct in a list"],
)
def test_a_column_that_parquet_has_no_place_for_is_refused_also_in_a_local_run(
    column: pa.Array, registry: TypeRegistry
) -> None:
    with pytest.raises(ColumnError, match=r"columns\.b: expected a type that parquet can store.*\(cast it first\)"):
        _write(registry, pa.Table, pa.table({"a": [1], "b": column}))


@pytest.mark.parametrize("value", [5, "s3://bucket/key", [1, 2], {"a": [1]}, pa.array([1]), pd.Series([1]), None])
def test_what_is_no_frame_is_refused(value: Any, registry: TypeRegistry) -> None:
    with pytest.raises(TypeConversionError, match=r"^inputs\.flights: expected pyarrow\.lib\.Table, got"):
        _write(registry, pa.Table, value)


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (Annotated[pa.Table, kwtypes(a=object)], "column 'a' cannot be of type object"),
        (Annotated[pa.Table, kwtypes(a=list[complex])], "column 'a' cannot be of type complex"),
        (Annotated[pa.Table, "parquet", "csv"], "there is a second format, 'csv', beside 'parquet'"),
        (Annotated[pa.Table, pa.schema([]), pa.schema([])], "there is a second Arrow schema"),
        (Annotated[pd.DataFrame, kwtypes(a=int), {"b": int}], "there is a second set of columns"),
    ],
)
def test_a_wrong_declaration_is_refused_when_the_task_is_defined(
    annotation: Any, message: str, registry: TypeRegistry
) -> None:
    with pytest.raises(UnsupportedTypeError, match=message):
        registry.check(annotation, "delays.inputs.flights")
