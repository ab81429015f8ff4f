"""The one adapter to the duckdb package, for 1.5 and 2.0: text, parameters and tables in, Arrow and parse trees out.

One in-memory database serves a process and a set of settings; each call gets a cursor of its own (a table registered on
one cursor is not seen by another). Databases are locked when made: no files, no network, no extensions, no Python
variables, no change of settings. `attach` and `writes` open a private database that is closed with its cursor.
"""

from __future__ import annotations

import atexit
import datetime as dt
import json
import os
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from fledge_sql.interrupting import Interruptible, StoppedEarly

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa
    from typing_extensions import Self

__all__ = [
    "Attached",
    "Column",
    "Cursor",
    "EngineError",
    "Settings",
    "engine_version",
    "open_cursor",
    "open_private",
    "quoted",
    "reads_in_step",
    "reads_nanoseconds_with_zone",
]

LOCK_ATTEMPTS = 5
LOCK_FIRST_WAIT_S = 0.05
PATIENCE_S = 10  # with another call of this process that has the file open, one of the two for writing
# Settings of every database. errors_as_json gives positions and candidates apart from the text.
_SAFE = {
    "errors_as_json": True,
    "python_enable_replacements": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
_SAMPLES: dict[str, object] = {
    **dict.fromkeys(("BIGINT", "INTEGER", "SMALLINT", "TINYINT", "HUGEINT", "DOUBLE"), 1),
    "VARCHAR": "1",
    "BOOLEAN": True,
    "BLOB": b"1",
    "DATE": dt.date(2000, 1, 1),
    "TIME": dt.time(1),
    **dict.fromkeys(("TIMESTAMP", "TIMESTAMP WITH TIME ZONE"), dt.datetime(2000, 1, 1, tzinfo=dt.timezone.utc)),
    "INTERVAL": dt.timedelta(1),
}
_WATCHING = {"enable_profiling": "'no_output'", "enable_progress_bar": "true", "enable_progress_bar_print": "false"}
_LOCKING = (
    "SET GLOBAL TimeZone = 'UTC'",
    "SET enable_external_access = false",
    f"SET allowed_configs = {list(_WATCHING)}",  # of a single cursor, and without effect on what it may reach
    "SET lock_configuration = true",
)


@dataclass(frozen=True)
class Settings:
    """What a database may use; None leaves it to DuckDB. Sizes are in bytes."""

    memory_limit_bytes: int | None = None
    threads: int | None = None
    temp_limit_bytes: int | None = None


@dataclass(frozen=True)
class Attached:
    """A database file that queries may reach under `alias`."""

    alias: str
    path: str
    writable: bool = False


@dataclass(frozen=True)
class Column:
    """One column of a result: its real name and DuckDB's name of its type."""

    name: str
    sql_type: str


class EngineError(Exception):
    """An error of the engine, taken apart.

    Fields: `kind` (as `Binder`), `message`, `position` (characters into the text that ran; None: unknown), `candidates`
    (near names), `name` (what was not found), `interrupted`.
    """

    def __init__(self, kind: str, message: str, position: int | None, candidates: Sequence[str], name: str) -> None:
        super().__init__(f"{kind} Error: {message}")
        self.kind, self.message, self.position = kind, message, position
        self.candidates, self.name = tuple(candidates), name
        self.interrupted = kind == "INTERRUPT"


class Cursor:
    """One call's view of a database. Not for two threads at once, except `interrupt`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._work = Interruptible(connection.interrupt)

    def register(self, name: str, value: object) -> None:
        """Let queries of this cursor read `value`, which has an Arrow C stream, without copying it."""
        with _translated():
            self._connection.register(name, value)

    def create_empty(self, name: str, columns: Sequence[Column]) -> None:
        """A table without rows, seen by this cursor only."""
        listed = ", ".join(f"{quoted(column.name)} {column.sql_type}" for column in columns)
        self.run(f"CREATE OR REPLACE TEMP TABLE {quoted(name)} ({listed})")

    def run(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[tuple[Any, ...]]:  # Any: rows
        """Run a statement and fetch what it returns as Python values."""
        with _translated(sql):
            return self._rows(sql, parameters)

    def typed_columns(self, sql: str, parameter_types: Mapping[str, str]) -> list[Column]:
        """Names and types of a query's result, for any values of parameters of these types."""
        columns = self.columns(sql, dict.fromkeys(parameter_types))
        if _major() >= 2 or not parameter_types:
            return columns
        samples = {name: _sample(sql_type) for name, sql_type in parameter_types.items()}
        try:
            return self.columns(sql, samples)  # before 2.0 an expression of NULL loses its type
        except EngineError:  # a function that reads a constant, as a format, when it is bound
            return columns

    def columns(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[Column]:
        """Names and types of a query's result, without running it."""
        prefix = "DESCRIBE "
        with _translated(prefix + sql, skip=len(prefix)):
            rows = self._rows(prefix + sql, parameters)
        return [Column(row[0], row[1]) for row in rows]

    def table(self, sql: str, parameters: Mapping[str, object] | None = None) -> pa.Table:
        """The whole result. Runs in a worker thread when called in the main thread, so that signals are handled."""
        return self._interruptible(lambda: self._table(sql, parameters))

    def reader(self, sql: str, parameters: Mapping[str, object] | None, batch_rows: int) -> pa.RecordBatchReader:
        """The result as a stream; the cursor must stay open until it has been read."""

        def start() -> pa.RecordBatchReader:
            with _translated(sql, trimmed=_major() >= 2):
                if _major() >= 2:
                    relation = self._connection.sql(sql, params=parameters) if parameters else self._connection.sql(sql)
                    return relation.to_arrow_reader(batch_rows)
                return self._execute(sql, parameters).to_arrow_reader(batch_rows)

        return self._interruptible(start)

    def copy(self, sql: str, parameters: Mapping[str, object] | None, casts: Mapping[str, str], path: str) -> None:
        """Write a query's result to a parquet file; `casts` gives some columns another type on their way.

        `sql` ends with its last word: no semicolon, no comment.
        """
        changed = ", ".join(f"CAST({quoted(name)} AS {to}) AS {quoted(name)}" for name, to in casts.items())
        chosen = f"* REPLACE ({changed})" if changed else "*"
        start = f"COPY (SELECT {chosen} FROM ("  # noqa: S608 - checked text, bound values
        statement = f"{start}{sql}\n)) TO {_literal(path)} (FORMAT parquet, USE_TMP_FILE false)"

        def work() -> None:
            with _translated(statement, skip=len(start)):
                self._execute(statement, parameters).fetchall()

        self._interruptible(work)

    def next_batch(self, reader: pa.RecordBatchReader) -> pa.RecordBatch | None:
        """The next batch of this cursor's reader; None after the last one."""
        import pyarrow as pa  # noqa: PLC0415 - loaded already: the reader is of it

        try:
            return self._interruptible(lambda: next(reader, None))
        except (pa.ArrowException, OSError) as exc:  # what passed Arrow's C interface has lost its class
            error = _taken_apart(str(exc), "Run", "", 0)
            if not error.interrupted and "interrupt" in error.message.lower() and self._work.was_stopped:
                error = _stopped("it was stopped")
            raise self._seen(error) from exc

    def parse(self, sql: str) -> list[dict[str, Any]]:  # Any: DuckDB's own tree, as JSON
        """DuckDB's own parse tree of each statement. EngineError when it is not made of queries."""
        call = "SELECT json_serialize_sql($sql::VARCHAR, skip_empty := true, skip_null := true, skip_default := true)"
        with _translated(sql):
            text = self._rows(call, {"sql": sql})[0][0]
        tree = json.loads(text)
        if tree["error"]:
            position = tree.get("position")
            raise EngineError(
                tree.get("error_type", "parser").capitalize(),
                tree["error_message"],
                None if position in (None, "") else _characters(sql, int(position)),
                (),
                "",
            )
        return [statement["node"] for statement in tree["statements"]]

    def statement_kinds(self, sql: str) -> list[str]:
        """One word per statement in the text, as `SELECT`, `INSERT`, `MULTI`."""
        with _translated(sql):
            return [statement.type.name for statement in self._connection.extract_statements(sql)]

    def statements(self, sql: str) -> list[tuple[str, set[str]]]:
        """Each statement's text with the names of its parameters."""
        with _translated(sql):
            return [(one.query, set(one.named_parameters)) for one in self._connection.extract_statements(sql)]

    def progress(self) -> float:
        """Percent of the running query that is done; -1 when DuckDB cannot tell. Only of a cursor that is watched."""
        return float(self._connection.query_progress())

    def watch(self) -> None:
        """From now on this cursor knows how far its query is, and its profile afterwards."""
        self.run("; ".join(f"SET {name} = {value}" for name, value in _WATCHING.items()))

    def profile(self) -> str:
        """The last query's plan with times, as DuckDB's JSON; only of a cursor that is watched."""
        return str(self._connection.get_profiling_information())

    def interrupt(self) -> None:
        """Stop what runs on this cursor, or what runs next when nothing does; from any thread."""
        self._work.stop()

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _execute(self, sql: str, parameters: Mapping[str, object] | None) -> duckdb.DuckDBPyConnection:
        if parameters:
            return self._connection.execute(sql, parameters)
        return self._connection.execute(sql)

    def _rows(self, sql: str, parameters: Mapping[str, object] | None) -> list[tuple[Any, ...]]:  # Any: rows
        return cast("list[tuple[Any, ...]]", self._interruptible(lambda: self._execute(sql, parameters).fetchall()))

    def _table(self, sql: str, parameters: Mapping[str, object] | None) -> pa.Table:
        is_relation = _major() >= 2
        with _translated(sql, trimmed=is_relation):
            if is_relation:  # before 2.0 a relation with parameters runs at once and is slow to read
                relation = self._connection.sql(sql, params=parameters) if parameters else self._connection.sql(sql)
                return relation.to_arrow_table()
            return self._execute(sql, parameters).to_arrow_table()

    def _interruptible(self, work: Callable[[], Any]) -> Any:  # Any: whatever the work gives
        try:
            return self._work.run(work)
        except StoppedEarly:
            raise _stopped("it was stopped before it began") from None
        except EngineError as exc:
            raise self._seen(exc) from exc.__cause__

    def _seen(self, error: EngineError) -> EngineError:
        """DuckDB 1.5 may tell of the interrupt by which a failing thread ends the others, in place of the failure."""
        if not error.interrupted or self._work.was_stopped:
            return error
        return EngineError("Run", "an error that DuckDB did not keep ended the query; run it again", None, (), "")


def _stopped(how: str) -> EngineError:
    return EngineError("INTERRUPT", how, None, (), "")


def _sample(sql_type: str) -> object:
    if sql_type.endswith("[]"):
        return []
    return 1 if sql_type.startswith("DECIMAL") else _SAMPLES.get(sql_type)


def quoted(name: str) -> str:
    """A name as a quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def engine_version() -> str:
    """The version of the installed duckdb package."""
    import duckdb  # noqa: PLC0415 - heavy; loaded when a query is first checked or run

    return duckdb.__version__


def reads_in_step() -> bool:
    """Whether batches of a stream are read when they are needed; before 2.0 pyarrow reads far ahead for DuckDB."""
    return _major() >= 2


def reads_nanoseconds_with_zone() -> bool:
    """Whether Arrow's timestamp[ns, tz=...] keeps its digits; before 2.0 they are cut to microseconds."""
    return _major() >= 2


def open_cursor(settings: Settings = Settings()) -> Cursor:
    """A cursor on this process's database for these settings."""
    return Cursor(_shared(settings).cursor())


def open_private(settings: Settings, attached: Sequence[Attached], folder: str = "") -> Cursor:
    """A cursor on a database of its own with these files attached; closing it closes the files.

    A file that another process has locked is tried again a few times; calls of this process take turns when one of them
    writes. Queries may write files into `folder` only.
    """
    connection = _connect(settings)
    try:
        for one in attached:
            _attach(connection, one)
        if folder:
            connection.execute("SET allowed_directories = [" + _literal(folder) + "]")
        for statement in _LOCKING:
            connection.execute(statement)
    except BaseException:
        connection.close()
        raise
    return Cursor(connection)


_pool: dict[tuple[int, Settings], duckdb.DuckDBPyConnection] = {}
_pool_lock = [threading.Lock()]  # in a list, so that a forked child can have a new one


def _shared(settings: Settings) -> duckdb.DuckDBPyConnection:
    # The key holds the process: after a fork the parent's databases are left alone, their threads do not exist here.
    key = (os.getpid(), settings)
    found = _pool.get(key)
    if found is None:
        with _pool_lock[0]:
            found = _pool.get(key)
            if found is None:
                found = _connect(settings)
                for statement in _LOCKING:
                    found.execute(statement)
                _pool[key] = found
    return found


def _renew_lock() -> None:
    _pool_lock[0] = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


@atexit.register
def _close_all() -> None:
    """Closing removes what was spilled to disk."""
    for (process, _), connection in list(_pool.items()):
        if process == os.getpid():
            connection.close()


def _connect(settings: Settings) -> duckdb.DuckDBPyConnection:
    import duckdb  # noqa: PLC0415 - heavy; loaded when a query is first checked or run

    config: dict[str, Any] = dict(_SAFE)  # Any: str, bool and int, as duckdb takes them
    config["temp_directory"] = str(Path(_temp_folder(), f"fledge-sql-{os.getpid()}-{uuid.uuid4().hex}"))
    if settings.memory_limit_bytes is not None:
        config["memory_limit"] = f"{settings.memory_limit_bytes}B"
    if settings.threads is not None:
        config["threads"] = settings.threads
    if settings.temp_limit_bytes is not None:
        config["max_temp_directory_size"] = f"{settings.temp_limit_bytes}B"
    with _translated():
        return duckdb.connect(":memory:", config=config)


def _temp_folder() -> str:
    """Where a query may spill. Where nothing can be written, only a query that has to spill will mind."""
    try:
        return tempfile.gettempdir()
    except FileNotFoundError:
        return os.environ.get("TMPDIR", os.getcwd())


def _attach(connection: duckdb.DuckDBPyConnection, one: Attached) -> None:
    statement = f"ATTACH {_literal(one.path)} AS {quoted(one.alias)}" + ("" if one.writable else " (READ_ONLY)")
    wait_s, attempt, patience_ends = LOCK_FIRST_WAIT_S, 1, time.monotonic() + PATIENCE_S
    while True:
        try:
            with _translated():
                connection.execute(statement)
            return
        except EngineError as exc:
            message = exc.message.lower()
            if "already attached" in message:  # by another call in this process, which ends
                if time.monotonic() > patience_ends:
                    raise
                time.sleep(LOCK_FIRST_WAIT_S)
                continue
            if "lock" not in message or attempt == LOCK_ATTEMPTS:
                raise
        time.sleep(wait_s)
        wait_s, attempt = wait_s * 2, attempt + 1


def _major() -> int:
    return int(engine_version().split(".", 1)[0])


@contextmanager
def _translated(sql: str = "", skip: int = 0, *, trimmed: bool = False) -> Iterator[None]:
    """Exceptions of duckdb as EngineError; `skip` characters of `sql` were put before the author's.

    `trimmed`: a relation, whose errors count from the first character that is no space.
    """
    import duckdb  # noqa: PLC0415 - heavy; loaded when a query is first checked or run

    try:
        yield
    except duckdb.Error as exc:
        counted = sql.lstrip(" \t\n\v\f\r") if trimmed else sql
        raise _taken_apart(str(exc), type(exc).__name__, counted, skip + len(counted) - len(sql)) from exc


def _taken_apart(text: str, class_name: str, sql: str, skip: int) -> EngineError:
    told = _told(text)
    if told is None:
        return EngineError(class_name.removesuffix("Exception"), text, None, (), "")
    message = told["exception_message"]
    inner = _told(message)
    if inner is not None:  # of another thread, as that of a write: "Async write failed ...: {...}"
        message = inner["exception_message"]
    position = told.get("position")
    place = None if not position else max(_characters(sql, int(position)) - skip, 0)
    candidates = [name.strip() for name in told.get("candidates", "").split(",") if name.strip()]
    return EngineError(told["exception_type"], message.strip(), place, candidates, told.get("name", ""))


def _told(text: str) -> dict[str, str] | None:
    """The JSON that an error's text ends with; None when it holds none."""
    _, brace, rest = text.partition("{")
    try:
        told: dict[str, str] = json.loads(brace + rest)
    except json.JSONDecodeError:
        return None
    return told if "exception_message" in told else None


def _characters(sql: str, byte_position: int) -> int:
    return len(sql.encode()[:byte_position].decode(errors="ignore"))
