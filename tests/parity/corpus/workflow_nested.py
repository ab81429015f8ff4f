"""Workflows inside workflows."""

# mypy: disable-error-code="operator, attr-defined, func-returns-value"
# To a type checker a call in a workflow gives the value; its promise can be ordered with `>>`.

from __future__ import annotations

from typing import NamedTuple

from hypothesis import strategies as st

from fledge import task, workflow
from tests.parity.calls import called_with


class Parts(NamedTuple):
    whole: int
    rest: int


@task
def add(a: int, b: int = 1) -> int:
    return a + b


@task
def divide(a: int, b: int) -> Parts:
    return Parts(*divmod(a, b))


@task
def note(text: str) -> None:
    pass


@called_with({"a": 1})
@workflow
def inner(a: int) -> int:
    """Inside."""
    return add(a=a)


@workflow
def inner_with_a_default(a: int, b: int = 5) -> int:
    return add(a=a, b=b)


@workflow(interruptible=True)
def inner_with_parts(a: int) -> Parts:
    return divide(a=a, b=3)


@workflow
def inner_without_outputs(text: str) -> None:
    note(text=text)


@called_with({"a": 1}, a=st.integers(-9, 9))
@workflow
def one(a: int) -> int:
    return inner(a=a)


@called_with({"a": 1})
@workflow
def twice(a: int) -> int:
    return inner(a=inner(a=a))


@called_with({"a": 1})
@workflow
def two_levels(a: int) -> int:
    return add(a=twice(a=a), b=2)


@called_with({"a": 1})
@workflow
def at_both_levels(a: int) -> tuple[int, int]:
    return inner(a=a), twice(a=a)


@called_with({"a": 1})
@workflow
def three_different_ones(a: int) -> int:
    return add(a=inner_with_a_default(a=a), b=inner_with_parts(a=two_levels(a=a)).rest)


@called_with({"a": 1})
@workflow
def default_of_the_inner(a: int) -> tuple[int, int]:
    return inner_with_a_default(a=a), inner_with_a_default(a=a, b=1)


@called_with({"a": 10})
@workflow
def named_outputs_of_the_inner(a: int) -> Parts:
    parts = inner_with_parts(a=a)
    return Parts(parts.rest, parts.whole)


@called_with({"text": "x"})
@workflow
def order(text: str) -> None:
    last = inner_without_outputs(text=text)
    first = note(text=text)
    first >> last


@called_with({})
@workflow
def constant_for_the_inner() -> int:
    return inner(a=41)


@called_with({"a": 1})
@workflow
def list_of_inner_outputs(a: int) -> list[int]:
    return [inner(a=a), add(a=a), a]
