"""A task and the settings -> TaskTemplate or TaskSpec: a pure function. Twice gives equal bytes; the task is untouched.

Also remembers, for every field, who set it: the task or a plugin's hook (`explain`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from fledge import idl
from fledge.base_task import PythonTask, Task
from fledge.context import FlyteContextManager
from fledge.errors import SerializationError, TargetConflictError
from fledge.hooks.merge import Origins, merge, replace_message

if TYPE_CHECKING:
    from fledge.idl import admin_description, admin_task, tasks
    from fledge.settings import Documentation, SerializationSettings

__all__ = ["Explanation", "describe", "explain", "task_spec", "task_template"]

_TASK = "the task"
_OWN_FIELDS = ("id", "type", "metadata", "interface", "task_type_version")
_TARGETS = ("container", "k8s_pod", "sql")
_REPLACED = ("sql", "container", "extended_resources")


class Contributors(Protocol):
    """What serialization needs of the plugin manager."""

    def implements(self, hook: str) -> bool: ...

    def contributions(self, hook: str, task: Task, **arguments: object) -> list[tuple[str, Any]]: ...


@dataclass(frozen=True)
class Explanation:
    """Who set what: `origins` maps a field (`custom.workers`, `container`) to "the task" or a plugin's name."""

    task_name: str
    template: tasks.TaskTemplate
    origins: Mapping[str, str] = field(default_factory=dict)


def task_template(task: Task, settings: SerializationSettings) -> tasks.TaskTemplate:
    """flyteidl.core.TaskTemplate of a task, plugins' contributions merged in.

    Raises:
        SerializationError: The task has no Python interface, or a contribution is not what the field can hold.
        ContributionConflictError: Two contributors set one key to different values.
        TargetConflictError: More than one of container, k8s_pod and sql is set.
        HookCallError: A plugin's hook raised.
    """
    return explain(task, settings).template


def task_spec(task: Task, settings: SerializationSettings) -> admin_task.TaskSpec:
    """flyteidl.admin.TaskSpec: the template and its description."""
    spec = idl.admin_task.TaskSpec(template=task_template(task, settings))
    describe(spec.description, task.docs)
    return spec


def describe(message: admin_description.DescriptionEntity, docs: Documentation | None) -> None:
    """Write documentation into an empty message."""
    if docs is None:
        return
    message.short_description = docs.short_description or ""
    if docs.long_description is not None:  # an empty one still has its format
        if docs.long_description:
            message.long_description.value = docs.long_description
        message.long_description.format = idl.admin_description.DescriptionFormat.DESCRIPTION_FORMAT_RST
    if docs.source_code:
        message.source_code.link = docs.source_code


def explain(task: Task, settings: SerializationSettings) -> Explanation:
    """The template together with who set each of its fields. Raises what `task_template` raises."""
    if not isinstance(task, PythonTask):
        raise SerializationError(
            f"{task!r} has no Python interface; only PythonTask and its children can be serialized"
        )
    template = idl.tasks.TaskTemplate(
        type=task.task_type,
        metadata=task.metadata.to_taskmetadata_model(),
        interface=task.interface,
        task_type_version=task.task_type_version,
    )
    name = template.id
    name.resource_type, name.name = idl.identifier.TASK, task.name
    name.project, name.domain, name.version = settings.project or "", settings.domain or "", settings.version or ""
    origins: Origins = dict.fromkeys(_OWN_FIELDS, _TASK)
    if task.enable_deck:
        template.metadata.generates_deck.value = True
    security = task.security_context
    if security is not None and security.ByteSize():
        template.security_context.CopyFrom(security)
        origins["security_context"] = _TASK
    plugins: Contributors = FlyteContextManager.current_context().plugins  # type: ignore[assignment] # it is the manager
    _merge_mappings(template, task, settings, plugins, origins)
    _set_messages(template, task, settings, plugins, origins)
    return Explanation(task.name, template, origins)


