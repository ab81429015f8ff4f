"""Workflows: inputs, outputs, constants, order, and lists and dicts of promises."""

# mypy: disable-error-code="operator, attr-defined, func-returns-value"
# To a type checker a call in a workflow gives the value; its promise can be ordered with `>>`.

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from enum import Enum
from typing import NamedTuple

from hypothesis import strategies as st

from fledge import Documentation, FlyteFile, task, workflow
from tests.parity.calls import called_with


class Parts(NamedTuple):
    whole: int
    rest: int


class Only(NamedTuple):
    answer: int


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Point:
    x: int
    tags: list[str]


@task
def add(a: int, b: int = 1) -> int:
    return a + b


@task
def divide(a: int, b: int) -> Parts:
    return Parts(*divmod(a, b))


@task
def total(values: list[int]) -> int:
    return sum(values)


@task
def spell(values: dict[str, int]) -> str:
    return ", ".join(f"{key}={values[key]}" for key in sorted(values))


@task
def tables(rows: list[dict[str, int]]) -> int:
    return sum(sum(row.values()) for row in rows)


@task
def note(text: str) -> None:
    pass


@task
def rest() -> None:
    pass


@task
def perhaps(a: int | None = None) -> int:
    return 0 if a is None else a


@task
def constants(a: float, b: bool, c: str, d: datetime, e: timedelta, f: Colour, g: Point) -> str:
    return f"{a} {b} {c} {d.year} {e} {f.value} {g.x}"


# -- inputs and outputs ------------------------------------------------------------------------------------------------


@called_with({"a": 1}, a=st.integers(-(2**40), 2**40))
@workflow
def one_node(a: int) -> int:
    return add(a=a)


@called_with({"a": 1})
@workflow
def two_nodes(a: int) -> int:
    return add(a=add(a=a), b=10)


@called_with({}, {"a": 4}, {"b": 5})
@workflow
def defaults(a: int = 3, b: int = 2) -> int:
    return add(a=a, b=b)


@called_with({"a": 17, "b": 5}, a=st.integers(-(10**6), 10**6), b=st.integers(1, 100))
@workflow
def named_outputs(a: int, b: int) -> Parts:
    parts = divide(a=a, b=b)
    return Parts(add(a=parts.whole), parts.rest)


@called_with({"a": 17})
@workflow
def outputs_of_one_node(a: int) -> Parts:
    return divide(a=a, b=4)


@called_with({"a": 1})
@workflow
def one_named_output(a: int) -> Only:
    return Only(add(a=a))


@called_with({"a": 1})
@workflow
def tuple_outputs(a: int) -> tuple[int, int]:
    return add(a=a), add(a=a, b=2)


@called_with({"a": 7})
@workflow
def unpacked_outputs(a: int) -> int:
    whole, left = divide(a=a, b=2)
    return add(a=whole, b=left)


@called_with({"a": 7})
@workflow
def indexed_outputs(a: int) -> int:
    return add(a=divide(a=a, b=2)[1])


@called_with({"a": 1})
@workflow
def constant_outputs(a: int) -> tuple[int, int, str, list[int]]:
    return add(a=a), 5, "text", [1, 2]


@called_with({"a": 1, "b": "x"}, a=st.integers(-9, 9), b=st.text())
@workflow
def passed_through(a: int, b: str) -> tuple[str, int]:
    return b, a


@called_with({"p": Point(1, ["a"]), "c": Colour.BLUE, "o": None}, {"p": Point(2, []), "c": Colour.RED, "o": 3})
@workflow
def typed_inputs_passed_through(p: Point, c: Colour, o: int | None) -> tuple[Point, Colour, int | None]:
    return p, c, o


@workflow
def files_passed_through(file: FlyteFile, more: list[FlyteFile]) -> tuple[FlyteFile, list[FlyteFile]]:
    return file, more


@called_with({"a": 1, "unused": 2})
@workflow
def unused_input(a: int, unused: int) -> int:
    return add(a=a)


@called_with({})
@workflow
def no_inputs() -> int:
    return add(a=1, b=2)


