"""Types and values that both SDKs know, for comparing what they write: see make_golden.py and test_types_golden.py.

In: an SDK's own names. Out: rows (id, annotation, value).
"""

# ruff: noqa: UP007, UP045 - the spellings with Optional and Union are part of what is tested

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, Optional, TypedDict, TypeVar, Union
from uuid import UUID

__all__ = ["Program", "programs"]

T = TypeVar("T")
UserId = NewType("UserId", int)


class Program(NamedTuple):
    name: str
    annotation: Any  # Any: an annotation
    value: Any  # Any: of that type


class Color(enum.Enum):
    RED = "red"
    GREEN = "green"


class Size(str, enum.Enum):
    S = "small"
    L = "large"


class Level(enum.Enum):
    LOW = 1
    HIGH = 2


class Point(NamedTuple):
    x: int
    label: str = "p"


class Options(TypedDict):
    name: str
    count: int


@dataclass
class Row:
    price: float
    name: str = "row"


@dataclass
class Order:
    rows: list[Row]
    by_name: dict[str, Row]
    note: Optional[str] = None
    color: Color = Color.GREEN


@dataclass
class Priority(Order):
    due: Optional[datetime] = None
    tags: list[str] = field(default_factory=list)


@dataclass
class Times:
    at: datetime
    day: date
    span: timedelta
    clock: Optional[date] = date(2024, 2, 29)
    pause: timedelta = timedelta(minutes=1.5)


@dataclass
class Texts:
    amount: Decimal
    key: UUID
    start: time
    data: bytes
    fallback: Decimal = Decimal("1.50")
    raw: bytes = b"\x00\xff"


@dataclass
class Containers:
    pair: tuple[int, str]
    many: tuple[int, ...]
    options: Options
    keys: dict[int, str]
    days: dict[date, list[int]]
    colors: dict[Color, int]
    free: dict  # type: ignore[type-arg]  # free-form on purpose


@dataclass
class Sets:
    unique: set[int]
    frozen: frozenset[str]


@dataclass
class Points:
    point: Point


@dataclass
class Levels:
    level: Level = Level.LOW


@dataclass
class Users:
    user: UserId = UserId(7)


@dataclass
class Choices:
    either: Union[int, str]
    mode: Literal["fast", "slow"] = "fast"
    answer: Literal[42] = 42
    maybe: Optional[list[Optional[Row]]] = None
    size: Size = Size.S
    number: Union[int, float, None] = None


@dataclass
class Box(Generic[T]):
    content: T


@dataclass
class IntBox(Box[int]):
    more: list[int] = field(default_factory=list)


@dataclass
class Boxes(Box[int]):
    more: list[Box[str]] = field(default_factory=list)


@dataclass(frozen=True)
class Frozen:
    flag: bool
    nothing: None = None
    ratio: float = field(default=0.5, metadata={"description": "between 0 and 1"})
    marked: Annotated[int, "metadata"] = 3


@dataclass
class Empty:
    pass


UTC = timezone.utc
AT = datetime(2024, 2, 29, 12, 30, 15, 123456, tzinfo=UTC)


