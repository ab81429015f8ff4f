"""A Python value as text that says value and type, and that two SDKs can be compared by."""

from __future__ import annotations

import dataclasses
import inspect
import types
from collections.abc import Mapping
from enum import Enum
from typing import Any

__all__ = ["carried", "plain"]


def plain(value: Any) -> str:  # Any: of whatever type
    """`repr` in a form of its own: floats keep their sign, dicts are sorted, files are told by where they come from."""
    name = type(value).__name__
    if name in ("FlyteFile", "FlyteDirectory"):
        return f"{name}({value.remote_source or value.path!s})"
    if inspect.iscoroutine(value):
        value.close()
        return "a coroutine"
    if isinstance(value, Enum):
        return f"{name}.{value.name}"
    if isinstance(value, tuple) and (fields := getattr(value, "_fields", ())):
        return f"{name}({_pairs(dict(zip(fields, value, strict=True)))})"
    if isinstance(value, Mapping):
        entries = sorted(f"{plain(key)}: {plain(item)}" for key, item in value.items())
        return "{" + ", ".join(entries) + "}"
    if isinstance(value, (list, tuple)):
        inner = ", ".join(map(plain, value))
        return f"[{inner}]" if isinstance(value, list) else f"({inner},)"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return f"{name}({_pairs({one.name: getattr(value, one.name) for one in dataclasses.fields(value)})})"
    return repr(value)


def _pairs(fields: Mapping[str, object]) -> str:
    return ", ".join(f"{name}={plain(item)}" for name, item in fields.items())


def carried(value: Any, module: types.ModuleType) -> Any:  # Any: of whatever type
    """The value with its classes taken from another copy of the module that defines them."""
    cls = getattr(module, type(value).__name__, None) if type(value).__module__ == module.__name__ else None
    if cls is None:
        if isinstance(value, dict):
            return {carried(key, module): carried(item, module) for key, item in value.items()}
        return [carried(item, module) for item in value] if isinstance(value, list) else value
    if isinstance(value, Enum):
        return cls[value.name]
    return cls(**{one.name: carried(getattr(value, one.name), module) for one in dataclasses.fields(value)})
