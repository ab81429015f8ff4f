"""Step into a literal: `promise[0]`, `promise["key"]`, `promise.field` of a list, a dict or a structured value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fledge import idl
from fledge.errors import TypeConversionError

if TYPE_CHECKING:
    from fledge.idl import literals

__all__ = ["literal_at"]


def literal_at(literal: literals.Literal, steps: Sequence[str | int], path: str) -> literals.Literal:
    """The literal at the end of the path; inside a structured value it is MessagePack again, as Flyte makes it.

    Raises:
        TypeConversionError: A step leads nowhere; the path says how far it got.
    """
    for number, step in enumerate(steps):
        kind = literal.WhichOneof("value")
        if kind == "collection" and isinstance(step, int) and -1 < step < len(literal.collection.literals):
            literal = literal.collection.literals[step]
        elif kind == "map" and isinstance(step, str) and step in literal.map.literals:
            literal = literal.map.literals[step]
        elif kind == "scalar" and literal.scalar.WhichOneof("value") == "binary":
            return _inside_binary(literal, steps[number:], path)
        else:
            raise TypeConversionError(f"{path}[{step!r}]", "a list, dict or structured value that has it", kind)
        path = f"{path}[{step!r}]"
    return literal


def _inside_binary(literal: literals.Literal, steps: Sequence[str | int], path: str) -> literals.Literal:
    import msgspec  # noqa: PLC0415 - only structured values need it

    try:
        value = msgspec.msgpack.decode(literal.scalar.binary.value)
        for step in steps:
            value = value[step]
    except (msgspec.DecodeError, LookupError, TypeError) as exc:
        at = "".join(f"[{step!r}]" for step in steps)
        raise TypeConversionError(
            f"{path}{at}", "a structured value that has it", type(exc).__name__, str(exc)
        ) from exc
    found = idl.literals.Literal()
    found.scalar.binary.tag = "msgpack"
    found.scalar.binary.value = msgspec.msgpack.encode(value)
    return found
