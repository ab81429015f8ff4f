"""A checked query and values in, the declared outputs out: bind, register, run, convert.

Tables go in as Arrow without a copy and come out as Arrow; scalars are read from the one row. What the result will be
is compared with the declared outputs before the query runs, once per set of input schemas.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import threading
import typing
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from fledge.context import FlyteContextManager
from fledge.errors import nearest
from fledge_sql.arrow_types import arrow_schema
from fledge_sql.checking import CheckedQuery, run_error
from fledge_sql.engine import Column, Cursor, EngineError, Settings, open_cursor, open_private
from fledge_sql.errors import ParameterError, QueryCancelled, QueryError
from fledge_sql.parameters import to_parameter
from fledge_sql.results import check_result
from fledge_sql.scripts import attached_files

if TYPE_CHECKING:
    import pyarrow as pa

    from fledge_sql.schemas import Output, TableInput
    from fledge_sql.text import BoundText

__all__ = ["Runner"]

BATCH_ROWS = 122_880  # DuckDB's own row group
Value = Any  # Any: whatever the task declares
Schema = Any  # Any: pyarrow has no types of its own


class Runner:
    """Runs one checked query again and again; shared between threads.

    Args:
        query: What to run.
        settings: Of the database, asked for at each call.
    """

    def __init__(self, query: CheckedQuery, settings: Callable[[], Settings]) -> None:
        self._query = query
        self._settings = settings
        self._known_results: set[tuple[object, ...]] = set()

    def __call__(self, values: Mapping[str, Value], *, stream: bool = False) -> Value:
        """The outputs: one value, or a dict by name for several.

        Args:
            values: By input name.
            stream: Give a table as a RecordBatchReader; what leaves the process is then never held whole.

        Raises:
            ParameterError: A value does not fit its input.
            QueryError: The engine refused; QueryCancelled: it was interrupted.
        """
        query = self._query
        parameters = {name: to_parameter(query.parameters[name], values[name]) for name in query.used_parameters}
        bound = self._bound(values)
        try:
            cursor = self._open(values)
            result = None
            try:
                forget = FlyteContextManager.current_context().on_cancel(cursor.interrupt)
                try:
                    result = self._run(cursor, bound, values, parameters, stream=stream)
                finally:
                    forget()
            finally:
                if not _is_reader(result):  # a reader closes the cursor with its last batch
                    cursor.close()
        except EngineError as exc:
            raise self._error(bound, exc, parameters) from (None if self._has_secrets() else exc)
        return result

    def _open(self, values: Mapping[str, Value]) -> Cursor:
        access = self._query.access
        if access.is_private:
            return open_private(self._settings(), attached_files(access, values))
        return open_cursor(self._settings())

    def _bound(self, values: Mapping[str, Value]) -> BoundText:
        if not self._query.names:
            return self._query.bound
        for name, declared in self._query.names.items():
            if values[name] not in declared.allowed:
                known = ", ".join(declared.allowed)
                raise ParameterError(
                    name,
                    "a name",
                    f"{values[name]!r} is not one of {known}{nearest(str(values[name]), declared.allowed)}",
                )
        return self._query.bind({name: values[name] for name in self._query.names})

    def _run(
        self,
        cursor: Cursor,
        bound: BoundText,
        values: Mapping[str, Value],
        parameters: Mapping[str, Value],
        *,
        stream: bool,
    ) -> Value:
        query = self._query
        schemas: list[object] = [bound.sql]
        for name, table in query.tables.items():
            frame = _frame(table, values[name], scans=sum(use.name.lower() == name.lower() for use in query.uses))
            cursor.register(name, frame)
            schemas.append(getattr(frame, "schema", None))
        if query.access.writes:
            return self._run_script(cursor, bound, parameters)
        key = tuple(schemas)
        if key not in self._known_results:
            check_result(query.outputs, cursor.columns(bound.sql, parameters), bound)
            self._known_results.add(key)
        return self._result(cursor, bound.sql, bound, parameters, stream=stream)

    def _run_script(self, cursor: Cursor, bound: BoundText, parameters: Mapping[str, Value]) -> Value:
        """One transaction: an attached file keeps its rows when any statement fails."""
        statements = cursor.statements(bound.sql)
        cursor.run("BEGIN TRANSACTION")
        try:
            result = None
            for index, (sql, names) in enumerate(statements):
                own = {name: parameters[name] for name in parameters if name.lower() in {one.lower() for one in names}}
                is_last = index == len(statements) - 1
                if is_last and self._query.statements[-1] and self._query.outputs:
                    check_result(self._query.outputs, cursor.columns(sql, own), bound)
                    result = self._result(cursor, sql, bound, own, stream=False)
                else:
                    cursor.table(sql, own)
            cursor.run("COMMIT")
        except BaseException:
            cursor.run("ROLLBACK")
            raise
        return result

    def _result(
        self, cursor: Cursor, sql: str, bound: BoundText, parameters: Mapping[str, Value], *, stream: bool
    ) -> Value:
        query = self._query
        if len(query.outputs) == 1 and query.outputs[0].kind != "scalar":
            output = query.outputs[0]
            wants_reader = output.kind == "table" and (stream or _is_reader_type(output.annotation))
            if wants_reader:
                return _closing(
                    cursor.reader(sql, parameters, BATCH_ROWS), cursor, self._reading_errors(bound, parameters)
                )
            return _converted(output, cursor.table(sql, parameters))
        return _scalars(query.outputs, cursor.table(sql, parameters))

    def _has_secrets(self) -> bool:
        return any(parameter.secret for parameter in self._query.parameters.values())

    def _error(self, bound: BoundText, exc: EngineError, parameters: Mapping[str, Value]) -> Exception:
        if exc.interrupted:
            return QueryCancelled("the query was interrupted")
        secret = {name: value for name, value in parameters.items() if self._query.parameters[name].secret}
        return run_error(bound, exc, secret)

    def _reading_errors(self, bound: BoundText, parameters: Mapping[str, Value]) -> Callable[[Exception], Exception]:
        def as_ours(exc: Exception) -> Exception:
            return self._error(bound, EngineError("Run", str(exc), None, (), ""), parameters)

        return as_ours


def _frame(table: TableInput, value: Value, scans: int) -> Value:
    """What DuckDB scans for an input: Arrow, or a data set of parquet files."""
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


def _converted(output: Output, table: pa.Table) -> Value:
    if output.kind == "rows":
        rows = table.to_pylist()
        if not dataclasses.is_dataclass(output.annotation):
            return rows
        hints = typing.get_type_hints(output.annotation)
        make: Value = output.annotation
        return [make(**{name: _python(hints[name], value) for name, value in row.items()}) for row in rows]
    if getattr(output.annotation, "__name__", "") == "StructuredDataset":
        return output.annotation(dataframe=table)
    return table


def _scalars(outputs: tuple[Output, ...], table: pa.Table) -> Value:
    if table.num_rows != 1 and not (table.num_rows == 0 and all(output.optional for output in outputs)):
        wanted = "one row" if table.num_rows else "one row, or Optional outputs"
        raise QueryError(f"the query gave {table.num_rows} rows, but the outputs are scalars: {wanted} is needed")
    values = {}
    for index, output in enumerate(outputs):
        column = table.column(output.name if len(outputs) > 1 else index)
        value = _python(output.annotation, column[0].as_py()) if table.num_rows else None
        if value is None and not output.optional:
            raise QueryError(
                f"output {output.name!r} is NULL, but it is not Optional. Declare it Optional, or use coalesce"
            )
        values[output.name] = value
    return values if len(outputs) > 1 else next(iter(values.values()))


def _python(annotation: Value, value: Value) -> Value:
    """An Arrow value as the declared Python type."""
    if value is None:
        return None
    arguments = [one for one in typing.get_args(annotation) if one is not type(None)]
    if len(arguments) == 1 and _origin(annotation) is not list:
        annotation = arguments[0]
    if annotation is int and isinstance(value, decimal.Decimal):
        return int(value)
    if annotation is decimal.Decimal and isinstance(value, int):
        return decimal.Decimal(value)
    if annotation is dt.timedelta and hasattr(value, "months"):
        if value.months:
            raise QueryError("an INTERVAL with months or years has no fixed length; use date arithmetic in the query")
        return dt.timedelta(days=value.days, microseconds=value.nanoseconds / 1000)
    if annotation is dt.datetime and isinstance(value, dt.datetime) and value.tzinfo is not None:
        return value.astimezone(dt.timezone.utc)
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return annotation(value)
    return value


def _origin(annotation: Value) -> Value:
    return typing.get_origin(annotation)


def _is_reader_type(annotation: Value) -> bool:
    return getattr(annotation, "__name__", "") == "RecordBatchReader"


def _is_reader(value: Value) -> bool:
    return type(value).__name__ == "RecordBatchReader"


def _closing(
    reader: pa.RecordBatchReader, cursor: Cursor, as_ours: Callable[[Exception], Exception]
) -> pa.RecordBatchReader:
    """The same stream; the cursor is closed with its last batch."""
    import pyarrow as pa  # noqa: PLC0415 - heavy; here a reader is at hand, so it is loaded already

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            yield from reader
        except (pa.ArrowException, OSError) as exc:
            raise as_ours(exc) from exc
        finally:
            cursor.close()

    return pa.RecordBatchReader.from_batches(reader.schema, batches())