def programs(
    flyte_file: Any, flyte_directory: Any, hash_method: Callable[..., Any]
) -> list[Program]:  # Any: classes of an SDK
    """All rows, for one SDK's FlyteFile, FlyteDirectory and HashMethod."""

    @dataclass
    class Files:
        plain: flyte_file
        folder: Optional[flyte_directory] = None

    Files.__annotations__.update(plain=flyte_file, folder=Optional[flyte_directory])
    hashed = Annotated[str, hash_method(str.upper)]
    rows = [
        ("int", int, 7),
        ("int-zero", int, 0),
        ("int-min", int, -(2**63)),
        ("int-max", int, 2**63 - 1),
        ("float", float, 1.5),
        ("float-minus-zero", float, -0.0),
        ("float-inf", float, float("inf")),
        ("float-nan", float, float("nan")),
        ("str", str, "grüß\n'x'"),
        ("str-empty", str, ""),
        ("bool", bool, True),
        ("bool-false", bool, False),
        ("none", type(None), None),
        ("date", date, date(2024, 2, 29)),
        ("date-old", date, date(1900, 1, 1)),
        ("datetime", datetime, AT),
        ("datetime-naive", datetime, datetime(2024, 2, 29, 12, 30)),  # noqa: DTZ001 - naive on purpose
        ("datetime-zone", datetime, datetime(2024, 2, 29, 12, tzinfo=timezone(timedelta(hours=2)))),
        ("datetime-old", datetime, datetime(1, 1, 1, 0, 0, 0, 1, tzinfo=UTC)),
        ("datetime-late", datetime, datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        ("timedelta", timedelta, timedelta(days=3, seconds=5, microseconds=7)),
        ("timedelta-negative", timedelta, timedelta(days=-1, seconds=3, microseconds=5)),
        ("enum", Color, Color.RED),
        ("enum-str", Size, Size.L),
        ("enum-by-value", Color, "green"),
        ("literal-str", Literal["a", "b"], "a"),
        ("literal-int", Literal[1, 2], 2),
        ("literal-bool", Literal[True], True),
        ("newtype", UserId, None),
        ("annotated", Annotated[int, "metadata"], 3),
        ("annotated-hash", hashed, "abc"),
        ("list-annotated-hash", list[hashed], ["abc"]),
        ("list-int", list[int], [3, 0, -1]),
        ("list-empty", list[str], []),
        ("list-list-float", list[list[float]], [[1.5], []]),
        ("dict-str-int", dict[str, int], {"b": 1, "a": 2}),
        ("dict-empty", dict[str, int], {}),
        ("dict-nested", dict[str, dict[str, list[bool]]], {"x": {"y": [True, False]}}),
        ("dict-int-key", dict[int, str], {1: "one", -5: "minus five"}),
        ("dict-int-key-nested", dict[int, list[Row]], {1: [Row(1.0)]}),
        ("dict-free", dict, {"a": [1, 2.5, None, True, {"b": "c"}], "n": -(2**40)}),
        ("optional-none", Optional[int], None),
        ("optional-int", Optional[int], 5),
        ("union-int-str", Union[int, str], "x"),
        ("union-pep604", int | str, 1),
        ("union-bool-int", Union[bool, int], True),
        ("union-int-float", Union[int, float], 2.0),
        ("union-str-enum", Union[str, Color], "red"),
        ("union-dates", Union[date, datetime], AT),
        ("optional-list-row", Optional[list[Row]], [Row(1.5)]),
        ("optional-dict", Optional[dict[str, int]], {"a": 1}),
        ("union-two-dataclasses", Union[Row, Empty], Row(1.0)),
        ("list-optional", list[Optional[int]], [1, None]),
        ("typed-dict", Options, None),
        ("row", Row, Row(2.5, "r")),
        ("empty", Empty, Empty()),
        ("order", Order, Order([Row(1.0), Row(2.0, "b")], {"k": Row(0.0)}, None, Color.RED)),
        ("priority", Priority, Priority([], {}, "n", due=AT, tags=["x"])),
        ("list-order", list[Order], [Order([], {})]),
        ("dict-priority", dict[str, Priority], {"p": Priority([Row(-1.0)], {})}),
        ("times", Times, Times(AT, date(2024, 1, 1), timedelta(seconds=0.1))),
        ("texts", Texts, Texts(Decimal("0.10"), UUID(int=5), time(1, 2, 3), b"\x00\x01")),
        (
            "containers",
            Containers,
            Containers(
                (1, "a"),
                (1, 2, 3),
                {"name": "o", "count": 2},
                {1: "x"},
                {date(2024, 1, 1): [1]},
                {Color.RED: 1},
                {"any": [1, None]},
            ),
        ),
        ("choices", Choices, Choices("text", "slow", 42, [Row(1.0), None], Size.L, 2.5)),
        ("choices-defaults", Choices, Choices(1)),
        ("int-box", IntBox, IntBox(1, [2])),
        ("boxes", Boxes, Boxes(1, [Box("a")])),
        ("sets", Sets, Sets({5}, frozenset({"z"}))),
        ("points", Points, Points(Point(1))),
        ("levels", Levels, Levels(Level.HIGH)),
        ("users", Users, Users()),
        ("frozen", Frozen, Frozen(True)),
        ("file", flyte_file, "s3://bucket/a.txt"),
        ("file-format", flyte_file["csv"], "gs://bucket/a.csv"),
        ("file-https", flyte_file, "https://example.com/a.txt"),
        ("directory", flyte_directory, "s3://bucket/folder"),
        ("directory-format", flyte_directory["png"], "s3://bucket/folder"),
        ("list-file", list[flyte_file], ["s3://bucket/a", "s3://bucket/b"]),
        ("optional-file", Optional[flyte_file], None),
        ("files", Files, Files(flyte_file("s3://bucket/x"), flyte_directory("s3://bucket/y"))),
    ]
    return [Program(*row) for row in rows]
