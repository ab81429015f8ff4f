"""Programs about Optional, Union, Literal and None."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Literal, Optional, Union

from hypothesis import strategies as st

from fledge import task
from tests.parity.calls import called_with

NOON = datetime(2024, 5, 1, 12, tzinfo=timezone.utc)
NUMBERS = st.integers(-(2**63), 2**63 - 1)


@called_with({"a": None}, {"a": 3}, a=st.none() | NUMBERS)
@task
def optional_int(a: Optional[int]) -> Optional[int]:  # noqa: UP045 - the old spelling is a program too
    return a


@called_with({"a": None}, {"a": "x"}, a=st.none() | st.text(max_size=5))
@task
def optional_text(a: str | None) -> str | None:
    return a


@called_with({}, {"a": 1.5})
@task
def optional_default(a: float | None = None) -> float | None:
    return a


@called_with({}, {"a": 5})
@task
def optional_default_value(a: int | None = 4) -> int | None:
    return a


@called_with({"a": 1}, {"a": "1"}, a=NUMBERS | st.text(max_size=5))
@task
def int_or_text(a: Union[int, str]) -> Union[int, str]:  # noqa: UP007 - the old spelling is a program too
    return a


@called_with({"a": "1"}, {"a": 1}, a=NUMBERS | st.text(max_size=5))
@task
def text_or_int(a: str | int) -> str | int:
    return a


@called_with({"a": True}, {"a": 2}, {"a": 2.5}, a=NUMBERS | st.booleans() | st.floats(allow_nan=False))
@task
def bool_int_float(a: bool | int | float) -> bool | int | float:  # noqa: PYI041 - three variants of one union
    return a


@called_with({"a": [1]}, {"a": 1}, {"a": []})
@task
def int_or_list(a: int | list[int]) -> int | list[int]:
    return a


@called_with({"a": {"k": 1}}, {"a": [1]}, {"a": None})
@task
def dict_list_none(a: dict[str, int] | list[int] | None) -> dict[str, int] | list[int] | None:
    return a


@called_with({"a": [1, None, 3]}, {"a": []}, a=st.lists(st.none() | NUMBERS, max_size=4))
@task
def list_of_optionals(a: list[int | None]) -> list[int | None]:
    return a


@called_with(
    {"a": {"x": 1, "y": "z"}}, a=st.dictionaries(st.text(max_size=3), NUMBERS | st.text(max_size=3), max_size=3)
)
@task
def dict_of_unions(a: dict[str, int | str]) -> dict[str, int | str]:
    return a


@called_with({"a": None}, {"a": [1.5]}, {"a": []})
@task
def optional_list(a: list[float] | None) -> list[float] | None:
    return a


@called_with({"a": NOON}, {"a": "noon"}, {"a": None})
@task
def moment_text_none(a: datetime | str | None) -> datetime | str | None:
    return a


@called_with({"a": None})
@task
def none_input(a: None) -> int:
    return 1


@called_with({"a": "x"}, {"a": "y"}, a=st.sampled_from(["x", "y"]))
@task
def literal_texts(a: Literal["x", "y"]) -> Literal["x", "y"]:
    return a


@called_with({"a": 1}, {"a": 2})
@task
def literal_ints(a: Literal[1, 2, 3]) -> Literal[1, 2, 3]:
    return a


@called_with({"a": True})
@task
def literal_bools(a: Literal[True, False]) -> bool:
    return a


@called_with({}, {"mode": "slow"})
@task
def literal_default(mode: Literal["fast", "slow"] = "fast") -> str:
    return mode


@called_with({"a": [["x", None], []]})
@task
def nested_optionals(a: list[list[str | None]]) -> list[list[str | None]]:
    return a
