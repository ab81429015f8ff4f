"""Programs about lists and dicts, at several depths and of every scalar."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from enum import Enum
from typing import Dict, List  # noqa: UP035 - the old spellings are programs too

from hypothesis import strategies as st

from fledge import task
from tests.parity.calls import called_with

NOON = datetime(2024, 5, 1, 12, tzinfo=timezone.utc)
WORDS = st.text(max_size=5)
NUMBERS = st.integers(-(2**63), 2**63 - 1)


class Size(Enum):
    SMALL = "s"
    LARGE = "l"


@called_with({"xs": []}, {"xs": [1, -2, 3]}, xs=st.lists(NUMBERS, max_size=6))
@task
def ints(xs: list[int]) -> list[int]:
    return xs[::-1]


@called_with({"xs": []}, {"xs": [0.5, -0.0, float("inf")]}, xs=st.lists(st.floats(allow_nan=False), max_size=6))
@task
def floats(xs: list[float]) -> list[float]:
    return sorted(xs)


@called_with({"xs": ["a", "", "é"]}, xs=st.lists(WORDS, max_size=6))
@task
def texts(xs: list[str]) -> str:
    return "|".join(xs)


@called_with({"xs": [True, False]}, xs=st.lists(st.booleans(), max_size=6))
@task
def booleans(xs: list[bool]) -> bool:
    return all(xs)


@called_with({"xs": [NOON, NOON + timedelta(microseconds=1)]})
@task
def moments(xs: list[datetime]) -> list[timedelta]:
    return [x - xs[0] for x in xs]


@called_with({"xs": [Size.SMALL, Size.LARGE]}, xs=st.lists(st.sampled_from(Size), max_size=4))
@task
def enums(xs: list[Size]) -> list[Size]:
    return xs


@called_with(
    {"xs": []}, {"xs": [[]]}, {"xs": [[1], [2, 3], []]}, xs=st.lists(st.lists(NUMBERS, max_size=3), max_size=3)
)
@task
def lists_of_ints(xs: list[list[int]]) -> list[list[int]]:
    return xs


@called_with({"xs": [[[1]], [[], [2]]]})
@task
def three_deep(xs: list[list[list[int]]]) -> int:
    return sum(len(one) for one in xs)


@called_with({"m": {}}, {"m": {"a": 1, "b": -2}}, m=st.dictionaries(WORDS, NUMBERS, max_size=4))
@task
def dict_of_ints(m: dict[str, int]) -> dict[str, int]:
    return m


@called_with({"m": {"pi": 3.14}}, m=st.dictionaries(WORDS, st.floats(allow_nan=False), max_size=4))
@task
def dict_of_floats(m: dict[str, float]) -> dict[str, float]:
    return m


@called_with({"m": {"": "", "k": "v"}}, m=st.dictionaries(WORDS, WORDS, max_size=4))
@task
def dict_of_texts(m: dict[str, str]) -> dict[str, str]:
    return m


@called_with({"m": {"a": Size.LARGE}})
@task
def dict_of_enums(m: dict[str, Size]) -> dict[str, Size]:
    return m


@called_with({"m": {"a": [1, 2], "b": []}}, m=st.dictionaries(WORDS, st.lists(NUMBERS, max_size=3), max_size=3))
@task
def dict_of_lists(m: dict[str, list[int]]) -> dict[str, list[int]]:
    return m


@called_with(
    {"xs": [{"a": 1.0}, {}]}, xs=st.lists(st.dictionaries(WORDS, st.floats(allow_nan=False), max_size=2), max_size=3)
)
@task
def list_of_dicts(xs: list[dict[str, float]]) -> list[dict[str, float]]:
    return xs


@called_with({"m": {"a": {"b": {"c": 1}}}})
@task
def dict_of_dicts(m: dict[str, dict[str, dict[str, int]]]) -> dict[str, dict[str, dict[str, int]]]:
    return m


@called_with({"xs": [1], "m": {"a": ["x"]}})
@task
def old_spellings(xs: List[int], m: Dict[str, List[str]]) -> Dict[str, List[int]]:  # noqa: UP006 - as in the imports
    return {"out": xs}


@called_with({"m": {}}, {"m": {"a": 1, "b": [1, "x", None, 2.5], "c": {"d": True}}})
@task
def free_dict(m: dict) -> dict:  # type: ignore[type-arg] # a bare dict is what this program is about
    return m


@called_with({"m": {1: "one", 2: "two"}})
@task
def int_keys(m: dict[int, str]) -> dict[int, str]:
    return m


@called_with({"xs": [1, 2], "m": {"k": 0.5}, "n": 3})
@task
def mixed(xs: list[int], m: dict[str, float], n: int = 2) -> tuple[list[int], dict[str, float], int]:
    return xs * n, m, n


@called_with({"rows": [{"a": [[1.5]], "b": []}]})
@task
def deep_mixture(rows: list[dict[str, list[list[float]]]]) -> list[dict[str, list[list[float]]]]:
    return rows
