"""Programs about types that a plugin brings: alone, inside other types, as defaults, hashed, and refused."""

from __future__ import annotations

from typing import Annotated, NamedTuple, Optional, Union

from hypothesis import strategies as st

from fledge import HashMethod, task, workflow
from tests.parity.calls import called_with
from tests.parity.plugin_types import Celsius, Money, Track
from tests.parity.programs import Sdk

MONEY = st.builds(Money, st.integers(0, 10**9), st.sampled_from(["EUR", "JPY"]))
REALS = st.floats(allow_nan=False, allow_infinity=False)
TRACK = st.builds(Track, st.lists(REALS, max_size=3).map(tuple))


class Weather(NamedTuple):
    high: Celsius
    low: Celsius


@called_with({"price": Money(1250, "EUR")}, price=MONEY)
@task
def money(price: Money) -> Money:
    return price


@called_with({"c": Celsius(-40.0)}, c=st.builds(Celsius, REALS))
@task
def celsius(c: Celsius) -> Celsius:
    return c


@called_with({"t": Track((1.0, 2.5))}, {"t": Track(())}, t=TRACK)
@task
def track(t: Track) -> Track:
    return t


@called_with({"prices": [Money(1, "EUR"), Money(2, "JPY")]}, prices=st.lists(MONEY, max_size=3))
@task
def list_of_money(prices: list[Money]) -> list[Money]:
    return prices[::-1]


@called_with({"by_name": {"a": Celsius(1.5)}}, by_name=st.dictionaries(st.text(max_size=3), st.builds(Celsius, REALS)))
@task
def celsius_by_name(by_name: dict[str, Celsius]) -> dict[str, Celsius]:
    return by_name


@called_with({"tracks": [{"a": Track((1.0,))}, {}]})
@task
def nested_tracks(tracks: list[dict[str, Track]]) -> list[dict[str, Track]]:
    return tracks


@called_with({"price": Money(3, "EUR")}, {"price": None}, price=st.none() | MONEY)
@task
def optional_money(price: Optional[Money]) -> Optional[Money]:  # noqa: UP045 - the old spelling is a program too
    return price


@called_with({"x": Money(3, "EUR")}, {"x": 7}, {"x": Celsius(1.0)}, x=MONEY | st.integers(-9, 9))
@task
def union_of_plugin_types(x: Union[Money, int, Celsius]) -> Union[Money, int, Celsius]:  # noqa: UP007 - as above
    return x


@called_with({"mean": Celsius(10.0)})
@task
def two_outputs(mean: Celsius) -> Weather:
    return Weather(Celsius(mean.degrees + 5), Celsius(mean.degrees - 5))


@called_with({}, {"price": Money(2, "JPY")})
@task
def with_default(price: Money = Money(1, "EUR")) -> str:  # noqa: B008 - it cannot be changed
    return f"{price.cents} {price.currency}"


def cents(price: Money) -> str:
    return str(price.cents)


@called_with({"price": Money(5, "EUR")})
@task
def hashed_money(price: Money) -> Annotated[Money, HashMethod(cents)]:
    return price


@called_with({"price": Money(5, "EUR")})
@workflow
def priced_twice(price: Money) -> Money:
    return money(price=money(price=price))


@called_with({})
@workflow
def constant_price() -> Money:
    return money(price=Money(9, "EUR"))


def observe_another_class(sdk: Sdk) -> object:
    return money(price="5 EUR")  # type: ignore[arg-type] # the mistake


def observe_another_class_in_a_list(sdk: Sdk) -> object:
    return list_of_money(prices=[Money(1, "EUR"), 2])  # type: ignore[list-item] # the mistake
