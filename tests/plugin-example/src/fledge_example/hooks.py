"""The hook functions, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from fledge.hooks.spec import hookimpl
from fledge_example.memory import MemoryStorage
from fledge_example.money import Money, MoneyTransformer
from fledge_example.owned import Owned, OwnedTask

if TYPE_CHECKING:
    from fledge.base_task import PythonTask, Task
    from fledge.events import TaskEvent
    from fledge.idl import tasks
    from fledge.settings import SerializationSettings
    from fledge.storage import Storage
    from fledge.types.base import TypeTransformer

HOOK_API = 1

seen: list[str] = []
"""What `task_event` was told, for the tests."""


@hookimpl
def register_task_types(register: Callable[[type, type[PythonTask[Any]]], None]) -> None:  # Any: of any config
    register(Owned, OwnedTask)


@hookimpl
def register_types(register: Callable[[TypeTransformer[Any]], None]) -> None:  # Any: of any Python type
    register(MoneyTransformer())


@hookimpl
def register_storage(register: Callable[[str, Callable[[], Storage]], None]) -> None:
    register("mem", MemoryStorage)


@hookimpl
def get_custom(task: Task) -> Mapping[str, Any] | None:  # Any: JSON
    return {"owner": {"plugin": "example"}}


@hookimpl
def get_config(settings: SerializationSettings) -> Mapping[str, str] | None:
    return {"cost-center": f"{settings.project}-4711"} if settings.project else None


@hookimpl
def get_sql(own: tasks.Sql | None) -> tasks.Sql | None:
    return None


@hookimpl
def get_container(task: Task, own: tasks.Container | None) -> tasks.Container | None:
    """Adds one variable to the tasks of its own type."""
    if own is None or not isinstance(task, OwnedTask) or task.task_config is None:
        return None
    own.env.add(key="OWNER", value=task.task_config.team)
    return own


@hookimpl
def get_k8s_pod(own: tasks.K8sPod | None, container: tasks.Container | None) -> tasks.K8sPod | None:
    return None


@hookimpl
def get_extended_resources(own: tasks.ExtendedResources | None) -> tasks.ExtendedResources | None:
    return None


@hookimpl
def task_event(event: TaskEvent) -> None:
    seen.append(type(event).__name__)


@hookimpl
def render(value: object) -> str | None:
    return f"<b>{value.cents / 100:.2f} {escape(value.currency)}</b>" if isinstance(value, Money) else None
