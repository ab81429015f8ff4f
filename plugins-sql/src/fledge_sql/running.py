"""A checked query and values in, the declared outputs out: bind, register, run, convert.

Tables go in as Arrow without a copy and come out as Arrow; scalars are read from the one row. What the result will be
is compared with the declared outputs before the query runs, once per set of input schemas.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from fledge.context import FlyteContextManager, current_context
from fledge.errors import nearest
from fledge_sql.checking import CheckedQuery, run_error
from fledge_sql.conversions import converted, copy_casts, scalars, write_batches, written
from fledge_sql.engine import Cursor, EngineError, Settings, open_cursor, open_private
from fledge_sql.errors import ParameterError, QueryCancelled
from fledge_sql.parameters import to_parameter
from fledge_sql.results import check_result
from fledge_sql.scripts import attached_files
from fledge_sql.table_inputs import scannable
from fledge_sql.text import without_end

if TYPE_CHECKING:
    import pyarrow as pa

    from fledge_sql.schemas import Output
    from fledge_sql.text import BoundText

__all__ = ["Runner"]

MAX_KNOWN_RESULTS = 256  # sets of input schemas whose result was compared already
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
        access, outputs = self._query.access, self._query.outputs
        folder = current_context().working_directory if outputs and outputs[0].kind == "file" else ""
        if access.is_private or folder:
            return open_private(self._settings(), attached_files(access, values), folder)
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
            frame = scannable(table, values[name], scans=sum(use.name.lower() == name.lower() for use in query.uses))
            cursor.register(name, frame)
            schemas.append(getattr(frame, "schema", None))
        if query.access.writes:
            return self._run_script(cursor, bound, parameters)
        key = tuple(schemas)
        if key not in self._known_results:
            check_result(query.outputs, cursor.columns(bound.sql, parameters), bound)
            if len(self._known_results) >= MAX_KNOWN_RESULTS:
                self._known_results.clear()
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
                return self._stream(cursor, sql, bound, parameters)
            if output.kind == "file":
                return self._file(output, cursor, sql, bound, parameters)
            return converted(output, cursor.table(sql, parameters))
        return scalars(query.outputs, cursor.table(sql, parameters))

    def _file(
        self, output: Output, cursor: Cursor, sql: str, bound: BoundText, parameters: Mapping[str, Value]
    ) -> Value:
        """A parquet file in the run's own folder: by DuckDB where its types are Arrow's, else batch by batch."""
        casts = copy_casts(cursor.columns(sql, parameters))
        if casts is None:
            return written(output, lambda path: write_batches(self._stream(cursor, sql, bound, parameters), path))
        return written(output, lambda path: cursor.copy(without_end(sql), parameters, casts, path))

    def _has_secrets(self) -> bool:
        return any(parameter.secret for parameter in self._query.parameters.values())

    def _error(self, bound: BoundText, exc: EngineError, parameters: Mapping[str, Value]) -> Exception:
        if exc.interrupted:
            return QueryCancelled("the query was interrupted")
        secret = {name: value for name, value in parameters.items() if self._query.parameters[name].secret}
        return run_error(bound, exc, secret)

    def _stream(
        self, cursor: Cursor, sql: str, bound: BoundText, parameters: Mapping[str, Value]
    ) -> pa.RecordBatchReader:
        """The result batch by batch; the cursor is closed with the last one. It can be cut short between batches."""
        import pyarrow as pa  # noqa: PLC0415 - heavy; loaded when a table is first given back

        reader = cursor.reader(sql, parameters, BATCH_ROWS)
        context = FlyteContextManager.current_context()

        def batches() -> Iterator[pa.RecordBatch]:
            forget = context.on_cancel(cursor.interrupt)
            try:
                while (batch := cursor.next_batch(reader)) is not None:
                    yield batch
            except (pa.ArrowException, OSError) as exc:
                kind = "INTERRUPT" if "interrupt" in str(exc).lower() else "Run"
                raise self._error(bound, EngineError(kind, str(exc), None, (), ""), parameters) from exc
            finally:
                forget()
                cursor.close()

        return pa.RecordBatchReader.from_batches(reader.schema, batches())


def _is_reader_type(annotation: Value) -> bool:
    return getattr(annotation, "__name__", "") == "RecordBatchReader"


def _is_reader(value: Value) -> bool:
    return type(value).__name__ == "RecordBatchReader"
