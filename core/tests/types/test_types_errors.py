"""A value that does not fit is refused with the path to it, the expected type and the value itself."""

# ruff: noqa: UP007, UP045 - the spellings with Optional and Union are part of what is tested

from __future__ import annotations

import enum
from dataclasses import InitVar, dataclass, field, make_dataclass
from datetime import date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, Optional, TypedDict, Union

import msgspec
import numpy as np
import pandas as pd
import pytest

from fledge import idl
from fledge.errors import TypeConversionError, short_repr
from fledge.storage import StorageRouter
from fledge.types import FlyteFile, HashMethod, builtin_registry

REGISTRY = builtin_registry()
STORAGE = StorageRouter()


class Color(enum.Enum):
    RED = "red"


class Text(str):
    __slots__ = ()


class Picky(enum.Enum):
    ONE = 1

    @classmethod
    def _missing_(cls, value: object) -> Picky:
        raise RuntimeError(value)


class Nowhere(tzinfo):
    def utcoffset(self, at: datetime | None) -> timedelta:
        raise RuntimeError("lost")

    dst = tzname = utcoffset  # type: ignore[assignment]  # nobody asks


class Point(NamedTuple):
    x: int
    y: int = 0


ORIGIN = Point(1)


class Options(TypedDict):
    name: str


@dataclass
class Row:
    price: float


@dataclass
class Special(Row):
    extra: int = 0


@dataclass
class Table:
    rows: list[Row]
    named: dict[str, Optional[Row]] = field(default_factory=dict)
    pairs: tuple[int, ...] = ()
    point: Point = ORIGIN
    options: Options | None = None
    unique: set[int] = field(default_factory=set)


@dataclass
class Strict:
    number: int
    scale: InitVar[int] = 1

    def __post_init__(self, scale: int) -> None:
        if self.number < 0:
            raise ValueError("must not be negative")


def _fails(value: int) -> str:
    raise ZeroDivisionError(value)


def _no_text(value: int) -> int:
    return value


class Bare:
    """Has neither an equality nor a repr of its own."""


BARE = Bare()
CYCLE: list[Any] = []  # Any: itself
CYCLE.append(CYCLE)
WRONG: list[tuple[Any, Any, str, object]] = [  # Any: annotations and values. Then: path and the value at fault
    (int, True, "", True),
    (int, 1.0, "", 1.0),
    (int, 2**63, "", 2**63),
    (int, -(2**63) - 1, "", -(2**63) - 1),
    (float, "x", "", "x"),
    (float, True, "", True),
    (float, 2**53 + 1, "", 2**53 + 1),
    (float, 10**400, "", 10**400),
    (str, Text("x"), "", Text("x")),
    (str, "\ud800", "", "\ud800"),
    (bool, 1, "", 1),
    (type(None), 0, "", 0),
    (date, datetime(2024, 1, 1, tzinfo=timezone.utc), "", datetime(2024, 1, 1, tzinfo=timezone.utc)),
    (datetime, date(2024, 1, 1), "", date(2024, 1, 1)),
    (datetime, datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))), "", None),
    (datetime, datetime(2024, 1, 1, tzinfo=Nowhere()), "", None),
    (timedelta, timedelta.max, "", timedelta.max),
    (bytes, bytearray(b"x"), "", bytearray(b"x")),
    (Decimal, 1, "", 1),
    (Color, "blue", "", "blue"),
    (Color, ["red"], "", ["red"]),
    (Literal["a", "b"], "c", "", "c"),
    (Literal[1], True, "", True),
    (Literal["a", 1], [], "", []),
    (list[int], (1, 2), "", (1, 2)),
    (list[int], [1, "x"], "[1]", "x"),
    (list[int], [1, 2**63], "[1]", 2**63),
    (list[float], [1.0, None], "[1]", None),
    (list[str], ["a", "b", 3], "[2]", 3),
    (list[list[int]], [[], [1, None]], "[1][1]", None),
    (dict[str, int], [], "", []),
    (dict[str, int], {"a": 1, "b": "x"}, "['b']", "x"),
    (dict[str, int], {1: 1}, "[1]", 1),
    (dict[str, int], {"\ud800": 1}, "['\\ud800']", "\ud800"),
    (dict[int, str], {1: "a", 2: 3}, "[2]", 3),
    (dict[int, str], {"1": "a"}, "['1']", "1"),
    (dict, {"a": [1, {"b": BARE}]}, "['a'][1]['b']", BARE),
    (dict, {"a": CYCLE}, "['a']" + "[0]" * 31, CYCLE),
    (dict, {"a": {(1,): 2}}, "['a'][(1,)]", (1,)),
    (dict, {"a": 2**64}, "['a']", 2**64),
    (Optional[int], "x", "", "x"),
    (Optional[list[int]], [1, "x"], "[1]", "x"),
    (Union[list[int], list[str]], [1, "x"], "", [1, "x"]),
    (Row, {"price": 1.0}, "", {"price": 1.0}),
    (Row, Special(1.0), "", Special(1.0)),
    (Row, Row("x"), ".price", "x"),  # type: ignore[arg-type]  # wrong on purpose
    (Table, Table([Row(1.0), Row(None)]), ".rows[1].price", None),  # type: ignore[arg-type]  # wrong on purpose
    (Table, Table([], {"k": Row("x")}), ".named['k'].price", "x"),  # type: ignore[arg-type]  # wrong on purpose
    (Table, Table([], pairs=(1, "x")), ".pairs[1]", "x"),  # type: ignore[arg-type]  # wrong on purpose
    (Table, Table([], point=Point("x")), ".point.x", "x"),  # type: ignore[arg-type]  # wrong on purpose
    (Table, Table([], options={"name": 1}), ".options.name", 1),  # type: ignore[arg-type]  # wrong on purpose
    (Options, {}, "", {}),
    (Options, {"name": "x", "other": 1}, "", {"name": "x", "other": 1}),
    (Table, Table([], unique=[1]), ".unique", [1]),  # type: ignore[arg-type]  # wrong on purpose
    (Point, (1, 2), "", (1, 2)),
    (FlyteFile, 3, "", 3),
    (FlyteFile, "/does/not/exist", "", "/does/not/exist"),
    (list[FlyteFile], ["s3://there/a", "/does/not/exist"], "[1]", "/does/not/exist"),
    (Annotated[int, HashMethod(_fails)], 3, "", 3),
    (Annotated[int, HashMethod(_no_text)], 3, "", 3),  # type: ignore[arg-type]  # wrong on purpose
]


