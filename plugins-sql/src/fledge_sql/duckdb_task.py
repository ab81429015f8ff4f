"""SQL tasks: a query with declared inputs and outputs becomes a task that DuckDB runs, here and in a container.

`DuckDBTask(name, query, inputs, outputs)` declares them by name; `@sql_task(query)` takes them from a function's
signature. Both check the query when they are made, and both run it in `execute`.
"""

from __future__ import annotations

import os
import re
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from fledge import idl
from fledge.container import PythonAutoContainerTask
from fledge.context import ExecutionState, FlyteContextManager
from fledge.errors import DefinitionError, UnsupportedTypeError, add_note
from fledge.function import PythonFunctionTask
from fledge.interface import Interface
from fledge.lazy import lazy
from fledge.metadata import TaskMetadata
from fledge_sql.errors import SQLDefinitionError
from fledge_sql.hosted import RESULT, Engine, task_type_of

if TYPE_CHECKING:
    import dis

    from fledge import settings as configuration
    from fledge.context import FlyteContext
    from fledge.idl import interface as interface_messages
    from fledge.idl import tasks
    from fledge.settings import Resources, SerializationSettings
    from fledge_sql import caching, checking, engine, running, table_inputs, transpiling
    from fledge_sql.schemas import Native
else:  # every program with this plugin loads this module; what only SQL tasks need waits for the first one
    configuration = lazy("fledge.settings")
    dis = lazy("dis")
    caching = lazy("fledge_sql.caching")
    checking = lazy("fledge_sql.checking")
    engine = lazy("fledge_sql.engine")
    running = lazy("fledge_sql.running")
    table_inputs = lazy("fledge_sql.table_inputs")
    transpiling = lazy("fledge_sql.transpiling")

__all__ = ["DuckDB", "DuckDBTask", "SQLFunctionTask", "sql_task", "task_named"]

P = ParamSpec("P")
R = TypeVar("R")
Value = Any  # Any: whatever the task declares

_AUTOMATIC = "by the meaning of the query"
MEMORY_SHARE = 0.75  # of the container's memory; the rest is for Python and for Arrow results
SMALLEST_MEMORY_BYTES = 2**20  # of the container; with less, DuckDB sorts and groups not even a few rows
_METADATA = frozenset(
    {
        *("cache", "cache_ignore_input_vars", "cache_serialize", "cache_version", "deprecated", "interruptible"),
        *("retries", "tags", "timeout"),
    }
)
_EMPTY_BODY = frozenset({"CACHE", "COPY_FREE_VARS", "LOAD_CONST", "NOP", "RESUME", "RETURN_CONST", "RETURN_VALUE"})


@dataclass(frozen=True)
class DuckDB:
    """A query and how it may run; the `task_config` of SQL tasks.

    Args:
        query: SQL in DuckDB's dialect, or a path to a file that holds it.
        attach: Database files to read under a name of their own: paths (the stem is the name), a mapping from name to
            path, or names of FlyteFile inputs. Each call opens them read-only, in a private database.
        writes: Tables and attached databases that the text may write; it may then be a script of several statements,
            which runs as one transaction, and only the last one returns.
        guard: False runs what the guards would refuse: several readers of the text, tables and functions by a list.
        dialect: "duckdb": a container runs it. Else the engine that a hosted Flyte runs it on: a name, or
            Snowflake(...), BigQuery(...), Athena(...) with what its connector needs to know. A local call runs on
            DuckDB all the same.
    """

    query: str | Path = ""
    attach: str | Path | Mapping[str, str | Path] | Iterable[str | Path] = field(default=(), kw_only=True)
    writes: str | Iterable[str] = field(default=(), kw_only=True)
    guard: bool = field(default=True, kw_only=True)
    dialect: str | Engine = field(default="duckdb", kw_only=True)

    @property
    def dialect_name(self) -> str:
        return self.dialect.dialect if isinstance(self.dialect, Engine) else self.dialect

    @property
    def is_hosted(self) -> bool:
        return self.dialect_name != "duckdb"

    @property
    def text(self) -> str:
        """The query's text.

        Raises:
            SQLDefinitionError: Its file cannot be read.
        """
        if not isinstance(self.query, Path):
            return self.query
        try:
            return self.query.read_text(encoding="utf-8-sig")  # some editors begin a file with a mark
        except (OSError, UnicodeDecodeError) as exc:
            raise SQLDefinitionError(f"{self.query} cannot be read: {exc}") from exc