def _merge_mappings(
    template: tasks.TaskTemplate,
    task: Task,
    settings: SerializationSettings,
    plugins: Contributors,
    origins: Origins,
) -> None:
    custom, who = _merged("custom", task.get_custom(settings), task, settings, plugins)
    if custom:
        _refuse_inexact(task.name, custom, "custom")
        try:
            idl.json_format.ParseDict(custom, template.custom)
        except (idl.json_format.ParseError, TypeError, ValueError) as exc:
            raise SerializationError(f"task {task.name}: custom is not JSON ({_origin_text(who)}): {exc}") from exc
        origins.update(who)
    config, who = _merged("config", task.get_config(settings), task, settings, plugins)
    for key, value in config.items():
        if not isinstance(value, str):
            at = f"config.{key}"
            raise SerializationError(f"task {task.name}: {at} must be text, {who.get(at, _TASK)} gave {value!r}")
        template.config[key] = value
    origins.update(who)


def _merged(
    name: str,
    own: Mapping[str, Any] | None,  # Any: JSON
    task: Task,
    settings: SerializationSettings,
    plugins: Contributors,
) -> tuple[dict[str, Any], Origins]:  # Any: JSON
    """The task's own mapping and those of plugins, and who set what."""
    hook = f"get_{name}"
    answers = plugins.contributions(hook, task, settings=settings) if plugins.implements(hook) else []
    return merge(name, [(_TASK, own), *answers], settings.prefer) if own or answers else ({}, {})


def _refuse_inexact(task_name: str, value: object, where: str) -> None:
    """SerializationError for a whole number that would change: the numbers of `custom` are doubles."""
    if isinstance(value, int):
        bits = value.bit_length()
        if bits > 53 and (bits > 1024 or value % (1 << (bits - 53))):
            raise SerializationError(f"task {task_name}: {where} cannot hold {value} exactly. Write it as text")
    elif isinstance(value, Mapping):
        for key, one in value.items():
            _refuse_inexact(task_name, one, f"{where}.{key}")
    elif isinstance(value, (list, tuple)):
        for number, one in enumerate(value):
            _refuse_inexact(task_name, one, f"{where}[{number}]")


def _set_messages(
    template: tasks.TaskTemplate,
    task: Task,
    settings: SerializationSettings,
    plugins: Contributors,
    origins: Origins,
) -> None:
    """Set container or pod or SQL, and the extended resources; at most one of the first three may be left."""
    found = {}
    for name in _REPLACED:
        own = getattr(task, f"get_{name}")(settings)
        found[name] = _replaced(name, own, task, settings, plugins)[:2]
    container = found["container"][0]
    pod, who, is_given = _replaced("k8s_pod", task.get_k8s_pod(settings), task, settings, plugins, container=container)
    found["k8s_pod"] = (pod, who)
    if is_given:
        found["container"] = (None, "")  # a plugin's pod was built on it
    targets = {name: found[name][1] for name in _TARGETS if found[name][0] is not None}
    if len(targets) > 1:
        raise TargetConflictError(task.name, targets)
    for name, (message, who) in found.items():
        if message is not None:
            getattr(template, name).CopyFrom(message)
            origins[name] = who


def _replaced(
    name: str,
    own: Any,  # Any: some message or None
    task: Task,
    settings: SerializationSettings,
    plugins: Contributors,
    **others: Any,  # Any: as `own`
) -> tuple[Any, str, bool]:  # Any: as `own`
    """The message that stands, who gave it, and whether that was a plugin."""
    hook = f"get_{name}"
    if not plugins.implements(hook):
        return own, "" if own is None else _TASK, False
    handed = {key: _copy(message) for key, message in {"own": own, **others}.items()}
    answers = plugins.contributions(hook, task, settings=settings, **handed)
    message, who = replace_message(name, (_TASK, own), answers, settings.prefer)
    return message, who, any(answer is not None for _, answer in answers)


def _copy(message: Any) -> Any:  # Any: some message or None
    """A plugin is handed a copy: what it does to it reaches nobody."""
    if message is None:
        return None
    copy = type(message)()
    copy.CopyFrom(message)
    return copy


def _origin_text(origins: Origins) -> str:
    return ", ".join(f"{field} by {who}" for field, who in sorted(origins.items()))