@pytest.mark.parametrize(
    ("annotation", "value", "steps", "at_fault"), WRONG, ids=lambda part: ascii(short_repr(part, 40))
)
def test_a_wrong_value_is_refused_with_its_path(annotation: Any, value: Any, steps: str, at_fault: object) -> None:
    with pytest.raises(TypeConversionError) as caught:
        REGISTRY.to_literal(value, annotation, STORAGE, "inputs.x")
    error = caught.value
    assert error.path == f"inputs.x{steps}"
    assert str(error).startswith(f"inputs.x{steps}: expected ")
    assert at_fault is None or error.value is at_fault or error.value == at_fault
    assert (error.code, error.origin) == ("USER:TypeConversionError", "USER")


def _packed(plain: object) -> idl.literals.Literal:
    literal = REGISTRY.to_literal({"x": None}, dict, STORAGE)
    literal.scalar.binary.value = msgspec.msgpack.encode(plain)
    return literal


UNREADABLE: list[tuple[Any, object, str, str]] = [  # Any: annotations. Then: plain value, path and part of the message
    (Table, {}, "", "field 'rows' is missing"),
    (Table, {"rows": [{"price": 1.0}, {}]}, ".rows[1]", "field 'price' is missing"),
    (Table, {"rows": [{"price": "x"}]}, ".rows[0].price", "expected float, got str 'x'"),
    (Table, {"rows": {}}, ".rows", "got dict {}"),
    (Table, {"rows": [], "point": [1, 2, 3]}, ".point", "Point"),
    (Table, {"rows": [], "point": []}, ".point", "field 'x' is missing"),
    (Table, {"rows": [], "unique": [[]]}, ".unique[0]", "int"),
    (Strict, {"number": -1}, "", "ValueError: must not be negative"),
    (int, 1.5, "", "expected int, got float 1.5"),
    (int, 2.0**60, "", "expected int"),
    (Picky, 7, "", "no member"),
    (Picky, 1, "ok", ""),
    (dict[int, str], {"x": "y"}, "['x']", "expected int"),
    (dict[int, str], {"1": "a", 1: "b"}, "", "two keys become one"),
    (datetime, "not a time", "", "expected datetime"),
    (timedelta, float("nan"), "", "timedelta"),
    (timedelta, 1e300, "", "timedelta"),
    (Decimal, "1.2.3", "", "Decimal"),
    (Union[int, date], "not a date", "", "expected Union"),
]


@pytest.mark.parametrize(
    ("annotation", "plain", "steps", "text"), UNREADABLE, ids=lambda part: ascii(short_repr(part, 40))
)
def test_an_unreadable_plain_value_is_refused_with_its_path(
    annotation: Any, plain: object, steps: str, text: str
) -> None:
    if steps == "ok":
        assert REGISTRY.to_python(_packed(plain), annotation, STORAGE) is annotation(plain)
        return
    with pytest.raises(TypeConversionError) as caught:
        REGISTRY.to_python(_packed(plain), annotation, STORAGE, "inputs.x")
    assert caught.value.path == f"inputs.x{steps}"
    assert text in str(caught.value)


