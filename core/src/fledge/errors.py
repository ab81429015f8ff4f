"""Everything fledge raises, and the one signal it understands.

Every error derives from `FledgeError` and says three things a machine needs: a `code` for the wire, an `origin`
("USER": the user's code or values; "SYSTEM": anything else) and whether a retry may help (`recoverable`). Children also
inherit the builtin that Python users catch and keep what code needs as fields. Messages name the thing, the place and
the way out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = [
    "CallError",
    "ClaimConflictError",
    "ContributionConflictError",
    "DefinitionError",
    "DuplicateTaskError",
    "FledgeError",
    "HookApiError",
    "HookCallError",
    "IgnoreOutputs",
    "LiveValueError",
    "MetadataError",
    "NonRecoverableError",
    "NotImportableError",
    "OutputError",
    "PluginError",
    "PluginLoadError",
    "RecoverableError",
    "SerializationError",
    "StorageError",
    "TargetConflictError",
    "TaskLoadError",
    "TaskTimeoutError",
    "TypeConversionError",
    "UnknownConfigError",
    "UnsupportedTypeError",
    "add_note",
    "ignores_outputs",
    "mark_user_error",
    "nearest",
    "origin_of",
    "short_repr",
    "type_name",
]


class IgnoreOutputs(Exception):  # noqa: N818 - a signal, not an error; the name is part of the base-task API
    """Raised by a task whose outputs can be safely ignored, as the non-leader ranks of a multi-rank task do."""


class FledgeError(Exception):
    """Base of all errors of fledge. `code`, `origin` and `recoverable` are what the platform is told."""

    code: str = "SYSTEM"
    origin: str = "SYSTEM"
    recoverable: bool = False

    def __init_subclass__(cls, **kwargs: Any) -> None:  # Any: keyword arguments belong to other bases
        super().__init_subclass__(**kwargs)
        if "code" not in cls.__dict__ and cls.origin == "USER":
            cls.code = f"USER:{cls.__name__}"

    def __reduce__(self) -> tuple[Any, ...]:  # Any: the pickle protocol's own shape
        """Rebuild without calling `__init__`, whose arguments are fields and not the message."""
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(cls: type[FledgeError], args: tuple[object, ...], state: Mapping[str, object]) -> FledgeError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


# -- definition time ---------------------------------------------------------------------------------------------------


class DefinitionError(FledgeError, ValueError):
    """Something declared is wrong; found before anything runs."""

    origin = "USER"


class UnsupportedTypeError(DefinitionError, TypeError):
    """No transformer knows this annotation.

    Fields: `path` (as `task.inputs.name`), `python_type`.
    """

    def __init__(self, path: str, python_type: object, hint: str = "") -> None:
        super().__init__(f"{path}: type {python_type!r} is not supported. {hint}".rstrip())
        self.path, self.python_type = path, python_type


class MetadataError(DefinitionError):
    """A field of TaskMetadata is refused. Fields: `field`, `value`, `reason`, `task_name` (empty: of no task yet)."""

    def __init__(self, field: str, value: object, reason: str, task_name: str = "") -> None:
        where = f"task {task_name}: " if task_name else "TaskMetadata."
        super().__init__(f"{where}{field}={value!r}: {reason}")
        self.field, self.value, self.reason, self.task_name = field, value, reason, task_name


class UnknownConfigError(DefinitionError):
    """No plugin claims the type of a `task_config`. Fields: `config_type`, `task_name`."""

    def __init__(self, task_name: str, config_type: type, hint: str) -> None:
        full = f"{config_type.__module__}.{config_type.__qualname__}"
        super().__init__(f"task {task_name}: no installed plugin handles task_config of type {full}. {hint}")
        self.config_type, self.task_name = config_type, task_name


class ClaimConflictError(DefinitionError):
    """Two plugins claim one config type, Python type or storage scheme. Fields: `thing`, `first`, `second`."""

    def __init__(self, thing: str, first: str, second: str) -> None:
        super().__init__(
            f"{thing} is claimed by two plugins, {first} and {second}. Switch one off: FLEDGE_DISABLE_PLUGINS={second}"
        )
        self.thing, self.first, self.second = thing, first, second


class NotImportableError(DefinitionError):
    """A task cannot be found again by module and name, as a container has to. Fields: `task_name`."""

    def __init__(self, task_name: str, reason: str) -> None:
        super().__init__(f"task {task_name} cannot be loaded by name: {reason}")
        self.task_name = task_name


class DuplicateTaskError(DefinitionError):
    """One task name, two source files. Fields: `task_name`, `first`, `second`."""

    def __init__(self, task_name: str, first: str, second: str) -> None:
        super().__init__(f"task {task_name} is defined in {first} and again in {second}. Rename one of them")
        self.task_name, self.first, self.second = task_name, first, second


# -- call and run time -------------------------------------------------------------------------------------------------


class CallError(FledgeError, TypeError):
    """A task was called with arguments it does not take, or without some it needs. Fields: `task_name`, `argument`."""

    origin = "USER"

    def __init__(self, task_name: str, message: str, argument: str = "") -> None:
        super().__init__(f"{task_name}(): {message}")
        self.task_name, self.argument = task_name, argument


class TypeConversionError(FledgeError, TypeError):
    """A value does not fit the declared type.

    Fields: `path` (as `inputs.rows[3].price`), `expected`, `value`, `reason`.
    """

    origin = "USER"

    def __init__(self, path: str, expected: object, value: object, reason: str = "") -> None:
        expected = expected if isinstance(expected, str) else type_name(expected)
        text = f"{path + ': ' if path else ''}expected {expected}, got {type(value).__name__} {short_repr(value)}"
        super().__init__(f"{text} ({reason})" if reason else text)
        self.path, self.expected, self.value, self.reason = path, expected, value, reason


class OutputError(FledgeError, TypeError):
    """What a task returned does not fit the outputs it declares. Fields: `task_name`."""

    origin = "USER"

    def __init__(self, task_name: str, message: str) -> None:
        super().__init__(f"{task_name}: {message}")
        self.task_name = task_name


class RecoverableError(FledgeError):
    """For users to raise: the attempt failed, another one may succeed (`retries`)."""

    origin = "USER"
    recoverable = True


class NonRecoverableError(FledgeError):
    """For users to raise: no retry can help."""

    origin = "USER"


class TaskTimeoutError(FledgeError, TimeoutError):
    """A task ran longer than its `timeout`. Fields: `task_name`, `timeout_s`."""

    origin = "USER"

    def __init__(self, task_name: str, timeout_s: float) -> None:
        super().__init__(f"task {task_name} ran longer than its timeout of {timeout_s:g} s")
        self.task_name, self.timeout_s = task_name, timeout_s


class TaskLoadError(FledgeError, ImportError):
    """A task could not be loaded from its resolver's arguments. Fields: `loader_args`."""

    origin = "USER"

    def __init__(self, message: str, loader_args: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.loader_args = list(loader_args)


class StorageError(FledgeError, OSError):
    """Bytes could not be read from or written to a URI. Fields: `uri`.

    The platform may try again, unless `recoverable` is False: no storage serves the scheme.
    """

    recoverable = True

    def __init__(self, uri: str, reason: str, *, recoverable: bool = True) -> None:
        super().__init__(f"{uri}: {reason}")
        self.uri, self.recoverable = uri, recoverable


class LiveValueError(FledgeError):
    """A value that lives only inside one run was used outside of it. Fields: `uri`."""

    def __init__(self, uri: str, reason: str) -> None:
        super().__init__(f"{uri}: {reason}")
        self.uri = uri


# -- serialization and plugins -----------------------------------------------------------------------------------------


class SerializationError(FledgeError):
    """A task cannot be written as a message."""

    origin = "USER"


class ContributionConflictError(SerializationError):
    """Two contributors set one key to different values. Fields: `field`, `key`, `first`, `second` (who), `values`."""

    def __init__(self, field: str, key: str, first: str, second: str, values: tuple[object, object]) -> None:
        where = f"{field}.{key}" if key else field
        super().__init__(
            f"{where} is set to {short_repr(values[0])} by {first} and to {short_repr(values[1])} by {second}. "
            f'Settle it with SerializationSettings(prefer={{"{where}": "{second}"}})'
        )
        self.field, self.key, self.first, self.second, self.values = field, key, first, second, values


class TargetConflictError(SerializationError):
    """A template has one target: container, k8s_pod or sql. Fields: `task_name`, `targets` (target -> who)."""

    def __init__(self, task_name: str, targets: Mapping[str, str]) -> None:
        listed = ", ".join(f"{target} (set by {who})" for target, who in targets.items())
        super().__init__(f"task {task_name} has more than one target: {listed}. Keep one of them")
        self.task_name, self.targets = task_name, dict(targets)


class PluginError(FledgeError):
    """A plugin is at fault. Fields: `plugin`."""

    def __init__(self, plugin: str, message: str) -> None:
        super().__init__(f"plugin {plugin}: {message}")
        self.plugin = plugin


class PluginLoadError(PluginError):
    """A plugin could not be imported or registered."""


class HookApiError(PluginError):
    """A plugin was written for another hook API, or implements a hook in a way the API does not allow."""


class HookCallError(PluginError):
    """A plugin's hook raised. Fields: `plugin`, `hook`, `task_name`; the cause is chained."""

    def __init__(self, plugin: str, hook: str, task_name: str, message: str) -> None:
        super().__init__(plugin, f"{hook}() failed for task {task_name}: {message}")
        self.hook, self.task_name = hook, task_name


# -- helpers for messages ----------------------------------------------------------------------------------------------


def add_note(error: BaseException, note: str) -> None:
    """Attach a note once; on Python 3.10 it is stored where 3.11 keeps it. The exception itself stays as it is."""
    if note in getattr(error, "__notes__", ()):
        return
    # Not `error.add_note`, which sets an attribute: a frozen dataclass may be an exception as well.
    error.__dict__["__notes__"] = [*getattr(error, "__notes__", ()), note]


def ignores_outputs(error: BaseException | None) -> bool:
    """Is the error IgnoreOutputs, or a wrapper with IgnoreOutputs as its cause at any depth?"""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, IgnoreOutputs):
            return True
        seen.add(id(error))
        error = error.__cause__
    return False