class _QueryTask(PythonAutoContainerTask[DuckDB]):
    """What both kinds of SQL task share: the checked query, and how it runs."""

    _config: DuckDB
    _checked: checking.CheckedQuery
    _runner: running.Runner
    _is_by_signature = False

    @property
    def query(self) -> str:
        """The author's text."""
        return self._checked.text

    @property
    def checked(self) -> checking.CheckedQuery:
        """What the check at definition found."""
        return self._checked

    def local_execute(self, ctx: FlyteContext, /, **kwargs: Value) -> Value:
        """A call here; a reader is read when it becomes a literal, so it is looked at before."""
        for name, value in kwargs.items():
            if type(value).__name__ == "RecordBatchReader":
                table_inputs.take_reader(name, value)
        return super().local_execute(ctx, **kwargs)

    def execute(self, /, **kwargs: Value) -> Value:
        """Run the query; in a container a table is streamed to its file and never held whole."""
        ctx = FlyteContextManager.current_context()
        in_container = ctx.execution_state.mode is ExecutionState.Mode.TASK_EXECUTION
        return self._runner(kwargs, stream=in_container and ctx.live is None)

    @property
    def interface(self) -> interface_messages.TypedInterface:
        """On a hosted engine tables are the engine's own, found by their names: they are no inputs there."""
        if not self._config.is_hosted:
            return super().interface
        registry = FlyteContextManager.current_context().registry
        return self.python_interface.remove_inputs(self._checked.tables).to_typed_interface(registry)

    def get_container(self, settings: SerializationSettings) -> tasks.Container | None:
        """None when a hosted engine runs the query: a template has one target."""
        return None if self._config.is_hosted else super().get_container(settings)

    def get_sql(self, settings: SerializationSettings) -> tasks.Sql | None:  # noqa: ARG002 - the API's signature
        """The statement in the hosted engine's SQL; None when a container runs it on DuckDB."""
        if not self._config.is_hosted:
            return None
        text, _ = transpiling.transpile(self, self._config.dialect_name)
        message = idl.tasks.Sql(statement=text)
        message.dialect = transpiling.sql_dialect_number(text, self._config.dialect_name)  # type: ignore[assignment] # the enum's number
        return message

    def get_config(self, settings: SerializationSettings) -> Mapping[str, str] | None:
        hosted = self._config.dialect
        return hosted.config() if isinstance(hosted, Engine) else super().get_config(settings)

    def get_custom(self, settings: SerializationSettings) -> Mapping[str, Any] | None:  # Any: JSON
        hosted = self._config.dialect
        if not isinstance(hosted, Engine):
            return super().get_custom(settings)
        return hosted.custom(transpiling.transpile(self, hosted.dialect)[0], settings.domain)

    def _check(self, interface: Interface) -> None:
        try:
            config = self._config
            self._checked = checking.check_query(
                config.text,
                interface.inputs,
                interface.outputs,
                guard=config.guard,
                attach=config.attach,
                writes=config.writes,
                by_signature=self._is_by_signature,
            )
        except SQLDefinitionError as exc:
            _refuse_path_as_text(self.name, self._config.query, exc)
            where = f" ({self._config.query})" if isinstance(self._config.query, Path) else ""
            add_note(exc, f"in the query of task {self.name}{where}")
            raise
        if not interface.outputs and not self._checked.access.writes:
            way_out = "-> pa.Table" if self._is_by_signature else "outputs=kwtypes(result=pa.Table)"
            raise SQLDefinitionError(f"task {self.name}: a query needs an output: {way_out}")
        self._check_memory()
        self._runner = running.Runner(self.name, self._checked, self._settings)
        _named[self.name] = self
        self._set_cache_version()
        if self._config.is_hosted:
            self._check_hosted(interface)

    def _check_hosted(self, interface: Interface) -> None:
        """What the engine's connector cannot do is refused here, not on the cluster."""
        if list(interface.outputs) != [RESULT] or self._checked.outputs[0].kind == "scalar":
            way_out = f"outputs=kwtypes({RESULT}=pa.Table)"
            if self._is_by_signature:
                way_out = f'-> NamedTuple("Outputs", [("{RESULT}", pa.Table)])'
            raise SQLDefinitionError(
                f"task {self.name}: on {self._config.dialect_name} the one output is a table called {RESULT!r}. "
                f"Write {way_out}"
            )
        transpiling.transpile(self, self._config.dialect_name)

    def _check_memory(self) -> None:
        memory = self._settings().memory_limit_bytes
        if memory is not None and memory < SMALLEST_MEMORY_BYTES * MEMORY_SHARE:
            reason = f"task {self.name}: {memory} bytes are {MEMORY_SHARE:.0%} of its memory; DuckDB needs more"
            raise SQLDefinitionError(f"{reason}. Ask for 1Mi at least; a number alone is bytes, mem='1Gi' is usual")

    def _set_cache_version(self) -> None:
        """`cache=True` alone: the version follows the meaning of the query."""
        if self._metadata.cache and self._metadata.cache_version == _AUTOMATIC:
            caching.check_cacheable(self.name, self._checked)
            self._metadata = replace(self._metadata, cache_version=caching.cache_version(self._checked))

    def _settings(self) -> engine.Settings:
        return settings_of(self._limits or self._requests, self._requests)


