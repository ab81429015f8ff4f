"""Programs about scalars: every type alone, with defaults, and several at once."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from enum import Enum

from hypothesis import strategies as st

from fledge import task
from tests.parity.calls import called_with

LOCAL = timezone(timedelta(hours=5, minutes=30))


class Color(Enum):
    RED = "red"
    GREEN = "green"
    DARK_BLUE = "dark blue"


class Mode(str, Enum):
    FAST = "fast"
    SAFE = "safe"


@called_with({"a": 1, "b": 1}, {"a": -5, "b": 7}, a=st.integers(-(2**62), 2**62), b=st.integers(-(2**62), 2**62))
@task
def add(a: int, b: int) -> int:
    return a + b


@called_with({"a": 2**63 - 1}, {"a": -(2**63)}, {"a": 0}, {"a": -1}, a=st.integers(-(2**63), 2**63 - 1))
@task
def whole(a: int) -> int:
    return a


@called_with(
    {"x": 0.1},
    {"x": -0.0},
    {"x": float("inf")},
    {"x": float("nan")},
    {"x": 5e-324},
    {"x": 3},
    x=st.floats(allow_nan=False),
)
@task
def real(x: float) -> float:
    return x


@called_with({"s": ""}, {"s": "plain"}, {"s": "tab\tline\nquote\"'"}, {"s": "日本語 😀 \u200b"}, s=st.text())
@task
def text(s: str) -> str:
    return s


@called_with({"yes": True}, {"yes": False}, yes=st.booleans())
@task
def boolean(yes: bool) -> bool:
    return not yes


@called_with(
    {"when": datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=timezone.utc)},
    {"when": datetime(1969, 12, 31, 23, 59, 59, 1, tzinfo=timezone.utc)},
    {"when": datetime(2024, 2, 29, 12, tzinfo=LOCAL)},
    when=st.datetimes(
        datetime(1, 1, 2),  # noqa: DTZ001 - the strategy adds the zone
        datetime(9999, 12, 30),  # noqa: DTZ001 - the strategy adds the zone
        timezones=st.just(timezone.utc),
    ).map(lambda when: when.replace(fold=0)),
)
@task
def moment(when: datetime) -> datetime:
    return when


@called_with({"when": datetime(2024, 2, 29, 12, 30)})  # noqa: DTZ001 - naive on purpose
@task
def naive_moment(when: datetime) -> datetime:
    return when


@called_with({"day": date(2024, 2, 29)}, {"day": date(1, 1, 1)}, {"day": date(9999, 12, 31)}, day=st.dates())
@task
def day(day: date) -> date:
    return day


@called_with(
    {"span": timedelta(days=-1, microseconds=1)},
    {"span": timedelta(0)},
    {"span": timedelta(days=366, seconds=3)},
    span=st.timedeltas(timedelta(days=-3_000_000), timedelta(days=3_000_000)),
)
@task
def span(span: timedelta) -> timedelta:
    return span


@called_with({"color": Color.RED}, {"color": Color.DARK_BLUE}, color=st.sampled_from(Color))
@task
def enum(color: Color) -> Color:
    return color


@called_with({"mode": Mode.SAFE}, mode=st.sampled_from(Mode))
@task
def text_enum(mode: Mode) -> Mode:
    return mode


@called_with({"color": "red"})
@task
def enum_by_value(color: Color) -> str:
    return str(color.value)


@called_with({"n": 3})
@task
def no_output(n: int) -> None:
    return None


@called_with({})
@task
def no_input() -> str:
    return "here"


@called_with({})
@task
def nothing() -> None:
    return None


@called_with({}, {"a": 2}, {"d": False, "c": "z"})
@task
def all_defaults(a: int = 1, b: float = 2.5, c: str = "three", d: bool = True) -> str:
    return f"{a} {b} {c} {d}"


@called_with({"a": 4})
@task
def default_enum(a: int, color: Color = Color.GREEN) -> Color:
    return color


@called_with({})
@task
def default_moments(
    when: datetime = datetime(2020, 1, 1, tzinfo=timezone.utc),
    span: timedelta = timedelta(hours=1),
) -> datetime:
    return when + span


@called_with({"zeta": 1, "alpha": "a", "mid": 1.5})
@task
def declared_order(zeta: int, alpha: str, mid: float) -> str:
    return f"{zeta}{alpha}{mid}"


@called_with({"a": 1, "b": 2.0, "c": "3", "d": True, "e": Color.RED, "f": timedelta(1), "g": date(2024, 1, 1)})
@task
def one_of_each(a: int, b: float, c: str, d: bool, e: Color, f: timedelta, g: date) -> tuple[int, float, str, bool]:
    return a, b, c, d