def mark_user_error(error: BaseException) -> None:
    """Remember that the user's code raised this foreign exception; ours carry their origin themselves."""
    if not isinstance(error, FledgeError):
        error.__dict__["__fledge_origin__"] = "USER"


def origin_of(error: BaseException) -> str:
    """`USER` or `SYSTEM`."""
    if isinstance(error, FledgeError):
        return error.origin
    origin: str = error.__dict__.get("__fledge_origin__", "SYSTEM")
    return origin


def short_repr(value: object, limit: int = 80) -> str:
    """`repr` cut to `limit` characters, safe for objects whose own repr raises."""
    try:
        text = repr(value)
    except Exception as exc:  # noqa: BLE001 - a user's repr may raise anything; the message must still be made
        text = f"<unprintable {type(value).__name__}: {type(exc).__name__}>"
    if "\n" in text:  # a message or a table: one line of it
        text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 3] + "..."


def type_name(python_type: object) -> str:
    """`int`, `list[int]`, `mymodule.Row`: a type as a user would write it."""
    if isinstance(python_type, type) and not hasattr(python_type, "__origin__"):
        module = python_type.__module__
        return python_type.__qualname__ if module == "builtins" else f"{module}.{python_type.__qualname__}"
    return str(python_type).replace("typing.", "")


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` when a known name is close to `word`, else an empty string."""
    from difflib import get_close_matches  # noqa: PLC0415 - only errors need it, and it imports re

    found = get_close_matches(word, list(known), n=1)
    return f"; did you mean {found[0]!r}?" if found else ""
