"""What a promise is bound to has to be of its type, a workflow cannot contain itself, and constants have to travel."""

# mypy: disable-error-code="attr-defined, arg-type, call-overload, index, misc, name-defined, return-value, valid-type"
# To a type checker a call in a workflow gives the value; its promise can do more. Mistakes are on purpose.

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fledge import FlyteFile, SerializationSettings, task, workflow
from fledge.errors import DefinitionError, SerializationError, TypeConversionError
from fledge.serialize_flow import workflow_template
from fledge.types import builtin_registry
from fledge.types.assignable import is_assignable

SETTINGS = SerializationSettings(project="p", domain="d", version="v")


class Color(Enum):
    RED = "red"


@dataclass
class Point:
    x: int
    y: int = 0


@dataclass
class Wider:
    x: int
    y: int
    z: str


@dataclass
class Other:
    x: str


KINDS: tuple[Any, ...] = (int, float, str, bool, datetime, timedelta, bytes, Color, Point, dict, type(None), FlyteFile)
NESTED = st.recursive(
    st.sampled_from(KINDS),
    lambda inner: st.one_of(
        inner.map(lambda one: list[one]), inner.map(lambda one: dict[str, one]), inner.map(lambda one: one | None)
    ),
    max_leaves=3,
)


def assignable(source: Any, target: Any) -> bool:
    registry = builtin_registry()
    return is_assignable(registry.converter(source).literal_type, registry.converter(target).literal_type)


@given(NESTED)
def test_every_type_takes_its_own_values_and_none_takes_what_may_be_none(kind: Any) -> None:
    assert assignable(kind, kind)
    assert assignable(kind, kind | None)
    optional = kind | None
    if kind != optional and kind is not type(None):
        assert not assignable(optional, kind)


@given(NESTED, NESTED)
def test_lists_and_dicts_take_what_their_elements_take(source: Any, target: Any) -> None:
    fits = assignable(source, target)
    if source is not type(None):
        assert assignable(list[source], list[target]) == fits
        assert assignable(dict[str, source], dict[str, target]) == fits
    assert not assignable(list[source], dict[str, target])


@pytest.mark.parametrize(
    ("source", "target", "fits"),
    [
        (int, float, False),
        (int, str, False),
        (str, Color, True),
        (Color, str, True),
        (type(None), list[int], False),
        (list[type(None)], list[int], True),
        (int, int | str, True),
        (int | str, int | str | float, True),
        (int | str, int | float, False),
        (Point, Wider, False),
        (Wider, Point, True),
        (Other, Point, False),
        (Point, dict, True),
        (FlyteFile, str, False),
        (FlyteFile["csv"], FlyteFile, True),
        (FlyteFile["csv"], FlyteFile["jpeg"], False),
    ],
)
def test_what_fits_what(source: Any, target: Any, fits: bool) -> None:
    assert assignable(source, target) == fits


# -- in the body of a workflow -----------------------------------------------------------------------------------------


@task
def point() -> Point:
    return Point(1, 2)


@task
def numbers() -> list[int]:
    return [1, 2]


@task
def named() -> dict[str, int]:
    return {"a": 1}


@task
def number() -> int:
    return 1


@task
def maybe() -> int | None:
    return 1


@task
def text_of(text: str) -> str:
    return text


@task
def twice(n: int) -> int:
    return 2 * n


@task
def size(file: FlyteFile) -> int:
    return len(Path(file).read_bytes())


@pytest.mark.parametrize(
    ("bind", "message"),
    [
        (
            lambda: text_of(text=number()),
            r"text_of\.inputs\.text: expected str, and n0\.o0 is int\. Convert it in a task",
        ),
        (lambda: twice(n=maybe()), r"twice\.inputs\.n: expected int, and n0\.o0 is int \| None"),
        (lambda: twice(n=numbers()["a"]), r"n0\.o0\['a'\] leads nowhere, as n0\.o0 is a list"),
        (lambda: twice(n=named()[0]), r"n0\.o0\[0\] leads nowhere, as n0\.o0 is a dict"),
        (lambda: twice(n=number().real), r"n0\.o0\['real'\] leads nowhere, as n0\.o0 is a value with nothing inside"),
        (lambda: twice(n=maybe()[0]), r"n0\.o0\[0\] leads nowhere, as n0\.o0 is a union, into which Flyte"),
        (lambda: twice(n=point().w), r"n0\.o0\['w'\] leads nowhere, as n0\.o0 is a structured value with x, y"),
        (lambda: text_of(text=numbers()[0]), r"expected str, and n0\.o0\[0\] is a part of list\[int\]"),
    ],
)
def test_a_promise_of_another_type_is_refused_when_the_body_is_compiled(bind: Callable[[], Any], message: str) -> None:
    @workflow
    def wrong() -> None:
        bind()

    with pytest.raises(DefinitionError, match=message):
        wrong.compile()


