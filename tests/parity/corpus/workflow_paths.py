"""Workflows that reach into promises: fields of structured values, elements of lists and dicts."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from fledge import task, workflow
from tests.parity.calls import called_with


@dataclass
class Point:
    x: int
    tags: list[str]


@dataclass
class Shape:
    name: str
    corner: Point
    points: list[Point]
    by_name: dict[str, Point]


@task
def add(a: int, b: int = 1) -> int:
    return a + b


@task
def upper(text: str) -> str:
    return text.upper()


@task
def x_of(point: Point) -> int:
    return point.x


@task
def shape(x: int) -> Shape:
    return Shape("s", Point(x, ["a", "b"]), [Point(x + 1, []), Point(x + 2, ["c"])], {"k": Point(x + 3, ["d"])})


@task
def numbers(n: int) -> list[int]:
    return [n, n + 1, n + 2]


@task
def table(n: int) -> dict[str, int]:
    return {"a": n, "b": n + 1}


@task
def grid(n: int) -> list[dict[str, list[int]]]:
    return [{"row": [n, n + 1]}, {"row": [n + 2, n + 3]}]


@task
def points(n: int) -> dict[str, list[Point]]:
    return {"p": [Point(n, ["q", "r"])]}


@task
def total(values: list[int]) -> int:
    return sum(values)


@called_with({"n": 1}, n=st.integers(-9, 9))
@workflow
def element_of_a_list(n: int) -> int:
    return add(a=numbers(n=n)[1])


@called_with({"n": 1})
@workflow
def entry_of_a_dict(n: int) -> int:
    return add(a=table(n=n)["b"])


@called_with({"n": 1})
@workflow
def nested_elements(n: int) -> int:
    return add(a=grid(n=n)[1]["row"][0])


@called_with({"x": 4}, x=st.integers(-9, 9))
@workflow
def field(x: int) -> str:
    return upper(text=shape(x=x).name)


@called_with({"x": 4})
@workflow
def field_of_a_field(x: int) -> int:
    return add(a=shape(x=x).corner.x)


@called_with({"x": 4})
@workflow
def element_of_a_field(x: int) -> str:
    return upper(text=shape(x=x).corner.tags[1])


@called_with({"x": 4})
@workflow
def field_of_an_element_of_a_field(x: int) -> int:
    return add(a=shape(x=x).points[1].x, b=shape(x=x).by_name["k"].x)


@called_with({"n": 4})
@workflow
def field_behind_dict_and_list(n: int) -> str:
    return upper(text=points(n=n)["p"][0].tags[0])


@called_with({"x": 4})
@workflow
def structured_value_inside(x: int) -> int:
    return x_of(point=shape(x=x).corner)


@called_with({"n": 4})
@workflow
def structured_element(n: int) -> int:
    return x_of(point=points(n=n)["p"][0])


@called_with({"s": Point(3, ["z"])})
@workflow
def field_of_an_input(s: Point) -> tuple[int, str]:
    return add(a=s.x), upper(text=s.tags[0])


@called_with({"values": [5, 6]})
@workflow
def element_of_an_input(values: list[int]) -> int:
    return add(a=values[0], b=values[1])


@called_with({"n": 4})
@workflow
def list_of_elements(n: int) -> int:
    values = numbers(n=n)
    return total(values=[values[0], values[2], table(n=n)["a"]])


@called_with({"n": 4})
@workflow
def elements_as_outputs(n: int) -> tuple[int, int]:
    return numbers(n=n)[2], table(n=n)["a"]


@called_with({"x": 4})
@workflow
def field_as_output(x: int) -> tuple[str, int]:
    found = shape(x=x)
    return found.name, found.corner.x