_named: weakref.WeakValueDictionary[str, _QueryTask] = weakref.WeakValueDictionary()


def task_named(name: str) -> _QueryTask | None:
    """The SQL task of this name; the one made last when there were several. Events carry only the name."""
    return _named.get(name)


class DuckDBTask(_QueryTask):
    """A query as a task, declared by names and types.

    Args:
        name: Unique per project, domain and version.
        query: SQL with `$name` or `{{ .inputs.name }}` for values and the inputs' names for tables; or a path to it.
        inputs: Name to type, as `kwtypes(flights=pa.Table, month=int)`.
        outputs: Name to type; default: `kwtypes(result=pa.Table)`.
        task_config: Guard and dialect; its query must be empty.
        **task_options: What `@task` takes: retries, timeout, cache, requests, limits, container_image, ...

    Raises:
        SQLDefinitionError: The query does not fit its inputs and outputs; with line, column and way out.
    """

    def __init__(
        self,
        name: str,
        query: str | Path,
        inputs: Mapping[str, Native] | None = None,
        outputs: Mapping[str, Native] | None = None,
        task_config: DuckDB | None = None,
        **task_options: Any,  # Any: passed on to PythonAutoContainerTask, which refuses unknown names
    ) -> None:
        self._config = _with_query(name, task_config, query)
        _check_mapping(name, "inputs", "t", inputs)
        _check_mapping(name, "outputs", "result", outputs)
        interface = Interface(inputs, outputs if outputs is not None else {"result": _default_output()})
        task_options.setdefault("metadata", _metadata(task_options))
        task_type = task_type_of(self._config.dialect_name)
        super().__init__(name, self._config, task_type, interface=interface, **task_options)
        _check_types(interface, name)
        self._check(interface)


class SQLFunctionTask(_QueryTask, PythonFunctionTask[DuckDB]):
    """A query as a task, its inputs and outputs taken from a function's signature; the function is never called."""

    _is_by_signature = True

    def __init__(
        self, task_config: DuckDB, task_function: Callable[..., Value], **kwargs: Any
    ) -> None:  # Any: passed on
        self._config = task_config
        metadata = kwargs.get("metadata")
        if metadata is not None and metadata.derived_version is not None:
            # @task would take the version from the function's code, which is `...`
            kwargs["metadata"] = replace(metadata, cache_version=_AUTOMATIC)
        if not task_config.query:
            raise SQLDefinitionError(f"task {task_function.__name__}: DuckDB() holds no query. Write DuckDB('...')")
        kwargs.setdefault("task_type", task_type_of(task_config.dialect_name))
        PythonFunctionTask.__init__(self, task_config, task_function, **kwargs)
        _refuse_body(task_function, self.name)
        self._check(self.python_interface)


if TYPE_CHECKING:

    class _Typed(SQLFunctionTask, Generic[P, R]):
        """What a type checker sees: a task that is called as its function is."""

        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...


