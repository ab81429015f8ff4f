"""Values on the command line and in `--inputs`: what may be written for each type, and what is said of a mistake."""

# ruff: noqa: UP007, UP045 - the spellings with Optional and Union are part of what is tested

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Optional, TypedDict, Union
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.tests.cli_support import Fledge, Ran, fledge_at, task_file
from fledge import idl, task
from fledge.cli.values import from_json, from_text, shown_default
from fledge.context import FlyteContextManager
from fledge.errors import FledgeError
from fledge.like_container import write_inputs
from fledge.types import FlyteFile
from fledge.types.base import TypeRegistry, TypeTransformer
from fledge.types.converter import PlainForm


class Color(Enum):
    RED = "r"
    BLUE = "b"


class Level(Enum):
    LOW = 1
    HIGH = 2


@dataclass
class Item:
    name: str
    price: float = 1.0


@dataclass
class Basket:
    items: list[Item]
    note: Optional[str] = None


@dataclass
class Coupon:
    name: str
    percent: int


class Row(TypedDict):
    a: int


def value(text: str, python_type: Any) -> object:  # Any: annotations
    return from_text(text, python_type, FlyteContextManager.current_context(), "x")


def problem(text: str, python_type: Any) -> str:  # Any: annotations
    with pytest.raises((ValueError, FledgeError)) as caught:
        value(text, python_type)
    return str(caught.value)


@given(
    st.recursive(st.builds(Item, st.text(), st.floats(allow_nan=False)), lambda one: st.builds(Basket, st.lists(one)))
)
def test_a_structured_value_is_what_its_json_says(made: Item | Basket) -> None:
    if isinstance(made, Basket) and not all(isinstance(one, Item) for one in made.items):
        made = Basket([], "nested ones are no baskets")
    assert value(json.dumps(dataclasses.asdict(made)), type(made)) == made


@given(st.text())
def test_every_text_is_itself_as_a_str(text: str) -> None:
    assert value(text, str) == text


@given(st.integers())
def test_every_int_is_an_int(number: int) -> None:
    assert value(str(number), int) == number


TEXTS = [
    ("true", bool, True),
    ("OFF", bool, False),
    ("1.5", float, 1.5),
    ("2024-02-29", date, date(2024, 2, 29)),
    ("2024-02-29T12:00:00Z", datetime, datetime(2024, 2, 29, 12, tzinfo=timezone.utc)),
    ("90", timedelta, timedelta(seconds=90)),
    ("90s", timedelta, timedelta(seconds=90)),
    ("15m", timedelta, timedelta(minutes=15)),
    ("1.5h", timedelta, timedelta(minutes=90)),
    ("-2d", timedelta, timedelta(days=-2)),
    ("1.10", Decimal, Decimal("1.10")),
    ("RED", Color, Color.RED),
    ("r", Color, Color.RED),
    ("2", Level, Level.HIGH),
    ("null", Optional[int], None),
    ("None", Optional[str], None),
    ("7", Optional[int], 7),
    ("a", Literal["a", "b"], "a"),
    ('"a"', Literal["a", "b"], "a"),
    ("1", Literal["1", "2"], "1"),
    ("1", Literal[1, 2], 1),
    ("5", Union[int, str], 5),
    ("abc", Union[int, str], "abc"),
    ('"5"', Union[int, str], "5"),
    ("true", Union[int, str], "true"),
    ('{"a": 1}', Union[Row, str], {"a": 1}),
    ("{a}", Union[Row, str], "{a}"),
    ("00000000-0000-0000-0000-000000000007", UUID, UUID(int=7)),
    ("[1, 2]", list[int], [1, 2]),
    ('{"k": [1]}', dict[str, list[int]], {"k": [1]}),
    ('{"name": "half", "percent": 50}', Union[Item, Coupon], Coupon("half", 50)),
    ('{"name": "half", "percent": 50}', Union[Coupon, Item], Coupon("half", 50)),
]


@pytest.mark.parametrize(("text", "python_type", "expected"), TEXTS, ids=[f"{text}-{kind}" for text, kind, _ in TEXTS])
def test_a_text_is_a_value(text: str, python_type: Any, expected: object) -> None:  # Any: annotations
    found = value(text, python_type)
    assert found == expected
    assert type(found) is type(expected)


