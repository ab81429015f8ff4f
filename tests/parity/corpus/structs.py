"""Programs about dataclasses: nested, inherited, generic, with defaults and with every kind of field."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from enum import Enum
from typing import Generic, List, Optional, TypeVar, Union  # noqa: UP035 - the old spelling is a program too

from hypothesis import strategies as st

from fledge import task
from tests.parity.calls import called_with

NOON = datetime(2024, 5, 1, 12, tzinfo=timezone.utc)
WORDS = st.text(max_size=5)
NUMBERS = st.integers(-(2**63), 2**63 - 1)
REALS = st.floats(allow_nan=False, allow_infinity=False)
T = TypeVar("T")


class Color(Enum):
    RED = "red"
    GREEN = "green"


@dataclass
class Point:
    x: float
    y: float


@dataclass
class Row:
    """One row of a table."""

    id: int
    name: str
    price: float
    sold: bool


@dataclass
class Defaults:
    a: int = 1
    b: str = "two"
    c: float = 3.0
    d: bool = False
    tags: list[str] = field(default_factory=list)


@dataclass
class Line:
    start: Point
    end: Point
    label: str = ""


@dataclass
class Deep:
    line: Line
    points: list[Point]
    by_name: dict[str, Point]


@dataclass
class Maybe:
    a: Optional[int] = None  # noqa: UP045 - the old spelling is a program too
    b: str | None = None
    point: Point | None = None


@dataclass
class Colored:
    color: Color
    others: list[Color] = field(default_factory=list)


@dataclass
class Timed:
    when: datetime
    span: timedelta
    day: date


@dataclass
class Collections:
    ints: list[int]
    matrix: list[list[float]]
    ages: dict[str, int]
    old: List[str]  # noqa: UP006 - as in the imports


@dataclass
class Base:
    id: int
    note: str = "base"


@dataclass
class Child(Base):
    extra: float = 0.5


@dataclass
class Grandchild(Child):
    note: str = "grandchild"
    last: bool = True


@dataclass(frozen=True)
class Frozen:
    a: int
    b: str = "x"


@dataclass
class Choice:
    value: Union[int, str]  # noqa: UP007 - the old spelling is a program too


@dataclass
class Box(Generic[T]):
    item: T


@dataclass
class Loose:
    data: dict[str, list[dict[str, int]]]


@dataclass
class Empty:
    pass


@dataclass
class Derived:
    width: int
    height: int
    area: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.area = self.width * self.height


@dataclass
class OnlyDerived:
    area: int = field(init=False)

    def __post_init__(self) -> None:
        self.area = 3


@called_with({"p": Point(1.5, -0.0)}, p=st.builds(Point, REALS, REALS))
@task
def point(p: Point) -> Point:
    return Point(p.y, p.x)


@called_with({"row": Row(1, "é", 2.5, True)}, row=st.builds(Row, NUMBERS, WORDS, REALS, st.booleans()))
@task
def row(row: Row) -> Row:
    return row


@called_with({"d": Defaults()}, {"d": Defaults(5, tags=["x"])}, d=st.builds(Defaults, NUMBERS, WORDS))
@task
def defaults(d: Defaults) -> Defaults:
    return d


@called_with({"line": Line(Point(0.0, 0.0), Point(1.0, 1.0), "diagonal")})
@task
def nested(line: Line) -> Line:
    return line


@called_with({"deep": Deep(Line(Point(0.5, 1.0), Point(2.0, 3.0)), [Point(4.0, 5.0)], {"k": Point(6.0, 7.0)})})
@task
def deep(deep: Deep) -> Deep:
    return deep


@called_with(
    {"m": Maybe()}, {"m": Maybe(1, "x", Point(1.0, 2.0))}, m=st.builds(Maybe, st.none() | NUMBERS, st.none() | WORDS)
)
@task
def maybe(m: Maybe) -> Maybe:
    return m


@called_with({"c": Colored(Color.RED)}, {"c": Colored(Color.GREEN, [Color.RED, Color.GREEN])})
@task
def colored(c: Colored) -> Colored:
    return c


@called_with({"t": Timed(NOON, timedelta(seconds=1.5), date(2024, 2, 29))})
@task
def timed(t: Timed) -> Timed:
    return t


@called_with({"c": Collections([1], [[1.5], []], {"a": 2}, ["x"])})
@task
def collections(c: Collections) -> Collections:
    return c


@called_with({"c": Child(1)}, {"c": Child(2, "n", 1.5)})
@task
def inherited(c: Child) -> Child:
    return c


@called_with({"c": Grandchild(1)})
@task
def inherited_twice(c: Grandchild) -> Grandchild:
    return c


@called_with({"f": Frozen(1)})
@task
def frozen(f: Frozen) -> Frozen:
    return f


@called_with({"c": Choice(1)}, {"c": Choice("1")})
@task
def choice(c: Choice) -> Choice:
    return c


@task
def generic(box: Box[int]) -> Box[int]:
    return box


@called_with({"x": Loose({"a": [{"b": 1}]})})
@task
def loose(x: Loose) -> Loose:
    return x


@called_with({"e": Empty()})
@task
def empty(e: Empty) -> Empty:
    return e


@called_with({"d": Derived(2, 3)})
@task
def derived(d: Derived) -> int:
    return d.area


@called_with({"d": OnlyDerived()})
@task
def only_derived(d: OnlyDerived) -> int:
    return d.area


@called_with({"rows": []}, {"rows": [Row(1, "a", 1.0, False), Row(2, "b", 2.0, True)]})
@task
def list_of_rows(rows: list[Row]) -> list[Row]:
    return rows


@called_with({"rows": {"a": Point(1.0, 2.0)}})
@task
def dict_of_points(rows: dict[str, Point]) -> dict[str, Point]:
    return rows


@called_with({"p": None}, {"p": Point(1.0, 2.0)})
@task
def optional_point(p: Point | None) -> Point | None:
    return p


@called_with({"p": Frozen(1)}, {"p": Point(1.0, 2.0)})
@task
def one_of_two(p: Point | Frozen) -> Point | Frozen:
    return p


@called_with({"p": Point(1.0, 2.0)}, {"p": 3})
@task
def struct_or_int(p: int | Point) -> int | Point:
    return p


@called_with({"p": Point(1.0, 2.0), "rows": [Row(1, "a", 1.0, True)], "n": 3, "c": Color.RED})
@task
def mixed(p: Point, rows: list[Row], n: int, c: Color) -> tuple[Point, list[Row], int]:
    return p, rows, n


@called_with({})
@task
def default_struct(p: Frozen = Frozen(1)) -> Frozen:
    return p
