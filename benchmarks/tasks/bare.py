"""The floor, with the messages alone: values to a LiteralMap and back, the function, its value there and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flyteidl.core.literals_pb2 import Literal, LiteralMap

__all__ = ["TRIPS", "trip"]

Value = Any  # Any: whatever the pair of functions is for
Pair = tuple[Callable[[Literal, Value], None], Callable[[Literal], Value]]


def set_int(literal: Literal, value: int) -> None:
    literal.scalar.primitive.integer = value


def set_float(literal: Literal, value: float) -> None:
    literal.scalar.primitive.float_value = value


def set_str(literal: Literal, value: str) -> None:
    literal.scalar.primitive.string_value = value


def set_bool(literal: Literal, value: bool) -> None:
    literal.scalar.primitive.boolean = value


def set_ints(literal: Literal, values: list[int]) -> None:
    add = literal.collection.literals.add
    for value in values:
        add().scalar.primitive.integer = value


def set_floats(literal: Literal, values: Mapping[str, float]) -> None:
    entries = literal.map.literals
    for key, value in values.items():
        entries[key].scalar.primitive.float_value = value


TRIPS: dict[str, Pair] = {
    "int": (set_int, lambda literal: literal.scalar.primitive.integer),
    "float": (set_float, lambda literal: literal.scalar.primitive.float_value),
    "str": (set_str, lambda literal: literal.scalar.primitive.string_value),
    "bool": (set_bool, lambda literal: literal.scalar.primitive.boolean),
    "ints": (set_ints, lambda literal: [one.scalar.primitive.integer for one in literal.collection.literals]),
    "floats": (
        set_floats,
        lambda literal: {key: one.scalar.primitive.float_value for key, one in literal.map.literals.items()},
    ),
}


def trip(
    function: Callable[..., Value], inputs: Mapping[str, str], output: str, arguments: Mapping[str, Value]
) -> Value:
    """Call a function through literals. `inputs` and `output` name pairs of TRIPS."""
    given = LiteralMap()
    for name, kind in inputs.items():
        TRIPS[kind][0](given.literals[name], arguments[name])
    native = {name: TRIPS[kind][1](given.literals[name]) for name, kind in inputs.items()}
    made = LiteralMap()
    TRIPS[output][0](made.literals["o0"], function(**native))
    return TRIPS[output][1](made.literals["o0"])
