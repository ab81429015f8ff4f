"""A task and the settings -> TaskTemplate or TaskSpec: a pure function. Twice gives equal bytes; the task is untouched.

Also remembers, for every field, who set it: the task or a plugin's hook (`explain`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import isfinite
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from fledge import idl
from fledge.base_task import PythonTask, Task
from fledge.context import FlyteContextManager
from fledge.errors import SerializationError, TargetConflictError, short_repr
from fledge.hooks.merge import Origins, merge, replace_message

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from fledge.idl import admin_description, admin_task, tasks
    from fledge.settings import Documentation, SerializationSettings

__all__ = ["Explanation", "describe", "explain", "task_spec", "task_template"]

_TASK = "the task"
_OWN_FIELDS = ("id", "type", "metadata", "interface", "task_type_version")
_TARGETS = ("container", "k8s_pod", "sql")
_REPLACED = ("sql", "container", "extended_resources")
_DEEPEST = 30  # a level of `custom` is three messages, and protobuf reads 100 inside each other


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
        try:
            template.config[key] = value
        except UnicodeEncodeError as exc:
            raise SerializationError(f"task {task.name}: config.{key} cannot be encoded: {exc}") from exc
    origins.update(who)


def _merged(
    name: str,
    own: Mapping[str, Any] | None,  # Any: JSON
    task: Task,
    settings: SerializationSettings,
    plugins: Contributors,
) -> tuple[dict[str, Any], Origins]:  # Any: JSON
    """The task's own mapping and those of plugins, and who set what."""
    answers = _answers(name, task, settings, plugins)
    if own is None and not answers:
        return {}, {}
    given = [(_TASK, own), *answers]
    for who, mapping in given:
        if mapping is not None and not isinstance(mapping, Mapping):
            raise SerializationError(f"task {task.name}: {name}: {who} gave a {type(mapping).__name__}, not a mapping")
        if name == "custom" and mapping:
            _check_json(task.name, mapping, name, who)
    return merge(name, given, settings.prefer)


def _answers(
    name: str,
    task: Task,
    settings: SerializationSettings,
    plugins: Contributors,
    **handed: Message | None,
) -> list[tuple[str, Any]]:  # Any: a mapping or a message
    """Who of the plugins contributes what. What they are handed cannot be changed, or is a copy of their own."""
    hook = f"get_{name}"
    if not plugins.implements(hook):
        return []
    copies = {key: _copy(message) for key, message in handed.items()}
    env, prefer = MappingProxyType(dict(settings.env)), MappingProxyType(dict(settings.prefer))
    return plugins.contributions(hook, task, settings=replace(settings, env=env, prefer=prefer), **copies)


def _check_json(task_name: str, value: object, where: str, who: str, depth: int = 0) -> None:
    """SerializationError for what JSON does not know, a number that a double would change, and what nests too deep."""
    if value is None or isinstance(value, str):
        return
    if isinstance(value, int):
        bits = value.bit_length()
        if bits > 53 and (bits > 1024 or value % (1 << (bits - 53))):
            reason = f"{where} cannot hold {value} exactly. Write it as text"
            raise SerializationError(f"task {task_name}: {reason} (set by {who})")
    elif isinstance(value, float) and isfinite(value):
        return
    elif isinstance(value, (Mapping, list, tuple)) and depth < _DEEPEST:
        if isinstance(value, Mapping):
            inside = [(f"{where}.{key}", one) for key, one in value.items()]
        else:
            inside = [(f"{where}[{number}]", one) for number, one in enumerate(value)]
        for at, one in inside:
            _check_json(task_name, one, at, who, depth + 1)
    else:
        reason = f"more than {_DEEPEST} levels" if depth == _DEEPEST else short_repr(value)
        raise SerializationError(f"task {task_name}: custom is not JSON ({where} by {who}): {reason}")


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
            target = getattr(template, name)
            try:
                target.CopyFrom(message)
            except TypeError as exc:
                kinds = f"a {type(message).__name__}, not a {type(target).__name__} message"
                raise SerializationError(f"task {task.name}: {name}: {who} gave {kinds}") from exc
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
    answers = _answers(name, task, settings, plugins, own=own, **others)
    if not answers:
        return own, "" if own is None else _TASK, False
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
