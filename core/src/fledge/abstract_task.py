"""Task, closest to the TaskTemplate message, and TaskResolverMixin: how a container finds its task again."""

# ruff: noqa: ARG002 - the signatures are the contract: a base method takes what its children need

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from fledge import idl
from fledge.context import ExecutionParameters, ExecutionState, FlyteContext, Scratch
from fledge.errors import CallError, DefinitionError, nearest
from fledge.lazy import lazy
from fledge.metadata import TaskMetadata

if TYPE_CHECKING:
    from fledge import settings as configuration
    from fledge.idl import interface as interface_messages
    from fledge.idl import literals, security, tasks
    from fledge.interface import Interface
    from fledge.settings import Documentation, SerializationSettings
    from fledge.storage import StorageRouter
else:
    configuration = lazy("fledge.settings")

__all__ = ["Task", "TaskResolverMixin", "Value", "checked_environment"]

Value = Any  # Any: whatever type the task declares


# What a misspelt argument of a task may have meant.
_ARGUMENTS = (
    *("accelerator", "annotations", "cache", "cache_helpers", "cache_ignore_input_vars", "cache_serialize"),
    *("cache_version", "container_image", "deck_fields", "deprecated", "docs", "enable_deck", "environment"),
    *("interruptible", "labels", "limits", "metadata", "pod_template", "pod_template_name", "requests", "resources"),
    *("retries", "secret_requests", "security_ctx", "shared_memory", "tags", "task_config", "task_resolver"),
    *("task_type_version", "timeout"),
)


class Task:
    """The base of all tasks: closest to the TaskTemplate message, without a Python interface of its own.

    Args:
        task_type: What the backend dispatches on, e.g. `python-task`.
        name: Unique per project, domain and version.
        interface: Typed inputs and outputs.
        metadata: Retries, timeout, cache and the like.
        task_type_version: Version of the protocol between a task type and the backend's plugin for it.
        security_ctx: Identity and secrets the task needs.
        docs: What the platform shows about the task.
    """

    def __init__(
        self,
        task_type: str,
        name: str,
        interface: interface_messages.TypedInterface | None,
        metadata: TaskMetadata | None = None,
        task_type_version: int = 0,
        security_ctx: security.SecurityContext | None = None,
        docs: Documentation | None = None,
        **kwargs: Any,  # Any: only there to be refused by name
    ) -> None:
        for unknown in kwargs:
            raise DefinitionError(f"task {name}: unknown argument {unknown!r}{nearest(unknown, _ARGUMENTS)}")
        if docs is not None and not isinstance(docs, configuration.Documentation):
            raise DefinitionError(f"task {name}: docs={docs!r}: write docs=Documentation({str(docs)!r})")
        self._task_type = task_type
        self._name = name
        self._interface = interface
        self._metadata = metadata if metadata is not None else TaskMetadata()
        self._task_type_version = task_type_version
        self._security_ctx = security_ctx
        self._docs = docs

    @property
    def interface(self) -> interface_messages.TypedInterface:
        return self._interface if self._interface is not None else idl.interface.TypedInterface()

    @property
    def metadata(self) -> TaskMetadata:
        return self._metadata

    @property
    def name(self) -> str:
        return self._name

    @property
    def task_type(self) -> str:
        return self._task_type

    @property
    def python_interface(self) -> Interface | None:
        return None

    @property
    def task_type_version(self) -> int:
        return self._task_type_version

    @property
    def security_context(self) -> security.SecurityContext | None:
        return self._security_ctx

    @property
    def docs(self) -> Documentation | None:
        return self._docs

    def get_type_for_input_var(self, k: str, v: Value) -> type:
        """The run-time type of the value: a bare task knows no declared one."""
        return type(v)

    def get_type_for_output_var(self, k: str, v: Value) -> type:
        """The run-time type of the value: a bare task knows no declared one."""
        return type(v)

    def get_input_types(self) -> dict[str, type] | None:
        return None

    def compile(self, ctx: FlyteContext, /, *args: Value, **kwargs: Value) -> Value:
        raise NotImplementedError(f"task {self.name} of type {type(self).__name__} cannot stand in a workflow")

    def get_container(self, settings: SerializationSettings) -> tasks.Container | None:
        """The container that runs the task, if a container does."""
        return None

    def get_k8s_pod(self, settings: SerializationSettings) -> tasks.K8sPod | None:
        """The pod that runs the task, if it needs more than a container."""
        return None

    def get_sql(self, settings: SerializationSettings) -> tasks.Sql | None:
        """The statement, if a hosted engine runs the task."""
        return None

    def get_custom(self, settings: SerializationSettings) -> Mapping[str, Any] | None:
        """The task's own contribution to `TaskTemplate.custom`: JSON that the backend's plugin reads."""
        return None

    def get_config(self, settings: SerializationSettings) -> Mapping[str, str] | None:
        """The task's own contribution to `TaskTemplate.config`."""
        return None

    def get_extended_resources(self, settings: SerializationSettings) -> tasks.ExtendedResources | None:
        """Accelerators and shared memory."""
        return None

    def local_execution_mode(self) -> ExecutionState.Mode:
        return ExecutionState.Mode.LOCAL_TASK_EXECUTION

    def __call__(self, /, *args: Value, **kwargs: Value) -> Value:
        raise CallError(self.name, f"a {type(self).__name__} without a Python interface cannot be called")

    def local_execute(self, ctx: FlyteContext, /, **kwargs: Value) -> Value:
        return self._abstract("local_execute")

    def sandbox_execute(self, ctx: FlyteContext, input_literal_map: literals.LiteralMap) -> literals.LiteralMap:
        """Run with fresh user parameters; local runs only."""
        scratch = Scratch()
        params = ExecutionParameters.of_local_run(self.name, scratch)
        if ctx.attempts is not None:
            params = params.with_(_attempts=ctx.attempts)
        outer = ctx.execution_state
        state = ExecutionState(outer.mode, params, outer.working_dir, outer.branch_skipped)
        storage = ctx.storage.with_(live=ctx.storage.live, scratch=scratch.made)
        try:
            return self.dispatch_execute(ctx.for_run(state, storage, ctx.retries_left), input_literal_map)
        finally:
            if params.decks:
                self._keep_decks(params, storage)
            if scratch.folder is not None:
                scratch.remove()

    def _keep_decks(self, params: ExecutionParameters, storage: StorageRouter) -> None:
        """Where a local run's decks go; a bare task has none."""

    def dispatch_execute(self, ctx: FlyteContext, input_literal_map: literals.LiteralMap) -> literals.LiteralMap:
        return self._abstract("dispatch_execute")

    def pre_execute(self, user_params: ExecutionParameters | None) -> ExecutionParameters | None:
        return user_params

    def execute(self, /, **kwargs: Value) -> Value:
        return self._abstract("execute")

    def _abstract(self, method: str) -> NoReturn:
        raise NotImplementedError(f"{type(self).__name__}.{method}() is not implemented (task {self.name})")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