def test_an_input_and_an_output_of_another_type_are_refused() -> None:
    @workflow
    def wrong_input(a: float) -> int:
        return twice(n=a)

    @workflow
    def wrong_output() -> str:
        return number()

    with pytest.raises(DefinitionError, match=r"twice\.inputs\.n: expected int, and inputs\.a is float"):
        wrong_input.compile()
    with pytest.raises(DefinitionError, match=r"wrong_output\.outputs\.o0: expected str, and n0\.o0 is int"):
        wrong_output.compile()


def test_parts_that_fit_are_bound() -> None:
    @workflow
    def right() -> int:
        twice(n=named()["a"])
        twice(n=point().y)
        return twice(n=numbers()[1])

    assert right() == 4


# -- what cannot be a graph --------------------------------------------------------------------------------------------


def test_a_workflow_that_contains_itself_is_refused() -> None:
    @workflow
    def again(n: int) -> int:
        return again(n=n)

    @workflow
    def ping(n: int) -> int:
        return pong(n=n)

    @workflow
    def pong(n: int) -> int:
        return ping(n=n)

    for broken, circle in ((again, "again > .*again"), (ping, "ping > .*pong > .*ping")):
        for use in (broken.compile, lambda broken=broken: broken(n=1)):
            with pytest.raises(
                DefinitionError, match=rf"contains itself: .*{circle}\. A graph cannot; repeat in a task"
            ):
                use()


def test_the_workflows_inside_are_compiled_with_it() -> None:
    @workflow
    def inner() -> int:
        return text_of(text=number())

    @workflow
    def outer() -> int:
        return inner()

    with pytest.raises(DefinitionError, match="expected str") as caught:
        outer.compile()
    assert sum("was compiled" in note for note in caught.value.__notes__) == 2


def test_a_constant_file_runs_here_and_is_not_shipped(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("four")

    @workflow
    def measures() -> int:
        return size(file=FlyteFile(file))

    assert measures() == 4
    with pytest.raises(SerializationError, match=r"node n0, .*size\.inputs\.file: a constant .* only this machine has"):
        workflow_template(measures, SETTINGS)


def test_a_constant_on_shared_storage_is_shipped() -> None:
    @workflow
    def measures() -> int:
        return size(file=FlyteFile("s3://bucket/a.txt"))

    template = workflow_template(measures, SETTINGS)
    assert template.nodes[0].inputs[0].binding.scalar.blob.uri == "s3://bucket/a.txt"


@task
def table(a: int) -> dict[str, int]:
    return {"abc": a}


@task
def listed(a: int) -> list[int]:
    return [a]


@task
def free(a: int) -> dict:  # type: ignore[type-arg] # free-form
    return {"x": {"y": "text"}}


class Two(NamedTuple):
    whole: int
    part: int


@task
def two(a: int) -> Two:
    return Two(a, a)


@task
def whole_number(a: int) -> int:
    return a


@workflow
def of_table(a: int) -> int:
    return whole_number(a=table(a=a)["abd"])


@workflow
def of_list(a: int) -> int:
    return whole_number(a=listed(a=a)[3])


@workflow
def of_free_form(a: int) -> int:
    return whole_number(a=free(a=a)["x"]["z"])


@workflow
def of_another_type(a: int) -> int:
    return whole_number(a=free(a=a)["x"]["y"])


@workflow
def of_no_output(a: int) -> int:
    return whole_number(a=two(a=a).hole)


@pytest.mark.parametrize(
    ("flow", "error", "message"),
    [
        (of_table, TypeConversionError, r"n0\.o0\['abd'\]: .*it has 'abc'; did you mean 'abc'"),
        (of_list, TypeConversionError, r"n0\.o0\[3\]: expected an index of the list, got int 3 \(it has 1 values\)"),
        (of_free_form, TypeConversionError, r"n0\.o0\['x'\]\['z'\]: .*it has 'y'"),
        (of_another_type, TypeConversionError, r"inputs\.a: expected int, got str 'text'"),
        (of_no_output, AttributeError, "no output is called 'hole'; there are whole, part; did you mean 'whole'"),
    ],
    ids=["key", "index", "field", "type", "output"],
)
def test_a_path_that_leads_nowhere_is_told_in_the_users_words(
    flow: Callable[..., int], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        flow(a=1)


def test_a_value_that_was_not_awaited_says_so() -> None:
    async def later() -> int:
        return 1

    coroutine = later()
    with pytest.raises(TypeConversionError, match="await it first"):
        whole_number(a=coroutine)
    coroutine.close()
