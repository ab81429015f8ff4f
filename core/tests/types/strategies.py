"""Hypothesis strategies for (annotation, value) pairs of every supported type, nested to a few levels."""

# ruff: noqa: UP007, UP045 - the spellings with Optional and Union are part of what is tested

from __future__ import annotations

import enum
from dataclasses import dataclass, field, make_dataclass
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from types import GenericAlias
from typing import Any, Generic, Literal, NamedTuple, Optional, TypedDict, TypeVar, Union
from uuid import UUID

from hypothesis import strategies as st

__all__ = ["Color", "Leaf", "Left", "Number", "Pair", "Right", "same", "typed_values"]

T = TypeVar("T")
Strategy = st.SearchStrategy[Any]  # Any: values of the type beside it
Typed = tuple[Any, Strategy]  # Any: an annotation


class Color(enum.Enum):
    RED = "red"
    GREEN = "green"


class Number(enum.IntEnum):
    ONE = 1
    TWO = 2


@dataclass(frozen=True)
class Leaf:
    number: int
    text: str = "leaf"


@dataclass(frozen=True)
class Left:
    value: int
    note: str | None = None


@dataclass(frozen=True)
class Right:
    value: int
    note: str | None = None


@dataclass(frozen=True)
class Base:
    at: datetime
    span: timedelta


@dataclass(frozen=True)
class Derived(Base):
    color: Color
    number: Number | None = None
    amount: Decimal = Decimal(1)
    kept: int = field(init=False, default=0)


@dataclass(frozen=True)
class Box(Generic[T]):
    content: T


class Pair(NamedTuple):
    first: int
    second: list[float]


class Options(TypedDict, total=False):
    name: str
    deep: dict[int, Leaf]


def _zone(minutes: int) -> tzinfo:
    return timezone(timedelta(minutes=minutes))


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
INT = st.integers(-(2**63), 2**63 - 1)
FLOAT = st.floats()
DATE = st.dates()
AWARE = st.datetimes(timezones=st.just(timezone.utc))
ANY_ZONE = st.datetimes(
    min_value=datetime(1, 1, 2),  # noqa: DTZ001 - the zone is drawn
    max_value=datetime(9999, 12, 30),  # noqa: DTZ001 - the zone is drawn
    timezones=st.one_of(st.none(), st.integers(-1439, 1439).map(_zone)),
)
SPAN = st.timedeltas(timedelta(seconds=-(10**11)), timedelta(seconds=10**11))
DECIMAL = st.decimals(allow_nan=False)
LEAF = st.builds(Leaf, INT, TEXT)
DERIVED = st.builds(Derived, ANY_ZONE, SPAN, st.sampled_from(Color), st.none() | st.sampled_from(Number), DECIMAL)
OPTIONS = st.fixed_dictionaries({}, optional={"name": TEXT, "deep": st.dictionaries(INT, LEAF, max_size=2)})

SCALARS: list[Typed] = [
    (int, INT),
    (float, FLOAT),
    (str, TEXT),
    (bool, st.booleans()),
    (type(None), st.none()),
    (date, DATE),
    (datetime, AWARE),
    (timedelta, SPAN),
    (bytes, st.binary(max_size=8)),
    (Decimal, DECIMAL),
    (UUID, st.uuids()),
    (time, st.times()),
    (Color, st.sampled_from(Color)),
    (Number, st.sampled_from(Number)),
    (Optional[Literal["a", 1, True]], st.sampled_from(["a", 1, True, None])),
    (Leaf, LEAF),
    (Derived, DERIVED),
    (Box[int], st.builds(Box, INT)),
    (Box[list[str]], st.builds(Box, st.lists(TEXT, max_size=2))),
    (Pair, st.builds(Pair, INT, st.lists(FLOAT, max_size=2))),
    (Options, OPTIONS),
    (Union[Left, Right], st.builds(Left, INT) | st.builds(Right, INT, TEXT)),
    (Union[bool, int, float, str], st.booleans() | INT | FLOAT | TEXT),
    (Union[date, datetime, str], DATE | AWARE | TEXT),
    (Union[list[int], list[float], list[str]], st.lists(INT) | st.lists(FLOAT) | st.lists(TEXT)),
]
KEYS: list[Typed] = [
    (str, TEXT),
    (int, INT),
    (float, st.floats(allow_nan=False)),
    (bool, st.booleans()),
    (date, DATE),
    (Color, st.sampled_from(Color)),
]


def _free() -> Strategy:
    leaves = st.none() | st.booleans() | INT | FLOAT | TEXT | st.binary(max_size=4)
    inner = st.recursive(leaves, lambda data: st.lists(data, max_size=3) | st.dictionaries(TEXT, data, max_size=3))
    return st.dictionaries(TEXT | INT, inner, max_size=3)


def _list_of(item: Typed) -> Typed:
    return GenericAlias(list, (item[0],)), st.lists(item[1], max_size=3)


def _dict_of(item: Typed, key: Typed) -> Typed:
    return GenericAlias(dict, (key[0], item[0])), st.dictionaries(key[1], item[1], max_size=3)


def _optional_of(item: Typed) -> Typed:
    return Union[item[0], None], st.none() | item[1]


def _pair_with(item: Typed) -> Typed:
    return _dataclass_of([(GenericAlias(tuple, (item[0], int)), st.tuples(item[1], INT))])


def _many_of(item: Typed) -> Typed:
    return _dataclass_of([(GenericAlias(tuple, (item[0], ...)), st.lists(item[1], max_size=3).map(tuple))])


def _dataclass_of(items: list[Typed]) -> Typed:
    names = [f"f{index}" for index in range(len(items))]
    made = make_dataclass("Made", [(name, kind) for name, (kind, _) in zip(names, items, strict=True)])
    return made, st.builds(made, **{name: values for name, (_, values) in zip(names, items, strict=True)})


def _deeper(inner: st.SearchStrategy[Typed]) -> st.SearchStrategy[Typed]:
    return st.one_of(
        inner.map(_list_of),
        st.builds(_dict_of, inner, st.sampled_from(KEYS)),
        inner.map(_optional_of),
        st.lists(inner, min_size=1, max_size=3).map(_dataclass_of),
        inner.map(_pair_with),
        inner.map(_many_of),
    )


def typed_values() -> st.SearchStrategy[tuple[Any, Any]]:  # Any: an annotation and a value of it
    """Pairs of an annotation and a value of exactly that type."""
    scalar = st.sampled_from([*SCALARS, (dict, _free())])
    annotations = st.recursive(scalar, _deeper, max_leaves=5)
    return annotations.flatmap(lambda pair: st.tuples(st.just(pair[0]), pair[1]))


def same(left: Any, right: Any) -> bool:  # Any: values of any type
    """Equal values of equal types at every depth; nan is nan, and -0.0 is not 0.0."""
    if type(left) is not type(right):
        return False
    if isinstance(left, float):
        return bool(left.hex() == right.hex())
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        keys = sorted(left, key=repr), sorted(right, key=repr)
        return same(*keys) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, datetime):
        return bool(left == right) and (left.tzinfo is None) == (right.tzinfo is None)
    if hasattr(left, "__dataclass_fields__"):
        return all(same(getattr(left, name), getattr(right, name)) for name in left.__dataclass_fields__)
    return bool(left == right)
