"""A checked query and values in, the declared outputs out: bind, register, run, convert.

Tables go in as Arrow without a copy and come out as Arrow; scalars are read from the one row. What the result will be
is compared with the declared outputs before the query runs, once per set of input schemas.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from fledge import progress
from fledge.context import FlyteContextManager, current_context
from fledge.decks import Deck
from fledge.errors import nearest
from fledge.lazy import lazy
from fledge_sql.checking import CheckedQuery, run_error
from fledge_sql.conversions import converted, copy_casts, scalars, write_batches, written
from fledge_sql.engine import Cursor, EngineError, Settings, open_cursor, open_private
from fledge_sql.errors import ParameterError, QueryCancelled
from fledge_sql.parameters import to_parameter
from fledge_sql.results import check_result
from fledge_sql.scripts import attached_files
from fledge_sql.table_inputs import check_declared, scannable
from fledge_sql.text import without_end

if TYPE_CHECKING:
    import pyarrow as pa

    from fledge_sql import watching
    from fledge_sql.schemas import Output
    from fledge_sql.text import BoundText
else:
    watching = lazy("fledge_sql.watching")

__all__ = ["Runner"]

MAX_KNOWN = 256
BATCH_ROWS = 122_880  # DuckDB's own row group
_OF_A_TABLE = re.compile(r"arrow_scan: get_next failed|reading the stream")  # as 1.5 and 2.0 say that a stream broke
Schema = Any  # Any: pyarrow has no types of its own
Value = Any  # Any: whatever the task declares


class Runner:
    """Runs one checked query again and again; shared between threads.

    Args:
        name: The task's.
        query: What to run.
        settings: Of the database, asked for at each call.
    """

    def __init__(self, name: str, query: CheckedQuery, settings: Callable[[], Settings]) -> None:
        self._name = name
        self._query = query
        self._settings = settings
        self._known: set[tuple[object, ...]] = set()  # texts with schemas of tables that were compared already

    def __call__(self, values: Mapping[str, Value], *, stream: bool = False) -> Value:
        """The outputs: one value, or a dict by name for several.

        Args:
            values: By input name.
            stream: Give a table as a RecordBatchReader; what leaves the process is then never held whole.

        Raises:
            ParameterError: A value does not fit its input.
            QueryError: The engine refused.
            QueryCancelled: The run was told to end, while the query ran or before.
        """
        query = self._query
        parameters = {name: to_parameter(query.parameters[name], values[name]) for name in query.used_parameters}
        bound = self._bound(values)
        with ExitStack() as until_done, _named_errors(query, bound, values, parameters):
            cursor = until_done.enter_context(self._open(values))
            decks = _decks()
            if decks is not None or progress.is_wanted():
                cursor.watch()
            tables: Mapping[str, tuple[Value, int]] = _tables(query, values)
            if progress.is_wanted():
                tables = until_done.enter_context(watching.progress_of(f"query {self._name}", cursor, tables))
            until_done.callback(FlyteContextManager.current_context().on_cancel(cursor.interrupt))
            run = _Run(query, bound, values, parameters, cursor, until_done, decks)
            schemas = {name: getattr(frame, "schema", None) for name, (frame, _) in tables.items()}
            key = (bound.sql, *schemas.values())
            if key not in self._known:
                self._check_tables(schemas)
            for name, (frame, _) in tables.items():
                cursor.register(name, frame)
            if query.access.writes:
                return run.script()
            if key not in self._known:
                check_result(query.outputs, cursor.columns(bound.sql, parameters), bound)
                self._know(key)
            return run.result(bound.sql, parameters, stream=stream)

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

    def _check_tables(self, schemas: Mapping[str, Schema]) -> None:
        for name, schema in schemas.items():
            if schema is not None:
                check_declared(self._query.tables[name], schema)

    def _know(self, key: tuple[object, ...]) -> None:
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        self._known.add(key)


class _Run:
    """One call: its cursor, on which the tables are registered, and how its results are fetched."""

    def __init__(
        self,
        query: CheckedQuery,
        bound: BoundText,
        values: Mapping[str, Value],
        parameters: Mapping[str, Value],
        cursor: Cursor,
        until_done: ExitStack,
        decks: list[Deck] | None,
    ) -> None:
        self.query, self.bound, self.parameters, self.cursor = query, bound, parameters, cursor
        self._values = values
        self._until_done = until_done  # what ends with the call; with the last batch where a reader is given out
        self._decks = decks

    def script(self) -> Value:
        """One transaction: an attached file keeps its rows when any statement fails."""
        query, cursor = self.query, self.cursor
        statements = cursor.statements(self.bound.sql)
        cursor.run("BEGIN TRANSACTION")
        try:
            result, done = None, 0
            for index, (sql, names) in enumerate(statements):
                start = max(self.bound.sql.find(sql, done), done)
                done = start + len(sql)
                folded = {one.lower() for one in names}
                own = {name: value for name, value in self.parameters.items() if name.lower() in folded}
                is_result = index == len(statements) - 1 and bool(query.outputs)
                with _placed(start):
                    if is_result:
                        result = self._result_of_script(sql, own)
                    else:
                        cursor.table(sql, own)
            cursor.run("COMMIT")
        except BaseException:
            with suppress(EngineError):  # a COMMIT that fails ends the transaction; the first error is the one to see
                cursor.run("ROLLBACK")
            raise
        return result

    def _result_of_script(self, sql: str, parameters: Mapping[str, Value]) -> Value:
        """What the last statement gives; held whole, because the transaction cannot end while it is being read."""
        check_result(self.query.outputs, self.cursor.columns(sql, parameters), self.bound)
        if _is_reader_type(self.query.outputs[0].annotation):
            return self.cursor.table(sql, parameters).to_reader()
        return self.result(sql, parameters, stream=False)

    def result(self, sql: str, parameters: Mapping[str, Value], *, stream: bool) -> Value:
        """What one query gives, as the outputs declare it."""
        outputs = self.query.outputs
        output = outputs[0] if len(outputs) == 1 and outputs[0].kind != "scalar" else None
        if output is not None and output.kind == "table" and (stream or _is_reader_type(output.annotation)):
            return self._reader(sql, parameters)
        if output is not None and output.kind == "file":
            return self._file(output, sql, parameters)
        table = self.cursor.table(sql, parameters)
        self._show_plan()
        return scalars(outputs, table) if output is None else converted(output, table)

    def _reader(self, sql: str, parameters: Mapping[str, Value]) -> pa.RecordBatchReader:
        """The result batch by batch; the call ends with the last one."""
        import pyarrow as pa  # noqa: PLC0415 - heavy; loaded when a table is first given back

        source = self.cursor.reader(sql, parameters, BATCH_ROWS)
        until_done = self._until_done.pop_all()

        def batches() -> Iterator[pa.RecordBatch]:
            with until_done:
                yield from self._batches(source)

        reader = pa.RecordBatchReader.from_batches(source.schema, batches())
        weakref.finalize(reader, until_done.close)  # one that nobody reads
        return reader

    def _batches(self, source: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        """It can be cut short between batches and within one."""
        with _named_errors(self.query, self.bound, self._values, self.parameters):
            while (batch := self.cursor.next_batch(source)) is not None:
                yield batch
            self._show_plan()

    def _file(self, output: Output, sql: str, parameters: Mapping[str, Value]) -> Value:
        """A parquet file in the run's own folder: by DuckDB where its types are Arrow's, else batch by batch."""
        casts = copy_casts(self.cursor.columns(sql, parameters))
        if casts is None:
            source = self.cursor.reader(sql, parameters, BATCH_ROWS)
            return written(output, lambda path: write_batches(source.schema, self._batches(source), path))
        file = written(output, lambda path: self.cursor.copy(without_end(sql), parameters, casts, path))
        self._show_plan()
        return file

    def _show_plan(self) -> None:
        """A page of the deck, where there is one: what the query did, with times."""
        if self._decks is not None:
            plan = watching.plan_of(self.cursor.profile(), with_details=not _has_secrets(self.query))
            plugins = FlyteContextManager.current_context().plugins
            shown = plugins.render(plan, watching.QueryPlan) or watching.plan_html(plan)
            self._decks.append(Deck("Query Plan", shown))


def _tables(query: CheckedQuery, values: Mapping[str, Value]) -> dict[str, tuple[Value, int]]:
    """For each table what DuckDB scans, and how often it does."""
    scans = {name: query.scans_of(name) for name in query.tables}
    return {name: (scannable(query.tables[name], values[name], times), times) for name, times in scans.items()}


@contextmanager
def _placed(start: int) -> Iterator[None]:
    """Errors of one statement at their place in the whole script, where it begins at `start`."""
    try:
        yield
    except EngineError as exc:
        if exc.position is not None:
            exc.position += start
        raise


@contextmanager
def _named_errors(
    query: CheckedQuery, bound: BoundText, values: Mapping[str, Value], parameters: Mapping[str, Value]
) -> Iterator[None]:
    """Errors of the engine as errors at the author's place, without the values of secrets."""
    try:
        yield
    except EngineError as exc:
        if exc.interrupted:
            raise QueryCancelled("the query was interrupted") from exc
        secret = [name for name in parameters if query.parameters[name].secret]
        hint = ""
        if _OF_A_TABLE.search(exc.message):
            sources = [getattr(values[name], "__fspath__", lambda: "")() for name in query.tables]
            told = [f"{name} ({path})" if path else name for name, path in zip(query.tables, sources, strict=True)]
            hint = f"It came up while tables were read: {', '.join(told)}."
        raise run_error(bound, exc, secret, hint) from (None if secret else exc)


def _has_secrets(query: CheckedQuery) -> bool:
    return any(parameter.secret for parameter in query.parameters.values())


def _decks() -> list[Deck] | None:
    """The pages of the run, if it keeps any."""
    params = FlyteContextManager.current_context().user_space_params
    return params.decks if params is not None and params.enable_deck else None


def _is_reader_type(annotation: Value) -> bool:
    return getattr(annotation, "__name__", "") == "RecordBatchReader"
