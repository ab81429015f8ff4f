"""Programs about how outputs are named, packed and returned."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple, Tuple  # noqa: UP035 - the old spelling is a program too

from hypothesis import strategies as st

from fledge import task
from tests.parity.calls import called_with

NUMBERS = st.integers(-1000, 1000)


class Stats(NamedTuple):
    total: int
    mean: float
    label: str


class Single(NamedTuple):
    only: int


class Nested(NamedTuple):
    rows: list[list[int]]
    by_name: dict[str, float]


class Documented(NamedTuple):
    """What a documented program gives back."""

    zulu: int
    alpha: str


@called_with({"a": 1, "b": 2}, a=NUMBERS, b=NUMBERS)
@task
def two(a: int, b: int) -> tuple[int, str]:
    return a + b, str(a)


@called_with({"a": 1})
@task
def old_tuple(a: int) -> Tuple[int, float, str]:  # noqa: UP006 - as in the imports
    return a, a / 2, "x"


@called_with({"xs": [1, 2, 3]}, xs=st.lists(NUMBERS, min_size=1, max_size=5))
@task
def named(xs: list[int]) -> Stats:
    return Stats(sum(xs), sum(xs) / len(xs), "ok")


@called_with({"a": 5})
@task
def named_single(a: int) -> Single:
    return Single(a)


@called_with({"a": 2})
@task
def named_collections(a: int) -> Nested:
    return Nested([[a]], {"a": float(a)})


@called_with({"a": 2})
@task
def named_by_plain_tuple(a: int) -> Stats:
    return a, 1.0, "tuple"  # type: ignore[return-value] # a plain tuple is taken for a named one


@called_with({"a": 2})
@task
def named_documented(a: int) -> Documented:
    """Give two things.

    Args:
        a: what both are made of

    Returns:
        number and text
    """
    return Documented(a, str(a))


@called_with({"a": 2})
@task
def tuple_of_collections(a: int) -> tuple[list[int], dict[str, int], timedelta]:
    return [a], {"a": a}, timedelta(seconds=a)


@called_with({"a": 1})
@task
def eight(a: int) -> tuple[int, int, int, int, int, int, int, int]:
    return a, a + 1, a + 2, a + 3, a + 4, a + 5, a + 6, a + 7


@called_with({"a": 1})
@task
def none_of_many(a: int) -> tuple[int | None, str | None]:
    return None, "x"


@called_with({"a": 1})
@task
def list_for_tuple(a: int) -> tuple[int, str]:
    return [a, "x"]  # type: ignore[return-value] # a list in place of a tuple is accepted


@called_with({"n": 2})
@task
async def coroutine(n: int) -> int:
    return n + 1
