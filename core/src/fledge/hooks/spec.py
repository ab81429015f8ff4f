"""The whole plugin contract on one screen: what a plugin may register, contribute, observe and render.

A plugin's hook module sets `HOOK_API = 1` and marks its functions with `@hookimpl`. An implementation takes any subset
of a hook's arguments, by name. There is no order between plugins: results never depend on what was installed first, so
wrappers, `tryfirst` and `trylast` are refused. Entry point: `[project.entry-points.fledge]  NAME = "package.hooks"`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pluggy import HookimplMarker, HookspecMarker

if TYPE_CHECKING:
    from fledge.base_task import PythonTask, Task
    from fledge.events import TaskEvent
    from fledge.idl import tasks
    from fledge.settings import SerializationSettings
    from fledge.storage import Storage
    from fledge.types.base import TypeTransformer

__all__ = [
    "HOOK_API",
    "JSON",
    "get_config",
    "get_container",
    "get_custom",
    "get_extended_resources",
    "get_k8s_pod",
    "get_sql",
    "hookimpl",
    "register_storage",
    "register_task_types",
    "register_types",
    "render",
    "task_event",
]

HOOK_API = 1
JSON = Any  # Any: a recursive alias of str, int, float, bool, None, list and dict helps no reader here

hookspec = HookspecMarker("fledge")
hookimpl = HookimplMarker("fledge")


# -- A. registration: once, after the plugins are loaded. An exception quarantines the plugin -------------------------


@hookspec
def register_task_types(register: Callable[[type, type[PythonTask[Any]]], None]) -> None:  # Any: of any config
    """Claim config types: `register(Config, TaskClass)` makes `@task(task_config=Config(...))` a `TaskClass`."""


@hookspec
def register_types(register: Callable[[TypeTransformer[Any]], None]) -> None:  # Any: of any Python type
    """Bring transformers between Python values and literals: `register(transformer)`."""


@hookspec
def register_storage(register: Callable[[str, Callable[[], Storage]], None]) -> None:
    """Bring storages: `register("s3", factory)`; the factory is called when the scheme is first used."""


# -- B. contributions: once per template, pure, after the task's own method. None and {} mean nothing ------------------
# get_custom and get_config are merged key by key (lists are atoms); two different values: ContributionConflictError.


@hookspec
def get_custom(task: Task, settings: SerializationSettings) -> Mapping[str, JSON] | None:
    """Keys for `TaskTemplate.custom`, merged with the task's own and every other plugin's."""


@hookspec
def get_config(task: Task, settings: SerializationSettings) -> Mapping[str, str] | None:
    """Keys for `TaskTemplate.config`, merged with the task's own and every other plugin's."""


# The other four are replaced: `own` is a copy of the task's own message or None; at most one plugin may answer.


@hookspec
def get_sql(task: Task, settings: SerializationSettings, own: tasks.Sql | None) -> tasks.Sql | None:
    """The statement that a hosted engine runs, in place of the task's own."""


@hookspec
def get_container(task: Task, settings: SerializationSettings, own: tasks.Container | None) -> tasks.Container | None:
    """The container, in place of the task's own."""


@hookspec
def get_k8s_pod(
    task: Task, settings: SerializationSettings, own: tasks.K8sPod | None, container: tasks.Container | None
) -> tasks.K8sPod | None:
    """The pod, in place of the task's own; an answer also replaces the container, which is handed in to build on."""


@hookspec
def get_extended_resources(
    task: Task, settings: SerializationSettings, own: tasks.ExtendedResources | None
) -> tasks.ExtendedResources | None:
    """Accelerators and shared memory, in place of the task's own."""


# -- C. events: never change or break a task. An exception is logged once per plugin -----------------------------------


@hookspec
def task_event(event: TaskEvent) -> None:
    """Started, Retrying, CacheHit, Finished, Failed or Ignored; called in the process that runs the task."""


# -- D. report ---------------------------------------------------------------------------------------------------------


@hookspec
def render(value: object, python_type: type) -> str | None:
    """HTML for one value in a deck; None: not mine. An exception falls back to the value's repr."""