PROBLEMS = {
    "int": ("x", int, "'x' is not int"),
    "bool": ("maybe", bool, "'maybe' is not bool: write true or false"),
    "date": ("29.2.2024", date, "write it as 2024-02-29"),
    "datetime": ("noon", datetime, "write it as 2024-02-29T12:30:00Z"),
    "duration": ("1 week", timedelta, "write seconds, or a number with s, m, h or d, as 90, 15m or 1.5h"),
    "a duration that no timedelta holds": ("9999999999d", timedelta, "write seconds"),
    "Decimal": ("x", Decimal, "'x' is not decimal.Decimal"),
    "Enum": ("GREEN", Color, "'GREEN' is none of RED|BLUE"),
    "Literal": ("c", Literal["a", "b"], "x: expected Literal['a', 'b'], got str 'c'"),
    "no JSON": ("[1,", list[int], "'[1,' is not list[int]: not JSON: Expecting value"),
    "no list": ("abc", list[int], "'abc' is not list[int]: not JSON: Expecting value"),
    "UUID": ("abc", UUID, "expected uuid.UUID, got str 'abc' (badly formed hexadecimal UUID string)"),
    "no such file for a file": ("gone.txt", FlyteFile, "there is no file 'gone.txt'"),
    "no such file": ("@gone.json", list[int], "there is no file 'gone.json'"),
    "item": ("[1, 2, true]", list[int], "x[2]: expected int, got bool True"),
    "field": ('{"items": [{"name": 3}]}', Basket, "x.items[0].name: expected str, got int 3"),
    "missing field": ('[{"price": 1}]', list[Item], "x[0]: expected "),
    "missing field's name": ('[{"price": 1}]', list[Item], "(field 'name' is missing)"),
    "unknown field": ('{"name": "a", "pric": 1}', Item, "it has no field 'pric'; did you mean 'price'? Its"),
    "unknown field's siblings": ('{"name": "a", "pric": 1}', Item, "Its fields: name, price"),
    "unknown field of an item": ('{"items": [{"name": "a", "x": 1}]}', Basket, "x.items[0]: expected "),
    "unknown field of an Optional": ('{"name": "a", "pric": 1}', Optional[Item], "it has no field 'pric'"),
    "unknown key of a TypedDict": ('{"a": 1, "b": 2}', Row, "it has no field 'b'"),
}


@pytest.mark.parametrize("case", PROBLEMS)
def test_a_mistake_is_told_with_its_place_and_the_way_out(case: str) -> None:
    text, python_type, message = PROBLEMS[case]
    assert message in problem(text, python_type)


def test_of_a_file_that_is_not_there_no_more_is_said() -> None:
    assert problem("@gone.json", Basket).endswith("there is no file 'gone.json'")
    assert "JSON" not in problem("@gone.json", Basket)


@given(
    st.one_of(
        *(st.booleans(), st.integers(), st.dates(), st.sampled_from(Color), st.decimals(allow_nan=False)),
        *(st.datetimes(timezones=st.just(timezone.utc)), st.timedeltas(timedelta(-9999), timedelta(9999))),
        st.floats(allow_nan=False),
    )
)
def test_a_default_is_shown_as_it_may_be_written(default: object) -> None:
    assert value(shown_default(default), type(default)) == default


@pytest.mark.parametrize(
    ("default", "shown"),
    [
        *((date(2024, 1, 1), "2024-01-01"), (timedelta(minutes=1.5), "90s"), (Color.RED, "RED"), (True, "true")),
        *((Decimal("1.50"), "1.50"), (None, "None"), ("two words", "'two words'"), ([1, 2], "[1, 2]")),
    ],
)
def test_a_default_is_short(default: object, shown: str) -> None:
    assert shown_default(default) == shown


def test_a_union_tells_of_each_variant_why_it_does_not_fit() -> None:
    told = problem('{"name": "n", "percent": "x"}', Union[Item, Coupon])
    name = Item.__module__
    assert f"{name}.Item: it has no field 'percent'" in told
    assert f"{name}.Coupon.percent: expected int, got str 'x'" in told
    assert problem("true", Union[int, date]).endswith("got bool True"), "of what resembles no variant there is no more"


def test_what_comes_over_the_wire_may_have_more_fields() -> None:
    ctx = FlyteContextManager.current_context()
    plain = ctx.registry.converter(Item).plain
    assert plain is not None
    assert plain.unpack({"name": "a", "of_a_later_version": 1}, ctx.storage) == Item("a")


def test_json_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "items.json").write_text('[{"name": "a"}]')
    assert value(f"@{tmp_path}/items.json", list[Item]) == [Item("a")]
    assert value("@nobody", Union[int, str]) == "@nobody"