@called_with({"text": "x"})
@workflow
def no_outputs(text: str) -> None:
    note(text=text)


@called_with({})
@workflow
def returns_a_task_without_outputs() -> None:
    return rest()


@called_with({})
@workflow
def task_without_anything() -> None:
    rest()


@called_with({"a": 1}, {"a": 2})
@workflow
def optional_inputs(a: int) -> tuple[int, int, int, int]:
    return perhaps(), perhaps(a=None), perhaps(a=4), perhaps(a=a)


@called_with({}, {"a": 2})
@workflow
def optional_default(a: int | None = None) -> int:
    return perhaps(a=a)


@called_with({})
@workflow
def constants_of_all_kinds() -> str:
    return constants(
        a=1.5,
        b=True,
        c="",
        d=datetime(2024, 2, 29, 12, tzinfo=timezone.utc),
        e=timedelta(hours=1, microseconds=5),
        f=Colour.RED,
        g=Point(1, ["x"]),
    )


@called_with({"a": 1})
@workflow
def positional_free(a: int) -> int:
    return add(b=a, a=2)


# -- order -------------------------------------------------------------------------------------------------------------


@workflow
def chained() -> None:
    second = note(text="second")
    first = note(text="first")
    first >> second


@workflow
def chained_three(a: int) -> int:
    one, two, three = add(a=a), note(text="between"), add(a=a, b=3)
    one >> two >> three
    return three


@workflow
def chained_twice(a: int) -> int:
    one, two = add(a=a), add(a=a, b=2)
    one >> two
    one >> two
    return two


@workflow
def chained_tuple(a: int) -> int:
    parts, last = divide(a=a, b=2), add(a=a)
    parts >> last
    return last


@workflow
def chained_and_bound(a: int) -> int:
    one = add(a=a)
    two = add(a=one)
    one >> two
    return two


@called_with({"a": 1})
@workflow
def diamond(a: int) -> int:
    top = add(a=a)
    return total(values=[add(a=top, b=2), add(a=top, b=3), top])


@called_with({"a": 1})
@workflow
def used_twice(a: int) -> int:
    one = add(a=a)
    return add(a=one, b=one)


@called_with({"a": 1})
@workflow
def many_nodes(a: int) -> int:
    value = a
    for _ in range(12):
        value = add(a=value)
    return value


# -- lists and dicts ---------------------------------------------------------------------------------------------------


@called_with({"a": 1})
@workflow
def list_of_promises(a: int) -> int:
    return total(values=[add(a=a), a, 5])


@called_with({"a": 1})
@workflow
def dict_of_promises(a: int) -> str:
    return spell(values={"one": add(a=a), "two": a, "three": 3})


@called_with({"a": 1})
@workflow
def dicts_in_a_list(a: int) -> int:
    return tables(rows=[{"x": add(a=a), "y": 2}, {"z": a}, {"w": 9}])


@called_with({})
@workflow
def constant_list() -> int:
    return total(values=[1, 2, 3])


@called_with({})
@workflow
def empty_list() -> int:
    return total(values=[])


@called_with({"a": 1})
@workflow
def list_as_output(a: int) -> list[int]:
    return [add(a=a), a, 3]


@called_with({"a": 1})
@workflow
def dict_as_output(a: int) -> dict[str, int]:
    return {"x": add(a=a), "y": a, "z": 3}


@called_with({"values": [1, 2]}, values=st.lists(st.integers(-9, 9), max_size=4))
@workflow
def list_input(values: list[int]) -> int:
    return total(values=values)


# -- documents ---------------------------------------------------------------------------------------------------------


@workflow
def documented(a: int, b: int = 2) -> int:
    """Add two numbers.

    Slowly, and with great care.

    Args:
        a: The first number.
        b: The second one.

    Returns:
        Their sum.
    """
    return add(a=a, b=b)


@workflow
def documented_in_one_line(a: int) -> int:
    """Add one."""
    return add(a=a)


@workflow(docs=Documentation(short_description="Short.", long_description="Long.", source_code="https://example.org/x"))
def documents_given(a: int) -> int:
    return add(a=a)
