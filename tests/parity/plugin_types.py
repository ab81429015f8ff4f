"""Three classes whose transformers a plugin brings: what `corpus/plugin_types.py` imports. For flytekit see its door.

In: the current context, whose plugins gain one. Out: the classes, and how each travels, for the transformers of either
SDK: as which annotation, and the functions to it and from it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fledge import FlyteContextManager, TypeRegistry, TypeTransformer, hookimpl
from fledge.idl import literals, types
from fledge.storage import StorageRouter

__all__ = ["CARRIED", "Carried", "Celsius", "Money", "Track"]

Annotation = Any  # Any: a type, or one of typing's objects


@dataclass(frozen=True)
class Money:
    cents: int
    currency: str


@dataclass(frozen=True)
class Celsius:
    degrees: float


@dataclass(frozen=True)
class Track:
    points: tuple[float, ...]


@dataclass(frozen=True)
class Carried:
    """One class, and how its values travel."""

    name: str
    python_type: type
    carrier: Annotation
    to_carrier: Callable[[Any], Any]  # Any: a value of the class, and one of the carrier
    from_carrier: Callable[[Any], Any]  # Any: as above


def _money(text: str) -> Money:
    cents, _, currency = text.partition(" ")
    return Money(int(cents), currency)


CARRIED = (
    Carried("money", Money, str, lambda money: f"{money.cents} {money.currency}", _money),
    Carried("celsius", Celsius, float, lambda celsius: celsius.degrees, Celsius),
    Carried("track", Track, list[float], lambda track: list(track.points), lambda points: Track(tuple(points))),
)


class CarryingTransformer(TypeTransformer[Any]):  # Any: the class it was made for
    """fledge's transformer for one of them."""

    def __init__(self, carried: Carried) -> None:
        super().__init__(carried.name, carried.python_type)
        self.carried = carried

    def literal_type(self, python_type: Annotation, registry: TypeRegistry) -> types.LiteralType:
        return registry.literal_type(self.carried.carrier)

    def to_literal(
        self, value: object, python_type: Annotation, registry: TypeRegistry, storage: StorageRouter, path: str
    ) -> literals.Literal:
        if not isinstance(value, self.carried.python_type):
            raise TypeError(f"{value!r} is no {python_type}")
        return registry.to_literal(self.carried.to_carrier(value), self.carried.carrier, storage, path)

    def to_python(
        self,
        literal: literals.Literal,
        python_type: Annotation,
        registry: TypeRegistry,
        storage: StorageRouter,
        path: str,
    ) -> object:
        found = registry.to_python(literal, self.carried.carrier, storage, path)
        return self.carried.from_carrier(found)


class _Hooks:
    """The plugin."""

    HOOK_API = 1

    @staticmethod
    @hookimpl
    def register_types(register: Callable[[TypeTransformer[Any]], None]) -> None:  # Any: of any class
        for carried in CARRIED:
            register(CarryingTransformer(carried))


FlyteContextManager.current_context().plugins.register(_Hooks, "parity-types")  # type: ignore[attr-defined] # the manager
