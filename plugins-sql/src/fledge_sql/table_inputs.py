"""A value of a table input in, what DuckDB scans for it out: Arrow, or parquet files as a data set; never a copy."""

from __future__ import annotations

import dataclasses
import enum
import os
import threading
import uuid
import weakref
from typing import TYPE_CHECKING, Any

from fledge.errors import nearest
from fledge_sql.arrow_types import arrow_schema, sql_columns
from fledge_sql.engine import Column, engine_version, reads_nanoseconds_with_zone
from fledge_sql.errors import ParameterError

if TYPE_CHECKING:
    import pyarrow as pa

    from fledge_sql.schemas import TableInput

__all__ = ["check_declared", "scannable", "take_reader"]

Value = Any  # Any: whatever the task declares


def scannable(table: TableInput, value: Value, scans: int) -> Value:
    """What DuckDB reads for a table.

    Args:
        table: The declared input.
        value: What the task was given.
        scans: How often the query reads it.

    Raises:
        ParameterError: A reader was used up, a file is no parquet, rows do not fit their class.
    """
    import pyarrow as pa  # noqa: PLC0415 - heavy; loaded when a table is first passed

    if isinstance(value, pa.Table):
        return value if reads_nanoseconds_with_zone() else _in_microseconds(table.name, value)
    if table.row is not None:
        return _rows_to_table(table, value)
    if isinstance(value, pa.RecordBatchReader):
        take_reader(table.name, value)
        return value if scans == 1 else value.read_all()
    if hasattr(value, "all") and hasattr(value, "open"):  # a StructuredDataset handle
        return value.open(pa.Table).all()
    if hasattr(value, "__fspath__"):
        return _parquet(table, value)
    if type(value).__module__ == "pyarrow._dataset":
        return value
    from fledge_dataframes.libraries import to_arrow  # noqa: PLC0415 - loads pyarrow

    return scannable(table, to_arrow(value), scans)


_used_readers: weakref.WeakSet[Any] = weakref.WeakSet()  # Any: record batch readers
_used_readers_lock = threading.Lock()


def take_reader(name: str, reader: pa.RecordBatchReader) -> None:
    """A reader gives its batches once; a second time it would be a table without rows.

    Raises:
        ParameterError: A SQL task has read it already.
    """
    with _used_readers_lock:
        if reader in _used_readers:
            raise ParameterError(
                name, "a table", "this RecordBatchReader has been read already. Pass a pa.Table, or a new reader"
            )
        _used_readers.add(reader)


def _parquet(table: TableInput, handle: Value) -> Value:
    """A file or a folder of files that have the same columns, in the declared order where columns are declared."""
    import pyarrow as pa  # noqa: PLC0415 - heavy; loaded when a table is first passed
    import pyarrow.dataset as ds  # noqa: PLC0415 - as pyarrow

    path = handle.__fspath__()
    try:
        # Only below a folder do names like ds=2024-01-01 hold columns: a file has its own alone, wherever it lies.
        found = ds.dataset(path, format="parquet", partitioning="hive" if os.path.isdir(path) else None)
        _check_files(table.name, path, found)
    except FileNotFoundError as exc:
        raise ParameterError(table.name, "a table", f"{path} does not exist") from exc
    except (OSError, pa.ArrowException) as exc:
        raise ParameterError(table.name, "a table", f"{path} cannot be read as parquet: {exc}") from exc
    declared = [column.name for column in table.columns or ()]
    if declared and declared != found.schema.names and set(declared) <= set(found.schema.names):
        return found.replace_schema(pa.schema([found.schema.field(name) for name in declared]))
    return found


def _check_files(name: str, path: str, dataset: Value) -> None:
    """What pyarrow would fill with NULL, or stumble over in the middle of the query, is named before it runs."""
    import pyarrow.dataset as ds  # noqa: PLC0415 - loaded already: the dataset is of it

    files = list(dataset.get_fragments())
    if not files:
        raise ParameterError(name, "a table", f"{path} holds no parquet file")
    for file in files:
        held, in_path = file.physical_schema, ds.get_partition_keys(file.partition_expression)
        for field in dataset.schema:
            if field.name in in_path:
                continue
            index = held.get_field_index(field.name)
            if index < 0:
                raise ParameterError(name, "a table", f"{file.path} has no column {field.name!r}, as other files have")
            if not _is_alike(held.field(index).type, field.type):
                reason = (
                    f"column {field.name!r} is {held.field(index).type} in {file.path}, in other files {field.type}"
                )
                raise ParameterError(name, "a table", reason)


def _is_alike(one: pa.DataType, other: pa.DataType) -> bool:
    """Equal, or numbers of one kind, which pyarrow casts as it reads."""
    import pyarrow as pa  # noqa: PLC0415 - loaded already: the types are of it

    kinds = (pa.types.is_integer, pa.types.is_floating)
    return bool(one.equals(other)) or any(kind(one) and kind(other) for kind in kinds)


def check_declared(table: TableInput, schema: pa.Schema) -> None:
    """Compare a table's columns with what is declared; both may have changed since the query was checked.

    Raises:
        ParameterError: A column is missing or of another type.
    """
    given = {column.name: column.sql_type for column in sql_columns(f"input {table.name!r}", schema)}
    for declared in table.columns or ():
        found = given.get(declared.name)
        if found is None:
            reason = f"it has no column {declared.name!r}, which is declared{nearest(declared.name, given)}"
            raise ParameterError(table.name, "a table", reason)
        if not declared.fits(found):
            reason = f"column {declared.name!r} is {found}, declared {declared.sql_type}"
            raise ParameterError(table.name, "a table", reason)


def _in_microseconds(name: str, table: pa.Table) -> pa.Table:
    """Times with a zone as such an engine can hold them."""
    import pyarrow as pa  # noqa: PLC0415 - loaded already: the table is of it

    for index, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type) and field.type.unit == "ns" and field.type.tz is not None:
            try:
                column = table.column(index).cast(pa.timestamp("us", field.type.tz))
            except pa.ArrowInvalid as exc:
                reason = (
                    f"column {field.name!r} holds nanoseconds with a zone, which DuckDB {engine_version()} would cut"
                )
                raise ParameterError(name, "a table", f"{reason}. Take DuckDB 2, or microseconds") from exc
            table = table.set_column(index, field.name, column)
    return table


def _rows_to_table(table: TableInput, rows: Value) -> Value:
    import pyarrow as pa  # noqa: PLC0415 - heavy; loaded when a table is first passed

    columns = [Column(column.name, column.sql_type) for column in table.columns or ()]
    try:
        return pa.Table.from_pylist([_plain(row) for row in rows], schema=arrow_schema(columns))
    except (pa.ArrowException, OverflowError, TypeError) as exc:
        raise ParameterError(table.name, "a table", f"these rows do not fit the columns of {table.row}: {exc}") from exc


def _plain(value: Value) -> Value:
    """A row, or what it holds, in what pyarrow takes."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return value
