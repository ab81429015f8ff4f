"""Task and PythonTask: from a call to literals, to `execute`, and back; and what a task tells serialization.

A local call, a worker rank and a container run take one path, `dispatch_execute`: literals -> Python values ->
`execute` -> Python values -> literals. A task does not change when it is called or serialized.
"""

# ruff: noqa: ARG002 - the signatures are the contract: a base method takes what its children need

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from fledge import idl
from fledge.abstract_task import Task, TaskResolverMixin, Value, checked_environment
from fledge.attempts import environment, is_retried, run_attempts, warn_if_deprecated
from fledge.context import (
    ExecutionParameters,
    ExecutionState,
    FlyteContext,
    FlyteContextManager,
    enter_context,
    leave_context,
)
from fledge.decks import ALL_DECK_FIELDS, Deck, DeckField, Timeline, add_value_deck, check_deck_fields, keep_page
from fledge.errors import (
    CallError,
    DefinitionError,
    IgnoreOutputs,
    OutputError,
    add_note,
    ignores_outputs,
    mark_user_error,
    nearest,
)
from fledge.interface import CompiledInterface, Interface, fill_map, kwtypes
from fledge.lazy import lazy, lazy_logger
from fledge.local_config import LocalConfig
from fledge.metadata import TaskMetadata, checked_flag
from fledge.nodes import create_node
from fledge.promise import Promise, VoidPromise, pack_outputs
from fledge.storage import LiveStore
from fledge.tracking import TrackedInstance
from fledge.types.mismatch import Mismatch

if TYPE_CHECKING:
    from fledge import cache, events, frames
    from fledge import settings as configuration
    from fledge.idl import interface as interface_messages
    from fledge.idl import literals, workflow
    from fledge.storage import StorageRouter
else:
    cache = lazy("fledge.cache")
    events = lazy("fledge.events")
    configuration = lazy("fledge.settings")
    frames = lazy("fledge.frames")

__all__ = [
    "DATA_CARD",
    "DYNAMIC_PARTITIONS",
    "MODEL_CARD",
    "UNSET_CARD",
    "IgnoreOutputs",
    "PythonTask",
    "T",
    "Task",
    "TaskMetadata",
    "TaskResolverMixin",
    "kwtypes",
]

DYNAMIC_PARTITIONS = "_uap"
MODEL_CARD = "_ucm"
DATA_CARD = "_ucd"
UNSET_CARD = "_uc"

_log = lazy_logger("fledge.task")
_NO_LOCK = nullcontext()

T = TypeVar("T")
_IN_WORKFLOW = ExecutionState.Mode.LOCAL_WORKFLOW_EXECUTION
_LOCAL_TASK = ExecutionState(ExecutionState.Mode.LOCAL_TASK_EXECUTION)


class _Memo:
    """What has been worked out about a task, beside what it is: calling a task does not change it."""

    __slots__ = ("compiled", "types_digest", "uncached_because")

    def __init__(self) -> None:
        self.compiled: CompiledInterface | None = None  # of the registry that was used last
        self.types_digest = ""
        self.uncached_because = ""  # what the log has been told last


