"""A value or literal that does not fit, on its way up to where its whole path is known.

Conversions raise `Mismatch` where they find the problem; every container on the way up adds its own step (`.price`,
`[3]`), so that a path costs nothing until something is wrong. The outermost converter turns it into a
TypeConversionError.
"""

from __future__ import annotations

import datetime as dt
import typing
from typing import Any

from fledge.errors import FledgeError, TypeConversionError, short_repr, type_name

__all__ = ["Mismatch", "from_foreign", "key_step"]


_ATOMS = (bool, float, int, str)
_PANDAS: dict[tuple[str, object], str] = {
    ("Timedelta", dt.timedelta): ".to_pytimedelta()",
    ("Timestamp", dt.date): ".date()",
    ("Timestamp", dt.datetime): ".to_pydatetime()",
}


class Mismatch(Exception):  # noqa: N818 - an error takes its place before it leaves this package
    """`value` does not fit `expected`; `steps` lead to it, innermost first."""

    def __init__(self, expected: object, value: object, reason: str = "") -> None:
        super().__init__(expected, value, reason)
        self.expected, self.value, self.reason = expected, value, reason
        self.steps: list[str] = []

    def inside(self, step: str) -> Mismatch:
        self.steps.append(step)
        return self

    def error(self, path: str) -> TypeConversionError:
        """The public error; raise it `from mismatch.__cause__`."""
        reason = _defined_again(self.expected, self.value) or self.reason or _way_out(self.expected, self.value)
        return TypeConversionError(path + "".join(reversed(self.steps)), self.expected, _shown(self.value), reason)


def _defined_again(expected: object, value: object) -> str:
    """Of a class of the same name as the declared one, such as a cell makes that is run again."""
    kind = type(value)
    for one in (expected, *typing.get_args(expected)):
        if isinstance(one, type) and one is not kind and type_name(one) == type_name(kind):
            return f"{kind.__name__} was defined again since: define the task again"
    return ""


def _way_out(expected: object, value: Any) -> str:  # Any: anything that did not fit
    """How to make the declared type of it, where that is sure to work. numpy and pandas are not imported for it."""
    kind = type(value)
    if hasattr(kind, "__await__"):
        return "await it first"
    package = kind.__module__.partition(".")[0]
    types = [one for one in (expected, *typing.get_args(expected)) if isinstance(one, type)]
    convert = ""
    if package == "numpy" and kind.__name__ == "ndarray":
        convert = ".tolist()" if typing.get_origin(expected) is list else ""
    elif package == "numpy" and hasattr(value, "item"):
        convert = _from_numpy(types, type(value.item()))
    elif package == "pandas":
        convert = next((_PANDAS[kind.__name__, one] for one in types if (kind.__name__, one) in _PANDAS), "")
    return f"convert it with {convert}" if convert else ""


def _from_numpy(types: list[type], plain: type) -> str:
    """From a number that is `plain` without numpy."""
    if types == [float] and plain is int:
        return "float(...)"
    if plain not in types:
        return ""
    return f"{plain.__name__}(...)" if types == [plain] and plain in _ATOMS else ".item()"


def _shown(value: Any) -> object:  # Any: anything that did not fit
    """Of a literal that holds a number, a text or a bool that: its user knows no literals."""
    if getattr(getattr(type(value), "DESCRIPTOR", None), "full_name", "") != "flyteidl.core.Literal":
        return value
    kind = value.scalar.primitive.WhichOneof("value") if value.WhichOneof("value") == "scalar" else None
    return (
        getattr(value.scalar.primitive, kind)
        if kind in ("integer", "float_value", "string_value", "boolean")
        else value
    )


def key_step(key: object) -> str:
    return f"[{short_repr(key, 40)}]"


def from_foreign(exc: Exception, expected: object, value: object, who: str, path: str = "") -> Exception:
    """What to raise in place of an exception of a transformer or function that is not ours.

    A TypeConversionError keeps the steps below `path`; other errors of fledge (a storage that fails) stay themselves,
    as they say more than "does not fit"; everything else becomes a Mismatch. Raise it `from exc`.
    """
    if isinstance(exc, TypeConversionError):
        found = Mismatch(exc.expected, exc.value, exc.reason)
        step = exc.path.removeprefix(path)
        return found.inside(step if step[:1] in ("", ".", "[") else f".{step}")
    if isinstance(exc, (FledgeError, Mismatch)):
        return exc
    return Mismatch(expected, value, f"{who}: {type(exc).__name__}: {exc}")