def test_a_literal_of_another_variant_is_refused_and_named() -> None:
    literal = REGISTRY.to_literal("x", str, STORAGE)
    for annotation in (int, float, bool, type(None), datetime, bytes, list[int], dict[str, int], Row, FlyteFile):
        with pytest.raises(TypeConversionError, match="string_value"):
            REGISTRY.to_python(literal, annotation, STORAGE)
    with pytest.raises(TypeConversionError, match="the literal holds nothing"):
        REGISTRY.to_python(idl.literals.Literal(), int, STORAGE)


def test_the_path_to_a_bad_literal_in_a_list_or_map_is_found() -> None:
    for annotation, value, steps in [
        (list[int], [1, 2, 3], "[1]"),
        (list[float], [1.0, 0.0, 3.0], "[1]"),
        (list[str], ["a", "", "c"], "[1]"),
        (list[bool], [True, False, True], "[1]"),
    ]:
        literal = REGISTRY.to_literal(value, annotation, STORAGE)
        literal.collection.literals[1].scalar.none_type.SetInParent()
        with pytest.raises(TypeConversionError) as caught:
            REGISTRY.to_python(literal, annotation, STORAGE, "inputs.x")
        assert caught.value.path == f"inputs.x{steps}"
    literal = REGISTRY.to_literal({"a": {"b": 1}}, dict[str, dict[str, int]], STORAGE)
    literal.map.literals["a"].map.literals["b"].Clear()
    with pytest.raises(TypeConversionError) as caught:
        REGISTRY.to_python(literal, dict[str, dict[str, int]], STORAGE, "inputs.x")
    assert caught.value.path == "inputs.x['a']['b']"


def test_a_message_names_place_expectation_and_value() -> None:
    with pytest.raises(TypeConversionError) as caught:
        REGISTRY.to_literal(Table([Row(1.0), Row("x")]), Table, STORAGE, "inputs.table")  # type: ignore[arg-type]  # wrong
    assert str(caught.value) == "inputs.table.rows[1].price: expected float, got str 'x'"


def test_the_cause_of_a_refusal_is_chained() -> None:
    with pytest.raises(TypeConversionError) as caught:
        REGISTRY.to_python(_packed({"number": -1}), Strict, STORAGE)
    assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.parametrize(
    ("annotation", "value", "reason"),
    [
        (int, np.int64(3), "convert it with int(...)"),
        (int, np.float64(3), ""),
        (float, np.float32(1.5), "convert it with float(...)"),
        (float, np.int64(3), "convert it with float(...)"),
        (bool, np.True_, "convert it with bool(...)"),
        (Optional[int], np.int64(3), "convert it with .item()"),
        (timedelta, np.timedelta64(1, "s"), "convert it with .item()"),
        (datetime, np.datetime64("2020-01-01"), ""),
        (list[int], np.array([1]), "convert it with .tolist()"),
        (datetime, pd.Timestamp("2020-01-01", tz="UTC"), "convert it with .to_pydatetime()"),
        (Optional[datetime], pd.Timestamp("2020-01-01", tz="UTC"), "convert it with .to_pydatetime()"),
        (date, pd.Timestamp("2020-01-01"), "convert it with .date()"),
        (datetime, pd.NaT, ""),
        (timedelta, pd.Timedelta(1, "s"), "convert it with .to_pytimedelta()"),
    ],
    ids=lambda value: type(value).__name__ if type(value).__module__ != "builtins" else None,
)
def test_what_numpy_and_pandas_hold_is_refused_with_what_makes_the_declared_type_of_it(
    annotation: Any, value: object, reason: str
) -> None:
    with pytest.raises(TypeConversionError) as caught:
        REGISTRY.to_literal(value, annotation, STORAGE)
    assert caught.value.reason == reason


@pytest.mark.parametrize("wrap", [lambda cls: cls, lambda cls: Optional[cls], lambda cls: Annotated[cls, {}]])
@pytest.mark.parametrize("make", [lambda: make_dataclass("P", [("x", str)]), lambda: enum.Enum("P", {"x": "x"})])
def test_a_class_that_was_defined_again_since_is_told_apart(make: Any, wrap: Any) -> None:
    declared, again = make(), make()
    with pytest.raises(TypeConversionError) as caught:
        REGISTRY.to_literal(again("x"), wrap(declared), STORAGE)
    assert caught.value.reason == "P was defined again since: define the task again"
