"""A query's Arrow result in, the Python values of the declared outputs out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fledge.context import current_context
from fledge.errors import StorageError
from fledge_sql.engine import EngineError
from fledge_sql.errors import QueryError
from fledge_sql.python_values import free_value, reader_of, row_reader

if TYPE_CHECKING:
    import pyarrow as pa

    from fledge_sql.engine import Column
    from fledge_sql.schemas import Output

__all__ = ["converted", "copy_casts", "scalars", "write_batches", "written"]

_SAME_IN_PARQUET = re.compile(
    r"BOOLEAN|U?(TINY|SMALL|BIG)INT|U?INTEGER|HUGEINT|FLOAT|DOUBLE|DECIMAL\(.*\)|VARCHAR|BLOB|DATE|UUID|"
    r"TIMESTAMP|TIMESTAMP WITH TIME ZONE"
)
Value = Any  # Any: whatever the task declares


def converted(output: Output, table: pa.Table) -> Value:
    """A table, rows or a handle, as the output declares."""
    if output.kind == "rows":
        read = free_value if output.annotation is dict else row_reader(output.annotation)
        return _read(lambda: [read(row) for row in table.to_pylist()], output.name)
    if getattr(output.annotation, "__name__", "") == "StructuredDataset":
        return output.annotation(dataframe=table)
    return table


def written(output: Output, write: Callable[[str], None]) -> Value:
    """What `write(path)` puts into a file of the run's own folder; whole or not at all."""
    path = Path(current_context().working_directory, f"{output.name}.parquet")
    partial = path.with_suffix(".partial")
    try:
        write(str(partial))
        partial.replace(path)
    except OSError as exc:
        raise StorageError(str(path), f"cannot be written: {exc.strerror or exc}") from exc
    except EngineError as exc:
        if str(partial) not in exc.message:
            raise
        raise StorageError(str(path), f"cannot be written: {exc.message}") from exc
    finally:
        partial.unlink(missing_ok=True)
    return output.annotation(str(path))


def write_batches(schema: pa.Schema, batches: Iterable[pa.RecordBatch], path: str) -> None:
    import pyarrow.parquet as pq  # noqa: PLC0415 - heavy; only a task with a file output needs it

    with pq.ParquetWriter(path, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)


def copy_casts(columns: Sequence[Column]) -> dict[str, str] | None:
    """The casts under which DuckDB's own parquet reads back as Arrow's would; None when it would not.

    DuckDB writes HUGEINT as DOUBLE and UUID as a type of its own; nested columns may hold either.
    """
    if not all(_SAME_IN_PARQUET.fullmatch(column.sql_type) for column in columns):
        return None
    instead = {"HUGEINT": "DECIMAL(38,0)", "UUID": "VARCHAR"}
    return {column.name: instead[column.sql_type] for column in columns if column.sql_type in instead}


def scalars(outputs: tuple[Output, ...], table: pa.Table) -> Value:
    """The values of the one row: by name when there are several.

    Raises:
        QueryError: There is no row or more than one, or a NULL that is not Optional.
    """
    if table.num_rows != 1 and not (table.num_rows == 0 and all(output.optional for output in outputs)):
        wanted = "one row" if table.num_rows else "one row, or Optional outputs"
        raise QueryError(f"the query gave {table.num_rows} rows, but the outputs are scalars: {wanted} is needed")
    values = {}
    for index, output in enumerate(outputs):
        column = table.column(output.name if len(outputs) > 1 else index)
        value = _read(partial(_first, column, reader_of(output.annotation)), output.name)
        if value is None and not output.optional:
            raise QueryError(
                f"output {output.name!r} is NULL, but it is not Optional. Declare it Optional, or use coalesce"
            )
        values[output.name] = value
    return values if len(outputs) > 1 else next(iter(values.values()))


def _first(column: pa.ChunkedArray, read: Callable[[Value], Value]) -> Value:
    return read(column[0].as_py()) if len(column) else None


def _read(read: Callable[[], Value], name: str) -> Value:
    """DuckDB has times that Python has not: infinity, nanoseconds, and those outside of the years 1 to 9999."""
    try:
        return read()
    except (OverflowError, ValueError) as exc:
        raise QueryError(
            f"output {name!r}: Python has no value for what the query gave: {exc}. "
            "Take it as a table, or cast it to VARCHAR"
        ) from exc
