"""Programs about types that only one of the SDKs knows, or that each carries in its own way."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypedDict

from fledge import Pickled, task
from tests.parity.programs import Sdk


class Level(Enum):
    LOW = 1
    HIGH = 2


class Point(NamedTuple):
    x: int
    y: int


class Movie(TypedDict):
    title: str
    year: int


class Thing:
    """A class that no transformer knows."""


@task
def raw_bytes(data: bytes) -> bytes:
    return data


@task
def decimal(price: Decimal) -> Decimal:
    return price


@task
def typed_dict(movie: Movie) -> Movie:
    return movie


@task
def pickled(thing: Annotated[Thing, Pickled]) -> Annotated[Thing, Pickled]:
    return thing


@task
def list_of_pickled(things: list[Annotated[Thing, Pickled]]) -> int:
    return len(things)


def int_enum(level: Level) -> Level:
    return level


def named_tuple_input(p: Point) -> int:
    return p.x


def set_input(xs: set[int]) -> int:
    return len(xs)


def path_input(path: Path) -> str:
    return path.name


def any_input(value: Any) -> str:  # Any: the annotation is the question
    return str(value)


def bare_list(xs: list) -> int:  # type: ignore[type-arg] # the annotation is the question
    return len(xs)


def kind(function: Callable[..., object]) -> str:
    """How an annotation travels: the field of the literal type that is set."""
    inputs: Any = task(function).interface.inputs  # Any: a message or a dict, by SDK
    (variable,) = getattr(inputs, "variables", inputs).values()
    told = variable.type
    message = told.to_flyte_idl() if hasattr(told, "to_flyte_idl") else told
    return str(message.WhichOneof("type"))


def observe_int_enum(sdk: Sdk) -> object:
    return kind(int_enum)


def observe_named_tuple_input(sdk: Sdk) -> object:
    return kind(named_tuple_input)


def observe_set_input(sdk: Sdk) -> object:
    return kind(set_input)


def observe_path_input(sdk: Sdk) -> object:
    return kind(path_input)


def observe_any_input(sdk: Sdk) -> object:
    return kind(any_input)


def observe_bare_list(sdk: Sdk) -> object:
    return kind(bare_list)


@task
def choose(mode: Literal["fast", "slow"]) -> str:
    return mode


def mixed_literal(mode: Literal[1, "one"]) -> int:
    return 1


def observe_value_outside_a_literal(sdk: Sdk) -> object:
    return choose(mode="middling")  # type: ignore[arg-type] # the mistake


def observe_literal_of_two_types(sdk: Sdk) -> object:
    return kind(mixed_literal)