class TaskResolverMixin:
    """How a container finds its task again: `loader_args` at serialization, `load_task` in the container.

    A resolver lives at an importable `location`; the container's command line carries the location and the arguments.
    """

    @property
    def location(self) -> str:
        """Importable dotted path of this resolver object."""
        raise NotImplementedError(f"{type(self).__name__}.location")

    def name(self) -> str:
        return type(self).__name__

    def load_task(self, loader_args: list[str]) -> Task:
        """The task those arguments name. TaskLoadError when there is none."""
        raise NotImplementedError(f"{type(self).__name__}.load_task")

    def loader_args(self, settings: SerializationSettings, t: Task) -> list[str]:
        """The arguments from which `load_task` finds this task."""
        raise NotImplementedError(f"{type(self).__name__}.loader_args")

    def get_all_tasks(self) -> list[Task]:
        """The tasks this resolver knows, where it keeps any."""
        raise NotImplementedError(f"{type(self).__name__}.get_all_tasks")

    def task_name(self, t: Task) -> str | None:
        """A name for the task in place of its own, or None. Nothing of fledge asks: names do not change by context."""
        return None


def checked_environment(task_name: str, environment: Mapping[str, str] | None) -> dict[str, str]:
    """A copy. DefinitionError for what no process can have in its environment."""
    if environment is not None and not isinstance(environment, Mapping):
        raise DefinitionError(
            f"task {task_name}: environment={environment!r}: give a dict of texts: {{'NAME': 'value'}}"
        )
    checked = dict(environment or {})
    for variable, value in checked.items():
        for one in (variable, value):
            if not isinstance(one, str) or "\0" in one:
                reason = f"{one!r} must be text. Write {str(one)!r}"
                raise DefinitionError(f"task {task_name}: environment={{{variable!r}: {value!r}}}: {reason}")
        if not variable or "=" in variable:
            raise DefinitionError(f"task {task_name}: environment: {variable!r} cannot be the name of a variable")
    return checked
