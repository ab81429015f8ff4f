"""A value of a table input in, what DuckDB scans for it out: Arrow, or parquet files as a data set; never a copy."""

from __future__ import annotations

import dataclasses
import threading
import weakref
from typing import TYPE_CHECKING, Any

from fledge_sql.arrow_types import arrow_schema
from fledge_sql.engine import Column
from fledge_sql.errors import ParameterError

if TYPE_CHECKING:
    import pyarrow as pa

    from fledge_sql.schemas import TableInput

__all__ = ["scannable"]

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
        return value
    if table.row is not None:
        return _rows_to_table(table, value)
    if isinstance(value, pa.RecordBatchReader):
        return _single_use(table.name, value, scans)
    if hasattr(value, "all") and hasattr(value, "open"):  # a StructuredDataset handle
        return value.open(pa.Table).all()
    if hasattr(value, "__fspath__"):
        return _parquet(table.name, value)
    if type(value).__module__ == "pyarrow._dataset":
        return value
    from fledge_dataframes.libraries import to_arrow  # noqa: PLC0415 - loads pyarrow

    return to_arrow(value)


_used_readers: weakref.WeakSet[Any] = weakref.WeakSet()  # Any: record batch readers
_used_readers_lock = threading.Lock()


def _single_use(name: str, reader: pa.RecordBatchReader, scans: int) -> Value:
    """A reader gives its batches once: scanned twice, some versions of DuckDB see no rows the second time."""
    with _used_readers_lock:
        if reader in _used_readers:
            raise ParameterError(
                name, "a table", "this RecordBatchReader has been read already. Pass a pa.Table, or a new reader"
            )
        _used_readers.add(reader)
    return reader if scans == 1 else reader.read_all()


def _parquet(name: str, handle: Value) -> Value:
    import pyarrow as pa  # noqa: PLC0415 - heavy; loaded when a table is first passed
    import pyarrow.dataset as ds  # noqa: PLC0415 - as pyarrow

    path = handle.__fspath__()
    try:
        return ds.dataset(path, format="parquet", partitioning="hive")
    except (OSError, pa.ArrowException) as exc:
        raise ParameterError(name, "a table", f"{path} cannot be read as parquet: {exc}") from exc


def _rows_to_table(table: TableInput, rows: Value) -> Value:
    import pyarrow as pa  # noqa: PLC0415 - heavy; loaded when a table is first passed

    columns = [Column(column.name, column.sql_type) for column in table.columns or ()]
    as_dicts = [row if isinstance(row, dict) else dataclasses.asdict(row) for row in rows]
    try:
        return pa.Table.from_pylist(as_dicts, schema=arrow_schema(columns))
    except (pa.ArrowException, OverflowError, TypeError) as exc:
        raise ParameterError(table.name, "a table", f"these rows do not fit the columns of {table.row}: {exc}") from exc
