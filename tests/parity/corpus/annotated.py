"""Programs about Annotated: hash methods, metadata of the user, and aliases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, NewType

from fledge import HashMethod, task
from tests.parity.calls import called_with

UserId = NewType("UserId", int)
Name = Annotated[str, "the user's name"]


@dataclass
class Point:
    x: float
    y: float


def short_hash(value: int) -> str:
    return f"hash-{value % 7}"


def point_hash(value: Point) -> str:
    return f"{value.x}:{value.y}"


@called_with({"a": 8})
@task
def hashed_input(a: Annotated[int, HashMethod(short_hash)]) -> int:
    return a


@called_with({"a": 8})
@task
def hashed_output(a: int) -> Annotated[int, HashMethod(short_hash)]:
    return a


@called_with({"p": Point(1.0, 2.0)})
@task
def hashed_struct(p: Point) -> Annotated[Point, HashMethod(point_hash)]:
    return p


@called_with({"xs": [1, 2]})
@task
def hashed_items(xs: list[Annotated[int, HashMethod(short_hash)]]) -> int:
    return sum(xs)


@called_with({"a": 1})
@task
def text_metadata(a: Annotated[int, "a note", 3]) -> Annotated[int, "another"]:
    return a


@called_with({"name": "x"})
@task
def alias(name: Name) -> Name:
    return name


@task
def new_type(user: UserId) -> UserId:
    return user


@called_with({"xs": ["a"]})
@task
def annotated_list(xs: Annotated[list[Annotated[str, "inner"]], "outer"]) -> str:
    return xs[0]


@called_with({"a": None}, {"a": 3})
@task
def annotated_optional(a: Annotated[int | None, "maybe"] = None) -> int:
    return a or 0
