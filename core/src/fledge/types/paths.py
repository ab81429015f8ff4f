"""Step into a literal: `promise[0]`, `promise["key"]`, `promise.field` of a list, a dict or a structured value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from fledge import idl
from fledge.errors import TypeConversionError, nearest, short_repr

if TYPE_CHECKING:
    from fledge.idl import literals

__all__ = ["literal_at"]

_CONTAINER = "a step into a list, dict or structured value"


def literal_at(literal: literals.Literal, steps: Sequence[str | int], path: str) -> literals.Literal:
    """The literal at the end of the path; inside a structured value it is MessagePack again, as Flyte makes it.

    Raises:
        TypeConversionError: A step leads nowhere; the path says how far it got.
    """
    for number, step in enumerate(steps):
        kind = literal.WhichOneof("value")
        if kind == "collection":
            _check_index(path, step, len(literal.collection.literals))
            literal = literal.collection.literals[int(step)]
        elif kind == "map":
            _check_key(path, step, literal.map.literals)
            literal = literal.map.literals[str(step)]
        elif kind == "scalar" and literal.scalar.WhichOneof("value") == "binary":
            return _inside_binary(literal, steps[number:], path)
        else:
            raise TypeConversionError(f"{path}[{step!r}]", _CONTAINER, step, f"{path} is a {_kind_of(literal)}")
        path = f"{path}[{step!r}]"
    return literal


def _inside_binary(literal: literals.Literal, steps: Sequence[str | int], path: str) -> literals.Literal:
    import msgspec  # noqa: PLC0415 - only structured values need it

    try:
        value = msgspec.msgpack.decode(literal.scalar.binary.value)
    except msgspec.DecodeError as exc:
        raise TypeConversionError(path, "a structured value", literal, str(exc)) from exc
    for step in steps:
        if isinstance(value, list):
            _check_index(path, step, len(value))
        elif isinstance(value, dict):
            _check_key(path, step, value)
        else:
            raise TypeConversionError(f"{path}[{step!r}]", _CONTAINER, step, f"{path} is {short_repr(value)}")
        value, path = value[step], f"{path}[{step!r}]"
    found = idl.literals.Literal()
    found.scalar.binary.tag = "msgpack"
    found.scalar.binary.value = msgspec.msgpack.encode(value)
    return found


def _check_index(path: str, step: str | int, length: int) -> None:
    if not isinstance(step, int) or not -1 < step < length:
        raise TypeConversionError(f"{path}[{step!r}]", "an index of the list", step, f"it has {length} values")


def _check_key(path: str, step: str | int, known: Iterable[object]) -> None:
    keys = list(known)
    if step not in keys:
        listed = f"it has {', '.join(map(repr, keys)) or 'none'}{nearest(str(step), map(str, keys))}"
        raise TypeConversionError(f"{path}[{step!r}]", "a key or field that is there", step, listed)


def _kind_of(literal: literals.Literal) -> str:
    kind = literal.WhichOneof("value")
    kind = literal.scalar.WhichOneof("value") if kind == "scalar" else kind
    return kind or "literal that holds nothing"