def test_an_entry_of_a_json_file_is_converted_as_an_option_is() -> None:
    ctx = FlyteContextManager.current_context()
    assert from_json([{"name": "a"}], list[Item], ctx, "x") == [Item("a")]
    assert from_json("15m", timedelta, ctx, "x") == timedelta(minutes=15)
    assert from_json("b", Literal["a", "b"], ctx, "x") == "b"
    assert from_json(None, Optional[int], ctx, "x") is None
    assert from_json("RED", Color, ctx, "x") is Color.RED
    assert from_json("7", int, ctx, "x") == 7
    with pytest.raises(FledgeError, match=r"x\[0\]: .*did you mean 'price'"):
        from_json([{"name": "a", "pric": 2}], list[Item], ctx, "x")


class Money:
    """A type of a plugin, whose transformer has no form inside structured values."""

    def __init__(self, cents: int) -> None:
        self.cents = cents


class MoneyTransformer(TypeTransformer[Money]):
    def literal_type(self, python_type: Any, registry: TypeRegistry) -> Any:  # Any: annotations; a LiteralType
        return idl.types.LiteralType(simple="INTEGER")

    def to_literal(
        self, value: Money, python_type: Any, registry: Any, storage: Any, path: str
    ) -> Any:  # Any: as above
        return registry.to_literal(value.cents, int, storage)

    def to_python(
        self, literal: Any, python_type: Any, registry: Any, storage: Any, path: str
    ) -> Money:  # Any: as above
        return Money(registry.to_python(literal, int, storage))


class MisformedMoney(MoneyTransformer):
    def plain_form(self, python_type: Any, registry: Any) -> PlainForm:  # Any: as above
        return PlainForm(lambda value: value.cents, lambda plain: Money(int(plain)), dict)  # type: ignore[misc, arg-type] # the mistake


def test_what_a_plugins_unpack_raises_names_the_value_and_the_plugin() -> None:
    FlyteContextManager.current_context().registry.register(MisformedMoney("money", Money))
    for text in ("1 EUR", "1"):
        told = problem(text, Money)
        assert told.startswith("x: expected core.tests.test_cli_values.Money")
        assert f"{__name__}.MisformedMoney.plain_form (unpack): TypeError: " in told
        assert "not JSON" not in told


def test_a_string_of_a_json_file_stays_one_where_the_type_has_strings() -> None:
    ctx = FlyteContextManager.current_context()
    assert from_json("5", Union[int, str], ctx, "x") == "5"
    assert from_json(5, Union[int, str], ctx, "x") == 5
    assert from_json("null", Optional[str], ctx, "x") == "null"


def test_a_type_without_a_text_comes_from_a_file_that_python_writes(fledge: Fledge, tmp_path: Path) -> None:
    ctx = FlyteContextManager.current_context()
    ctx.registry.register(MoneyTransformer("money", Money))
    message = "cannot be written as text (its transformer has no plain_form). Use --inputs FILE.pb"
    assert message in problem("5", Money)
    assert message in problem("[5]", list[Money])

    @task
    def f(a: int, since: str) -> int:
        return a

    written = write_inputs(f, {"a": 7, "since": "May"}, tmp_path)
    assert fledge("run", "--inputs", str(written), "{}:f") == Ran(0, "o0: 7 May\n", "")


# -- through the command -----------------------------------------------------------------------------------------------

TASKS = """
    from typing import Optional
    from fledge import task

    @task
    def f(a: Optional[int] = 5, since: Optional[str] = "ever") -> str:
        return f"{a} {since}"
"""


@pytest.fixture
def fledge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Fledge:
    return fledge_at(task_file(tmp_path, TASKS, "cli_values"), monkeypatch, capsys)


def test_null_is_a_value_and_no_missing_one(fledge: Fledge, tmp_path: Path) -> None:
    assert fledge("run", "{}:f") == Ran(0, "o0: 5 ever\n", "")
    assert fledge("run", "{}:f", "--a", "null") == Ran(0, "o0: None ever\n", "")
    (tmp_path / "in.json").write_text('{"since": "May", "a": 1}')
    ran = fledge("run", "--inputs", "in.json", "{}:f", "--since", "null")
    assert ran == Ran(0, "o0: 1 None\n", "")


def test_inputs_that_are_not_there_are_a_mistake_of_usage(fledge: Fledge) -> None:
    ran = fledge("run", "--inputs", "nosuch.json", "{}:f")
    assert (ran.code, ran.out) == (2, "")
    assert "--inputs nosuch.json: no such file" in ran.err
    assert "Traceback" not in ran.err


def test_an_output_named_dash_is_printed(fledge: Fledge, tmp_path: Path) -> None:
    assert json.loads(fledge("run", "--output", "-", "{}:f").out) == {"o0": "5 ever"}
    assert not (tmp_path / "-").exists()