class PythonTask(TrackedInstance, Task, Generic[T]):
    """Base of all tasks with a Python interface. Use it directly for task types that are not a Python function.

    Args:
        task_type: What the backend dispatches on.
        name: Unique per project, domain and version.
        task_config: What the task type's plugin needs to know.
        interface: Python names and types; None: neither inputs nor outputs.
        environment: Environment variables of the run.
        disable_deck: Deprecated, the negation of `enable_deck`.
        enable_deck: Write an HTML page about each run.
        deck_fields: The parts of that page.
        **kwargs: What `Task` takes. DefinitionError for any other name.
    """

    def __init__(
        self,
        task_type: str,
        name: str,
        task_config: T | None = None,
        interface: Interface | None = None,
        environment: Mapping[str, str] | None = None,
        disable_deck: bool | None = None,
        enable_deck: bool | None = None,
        deck_fields: tuple[DeckField, ...] | None = ALL_DECK_FIELDS,
        **kwargs: Any,  # Any: passed on to Task, which refuses unknown names
    ) -> None:
        Task.__init__(self, task_type, name, None, **kwargs)
        TrackedInstance.__init__(self)
        self._python_interface = interface if interface is not None else Interface()
        if interface is not None:
            self._metadata.check_inputs(name, interface.inputs)
        self._task_config = task_config
        self._environment = checked_environment(name, environment)
        if disable_deck is not None:
            if enable_deck is not None:
                raise DefinitionError(f"task {name}: disable_deck and enable_deck say the same thing. Keep enable_deck")
            warnings.warn("disable_deck is deprecated, use enable_deck", FutureWarning, stacklevel=3)
        self._enable_deck = checked_flag("enable_deck", enable_deck, name) if disable_deck is None else not disable_deck
        fields = check_deck_fields(name, deck_fields)
        self._deck_fields = fields if self._enable_deck else []
        self._memo = _Memo()

    @property
    def name(self) -> str:
        return self._name

    @property
    def python_interface(self) -> Interface:
        return self._python_interface

    @property
    def interface(self) -> interface_messages.TypedInterface:
        """flyteidl.core.TypedInterface of the Python interface."""
        return self.python_interface.to_typed_interface(FlyteContextManager.current_context().registry)

    @property
    def task_config(self) -> T | None:
        return self._task_config

    @property
    def environment(self) -> dict[str, str]:
        return dict(self._environment)

    @property
    def enable_deck(self) -> bool:
        return self._enable_deck

    @property
    def disable_deck(self) -> bool:
        """Deprecated: the negation of `enable_deck`."""
        warnings.warn("disable_deck is deprecated, use enable_deck", DeprecationWarning, stacklevel=2)
        return not self._enable_deck

    @property
    def deck_fields(self) -> list[DeckField]:
        return list(self._deck_fields)

    @property
    def docs(self) -> configuration.Documentation | None:
        """The documentation given, else what the docstring says."""
        if self._docs is not None:
            return self._docs
        text = self.python_interface.docstring
        return (
            None if text is None else configuration.Documentation(text.short_description or None, text.long_description)
        )

    def get_type_for_input_var(self, k: str, v: Value) -> type:
        """The declared type of an input. KeyError when there is no such input."""
        declared: type = self.python_interface.inputs[k]
        return declared

    def get_type_for_output_var(self, k: str, v: Value) -> type:
        """The declared type of an output. KeyError when there is no such output."""
        declared: type = self.python_interface.outputs[k]
        return declared

    def get_input_types(self) -> dict[str, type]:
        return self.python_interface.inputs

    # -- in a workflow -------------------------------------------------------------------------------------------------

    def construct_node_metadata(self) -> workflow.NodeMetadata:
        """Name (last part of the task's), timeout, retries and interruptible of a node that runs this task."""
        metadata = self.metadata
        message = idl.workflow.NodeMetadata(name=self.name.rsplit(".", 1)[-1])
        message.retries.retries = metadata.retries
        message.retries.SetInParent()
        timeout_s = metadata.timeout_s
        if timeout_s is not None:
            message.timeout.FromMilliseconds(round(timeout_s * 1000))
        if metadata.interruptible is not None:
            message.interruptible = metadata.interruptible
        return message

    def compile(self, ctx: FlyteContext, /, *args: Value, **kwargs: Value) -> Value:
        """Append a node that runs this task and return the promises of its outputs.

        Raises:
            CallError: No workflow is being compiled, or the arguments do not fit the inputs.
        """
        state = ctx.compilation_state
        if state is None:
            raise CallError(self.name, "compile() works only while a workflow is being compiled")
        if args:
            bound = dict(zip(self.python_interface.inputs, args, strict=False))
            if len(args) > len(bound) or bound.keys() & kwargs.keys():
                self.python_interface.bind(self.name, args, kwargs)  # raises with the right words
            kwargs = {**bound, **kwargs}
        return create_node(state, self, ctx.registry, ctx.storage, kwargs)

    # -- a local run ---------------------------------------------------------------------------------------------------

    def __call__(self, /, *args: Value, **kwargs: Value) -> Value:
        """Run here and now and return values; while a workflow is compiled, make a node and return promises."""
        ctx = FlyteContextManager.current_context()
        if ctx.compilation_state is not None and ctx.compilation_state.mode == 1:
            return self.compile(ctx, *args, **kwargs)
        inputs = self.python_interface.bind(self.name, args, kwargs)
        if ctx.execution_state.mode is _IN_WORKFLOW:
            return self.local_execute(ctx, **inputs)
        storage = ctx.storage.with_(live=ctx.storage.live or LiveStore(), keep_local=True)
        mode = self.local_execution_mode()
        run = ctx.for_run(_LOCAL_TASK if mode is _LOCAL_TASK.mode else ExecutionState(mode), storage, 0)
        try:
            return self._native_result(run, self.local_execute(run, **inputs))
        except Exception as exc:  # noqa: BLE001 - raised again; in a traceback one place of ours is enough
            raise exc.with_traceback(frames.from_the_body(exc.__traceback__))  # noqa: B904 - the same exception

    def _native_result(self, ctx: FlyteContext, result: Value) -> Value:
        """Promises (or a VoidPromise) of `local_execute` as Python values, packed as the interface says."""
        compiled = self._compiled(ctx)
        outputs, storage, var = compiled.outputs, ctx.storage, ""
        if not outputs:
            return None
        values = []
        try:
            if compiled.only is not None and not isinstance(result, tuple):
                var = compiled.only
                return outputs[var].read(result.val, storage)
            for promise in result if isinstance(result, tuple) else (result,):
                var = promise.var
                values.append(outputs[var].read(promise.val, storage))
        except Mismatch as exc:
            raise exc.error(f"{self.name}.outputs.{var}") from exc.__cause__
        return pack_outputs(self.python_interface, values)

    def local_execute(self, ctx: FlyteContext, /, **kwargs: Value) -> Value:
        """Inputs to literals, run, and one ready promise per output; a VoidPromise when there is none.

        Raises:
            TypeConversionError: An input does not fit its declared type.
            CallError: An argument the interface does not have.
        """
        compiled = self._compiled(ctx)
        found = self.run_locally(ctx, self._fill_inputs(ctx, compiled, kwargs)).literals
        names, only = compiled.outputs, compiled.only
        if only is not None and only in found and len(found) == 1:
            return Promise(only, found[only])
        promises = [Promise(name, found[name]) for name in names if name in found]
        if len(found) != len(names) or len(promises) != len(names):
            raise OutputError(self.name, f"declares outputs {list(names)} and gave {sorted(found)}")
        return pack_outputs(self.python_interface, promises) if promises else VoidPromise(self.name)

    def input_literals(self, ctx: FlyteContext, kwargs: Mapping[str, Value]) -> literals.LiteralMap:
        """The inputs of a call as literals. CallError for a name that is no input, TypeConversionError for a value."""
        return self._fill_inputs(ctx, self._compiled(ctx), kwargs)

    def _fill_inputs(
        self, ctx: FlyteContext, compiled: CompiledInterface, kwargs: Mapping[str, Value]
    ) -> literals.LiteralMap:
        converters = compiled.inputs
        literal_map = idl.literals.LiteralMap()
        target, storage, name = literal_map.literals, ctx.storage, ""
        try:
            for name, value in kwargs.items():
                if name not in converters:
                    raise CallError(self.name, f"no input is called {name!r}{nearest(name, converters)}", name)
                if isinstance(value, Promise):
                    target[name].CopyFrom(value.val)
                elif isinstance(value, VoidPromise):
                    reason = f"input {name!r}: task {value.task_name} has no outputs to pass on"
                    raise CallError(self.name, reason, name)
                else:
                    converters[name].fill(target[name], value, storage)
        except Mismatch as exc:
            raise exc.error(f"{self.name}.inputs.{name}") from exc.__cause__
        return literal_map

    def run_locally(
        self, ctx: FlyteContext, inputs: literals.LiteralMap, metadata: TaskMetadata | None = None
    ) -> literals.LiteralMap:
        """Literals in, literals out, with what a cluster honours around it: cache, retries, timeout, environment.

        Args:
            metadata: In place of the task's own, as a workflow's node may override it.
        """
        metadata = self.metadata if metadata is None else metadata
        if not (metadata.cache or metadata.retries or metadata.timeout or metadata.deprecated or self._environment):
            return self.sandbox_execute(ctx, inputs)
        if metadata.cache:
            config = LocalConfig.from_env() if ctx.config is None else ctx.config
            if config.cache_enabled:
                return self._run_cached(ctx, inputs, metadata, config)
        return self._run_uncached(ctx, inputs, metadata)

    def _run_uncached(
        self, ctx: FlyteContext, inputs: literals.LiteralMap, metadata: TaskMetadata
    ) -> literals.LiteralMap:
        warn_if_deprecated(self.name, metadata.deprecated)
        with environment(self._environment):
            return run_attempts(self.name, metadata, ctx, lambda run: self.sandbox_execute(run, inputs))

    def _run_cached(
        self, ctx: FlyteContext, inputs: literals.LiteralMap, metadata: TaskMetadata, config: LocalConfig
    ) -> literals.LiteralMap:
        store = cache.ResultCache(config.cache_dir)
        try:
            types = self._memo.types_digest = self._memo.types_digest or cache.types_digest(self.interface)
            key = cache.cache_key(self.name, metadata, types, inputs, ctx.storage)
        except cache.Uncacheable as exc:
            if self._memo.uncached_because != str(exc):
                self._memo.uncached_because = str(exc)
                _log.warning("task %s runs without the cache: %s", self.name, exc)
            return self._run_uncached(ctx, inputs, metadata)
        with store.locked(key) if metadata.cache_serialize else _NO_LOCK:
            found = None if config.cache_overwrite else store.read(key)
            if found is not None:
                if ctx.plugins.has_observers:
                    ctx.plugins.notify(events.CacheHit(self.name, ctx.rank))
                return found
            outputs = self._run_uncached(ctx, inputs, metadata)
            store.write(key, outputs, ctx.storage)
            return outputs

    def _keep_decks(self, params: ExecutionParameters, storage: StorageRouter) -> None:
        if self._enable_deck:
            keep_page(params.decks, self.name, storage)

    # -- the one path --------------------------------------------------------------------------------------------------

    def dispatch_execute(self, ctx: FlyteContext, input_literal_map: literals.LiteralMap) -> literals.LiteralMap:
        """Literals in, literals out: what a local call, a rank and a container all run.

        Returns:
            One literal per declared output; an empty map for a task without outputs.

        Raises:
            IgnoreOutputs: Raised by `execute` or `post_execute`, passed on as it is.
            TypeConversionError: An input or an output does not fit its declared type.
            Whatever `execute` raises: the same object, with a note that names the task.
        """
        plugins = ctx.plugins
        plugins.load()
        if not plugins.has_observers:
            return self._dispatch(ctx, input_literal_map)
        notify, started = plugins.notify, time.monotonic()
        notify(events.Started(self.name, ctx.rank))
        try:
            outputs = self._dispatch(ctx, input_literal_map)
        except BaseException as exc:
            if ignores_outputs(exc):
                notify(events.Ignored(self.name, ctx.rank))
            elif not self._is_cut_off(ctx) and not is_retried(exc, ctx):
                notify(events.Failed(self.name, ctx.rank, error=exc))
            raise
        if not self._is_cut_off(ctx):
            notify(events.Finished(self.name, ctx.rank, seconds=time.monotonic() - started))
        return outputs

    def _is_cut_off(self, ctx: FlyteContext) -> bool:
        """Has the task's own timeout passed? Then whoever enforces it says how the run ended."""
        return ctx.cancellation.owner == self.name and ctx.cancellation.is_due

    def _dispatch(self, ctx: FlyteContext, input_literal_map: literals.LiteralMap) -> literals.LiteralMap:
        before = ctx.execution_state.user_space_params
        try:
            params = self.pre_execute(before)
        except (Exception, SystemExit) as exc:
            self._blame(exc)
            raise
        params = before if params is None else params
        if self._enable_deck and params is not None:
            params = self._with_decks(params, before)
        run = ctx
        if params is not before:
            run = ctx.with_(execution_state=ctx.execution_state.with_(user_space_params=params))
        token = enter_context(run)
        try:
            return self._run_body(run, params, input_literal_map)
        finally:
            leave_context(token)

    def _run_body(
        self, run: FlyteContext, params: ExecutionParameters | None, input_literal_map: literals.LiteralMap
    ) -> literals.LiteralMap:
        """Everything between `pre_execute` and the output literals, in the context of the run."""
        fields = self._deck_fields if params is not None else []
        clock = self._timeline(params) if fields else None
        compiled = self._compiled(run)
        native = self._native_inputs(run, compiled, input_literal_map)
        if clock is not None:
            clock.mark("inputs")
        if params is not None and fields and DeckField.INPUT in fields:
            add_value_deck(params.decks, DeckField.INPUT, native, self.python_interface.inputs, run.plugins)
        try:
            result = self.execute(**native)
            if clock is not None:
                clock.mark("execute")
            result = self.post_execute(params, result)
        except (Exception, SystemExit) as exc:
            self._blame(exc)
            raise
        if clock is not None:
            clock.mark("post_execute")
        if isinstance(result, idl.literals.LiteralMap):
            return result
        values = compiled.named_outputs(self, result)
        if params is not None and fields and DeckField.OUTPUT in fields:
            add_value_deck(params.decks, DeckField.OUTPUT, values, self.python_interface.outputs, run.plugins)
        outputs = idl.literals.LiteralMap()
        fill_map(outputs.literals, compiled.outputs, values, run.storage, self, "outputs")
        return outputs

    def _with_decks(self, params: ExecutionParameters, before: ExecutionParameters | None) -> ExecutionParameters:
        """The hook's `params` with decks on, in the list that the run's owner reads, also after a failure."""
        decks = before.decks if before is not None else params.decks
        if params.decks is not decks:
            decks.extend(params.decks)
        decks.extend(self._opening_decks())
        return params.with_(enable_deck=True, decks=decks)

    def _timeline(self, params: ExecutionParameters | None) -> Timeline | None:
        if params is None or DeckField.TIMELINE not in self._deck_fields:
            return None
        params.decks.append(Deck(DeckField.TIMELINE.value))
        return Timeline(params.decks[-1])

    def _opening_decks(self) -> list[Deck]:
        """Decks that tell about the task and not about its values."""
        return []

    def _blame(self, error: BaseException) -> None:
        """The task's own code raised it: it is the user's, stays the same object and learns the task's name."""
        if not isinstance(error, IgnoreOutputs):
            mark_user_error(error)
            add_note(error, f"in task {self.name}")

    def _native_inputs(
        self, ctx: FlyteContext, compiled: CompiledInterface, inputs: literals.LiteralMap
    ) -> dict[str, Value]:
        given, storage, name = inputs.literals, ctx.storage, ""
        native: dict[str, Value] = {}
        defaulted = 0
        try:
            for name, converter in compiled.inputs.items():
                if name in given:  # reading a missing key of a protobuf map would create it
                    native[name] = converter.read(given[name], storage)
                elif name in self.python_interface.defaults:
                    native[name] = self.python_interface.defaults[name]
                    defaulted += 1
                else:
                    raise CallError(self.name, f"missing input {name!r}", name)
        except Mismatch as exc:
            raise exc.error(f"{self.name}.inputs.{name}") from exc.__cause__
        if len(given) + defaulted > len(native) and compiled.inputs:
            extra = sorted(name for name in given if name not in native)
            raise CallError(self.name, f"inputs {extra} are not declared; it takes {list(compiled.inputs)}", extra[0])
        return native

    def _compiled(self, ctx: FlyteContext) -> CompiledInterface:
        compiled = self._memo.compiled
        if compiled is None or compiled.registry is not ctx.registry:
            ctx.plugins.load()  # they may bring types
            compiled = self._memo.compiled = self.python_interface.compile(ctx.registry)
            self._memo.types_digest = ""
        return compiled

    def post_execute(self, user_params: ExecutionParameters | None, rval: Value) -> Value:
        """Called after `execute`; may replace its result, also by a ready LiteralMap, or raise IgnoreOutputs."""
        return rval