def sql_task(
    query: str | Path,
    *,
    attach: str | Path | Mapping[str, str | Path] | Iterable[str | Path] = (),
    writes: str | Iterable[str] = (),
    guard: bool = True,
    dialect: str | Engine = "duckdb",
    **options: Any,  # Any: what @task takes; checked there
) -> Callable[[Callable[P, R]], _Typed[P, R]]:
    """Make a task of a query and a function's signature. The body is `...` and never runs.

    Args:
        query: SQL with `$name` or `{{ .inputs.name }}` for values, the parameters' names for tables; or a path to it.
        attach, writes, guard, dialect: As of DuckDB.
        **options: What `@task` takes.

    Raises:
        SQLDefinitionError: The query does not fit the signature; with line, column and way out.
    """
    if callable(query):
        raise SQLDefinitionError("@sql_task needs its query. Write @sql_task('SELECT ...') above the function")
    config = DuckDB(query, attach=attach, writes=writes, guard=guard, dialect=dialect)

    def wrap(function: Callable[P, R]) -> _Typed[P, R]:
        given = dict(options)
        given.setdefault("metadata", _metadata(given))
        made: Any = SQLFunctionTask(config, function, **given)  # Any: the checker's view of it differs
        typed: _Typed[P, R] = made
        return typed

    return wrap


def settings_of(resources: Resources | None, otherwise: Resources | None = None) -> engine.Settings:
    """A container's resources as settings of the database; what they do not say is as `otherwise`, or None."""
    if resources is None:
        return engine.Settings()
    memory, cpu, disk = (
        configuration.quantity_of(getattr(otherwise, kind, None) if said is None else said)
        for kind, said in (
            ("mem", resources.mem),
            ("cpu", resources.cpu),
            ("ephemeral_storage", resources.ephemeral_storage),
        )
    )
    return engine.Settings(
        memory_limit_bytes=None if memory is None else int(memory * MEMORY_SHARE),
        threads=None if cpu is None else max(1, int(cpu)),
        temp_limit_bytes=None if disk is None else int(disk),
    )


def _with_query(name: str, config: DuckDB | None, query: str | Path) -> DuckDB:
    if config is None:
        return DuckDB(query)
    if config.query and config.query != query:
        raise DefinitionError(f"task {name}: the query is given twice, as an argument and in DuckDB(...). Keep one")
    return replace(config, query=query)


def _check_mapping(task: str, what: str, example: str, given: object) -> None:
    if given is None or isinstance(given, Mapping):
        return
    kind = "pa.Table"
    if isinstance(given, type) and not given.__module__.startswith("pyarrow"):
        kind = given.__name__
    raise SQLDefinitionError(f"task {task}: {what} map names to types. Write {what}=kwtypes({example}={kind})")


def _refuse_path_as_text(task: str, query: str | Path, exc: SQLDefinitionError) -> None:
    """What is no query may be a file's name, given as text."""
    if isinstance(query, Path):
        return
    if os.path.isfile(query) or (query.endswith(".sql") and not re.search(r"\s", query)):
        message = f"task {task}: the query is the text {query!r}. For what is in that file write Path({query!r})"
        raise SQLDefinitionError(message) from exc


def _metadata(options: dict[str, Any]) -> TaskMetadata:  # Any: options of any task
    """Takes the options that belong to TaskMetadata out of `options`."""
    fields = {key: options.pop(key) for key in _METADATA & options.keys()}
    if fields.get("cache"):
        fields["cache_version"] = fields.get("cache_version") or _AUTOMATIC
    return TaskMetadata(**fields)


def _default_output() -> Native:
    import pyarrow as pa  # noqa: PLC0415 - heavy; only a task without declared outputs needs it here

    return pa.Table


def _check_types(interface: Interface, name: str) -> None:
    ctx = FlyteContextManager.current_context()
    try:
        interface.check(ctx.registry, name)
    except UnsupportedTypeError:
        ctx.plugins.load()  # a plugin may bring the type
        interface.check(ctx.registry, name)


def _refuse_body(function: Callable[..., Value], name: str) -> None:
    code = function.__code__
    raises = set(code.co_names) <= {"NotImplementedError"}
    opcodes = {instruction.opname for instruction in dis.get_instructions(code)}
    returned = [i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_CONST", "RETURN_CONST")]
    is_empty = opcodes <= _EMPTY_BODY and all(value is None or value == function.__doc__ for value in returned)
    if not is_empty and not (raises and code.co_names):
        raise DefinitionError(f"task {name}: the query is the body, the function never runs. Write ... as its body")
