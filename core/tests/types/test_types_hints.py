"""Annotations as users write them: strings, forward references, new syntax, names that come later."""

# ruff: noqa: UP007, UP045 - the spellings with Optional and Union are part of what is tested

from __future__ import annotations

import subprocess
import sys
import textwrap
import typing
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any, ForwardRef, Generic, List, NewType, Optional, TypedDict, TypeVar, Union  # noqa: UP035 - old spellings are what is tested

import pytest

from fledge.errors import UnsupportedTypeError
from fledge.storage import StorageRouter
from fledge.types import builtin_registry
from fledge.types.hints import Unresolved, annotation_key, class_hints, unwrap

if typing.TYPE_CHECKING:
    from decimal import Decimal as OnlyForCheckers

T = TypeVar("T")
Meters = NewType("Meters", float)
REGISTRY = builtin_registry()
STORAGE = StorageRouter()


@dataclass
class Row:
    price: float


@dataclass
class Later:
    value: DefinedLater
    other: int = 0


@dataclass
class Box(Generic[T]):
    content: T
    many: list[T] = field(default_factory=list)


@dataclass
class RowBox(Box[Row]):
    note: str = ""


@dataclass
class Both(Box[list[T]], Generic[T]):
    extra: Optional[T] = None


class Keys(TypedDict):
    needed: int
    maybe: NotRequired[str]


if sys.version_info >= (3, 11):
    from typing import NotRequired


@dataclass
class Hidden:
    value: OnlyForCheckers
    odd: int = 0


@dataclass
class Broken:
    value: 3 | None  # type: ignore[valid-type]  # wrong on purpose


@dataclass
class Shadowing:
    """Its fields have the names of their types, and defaults."""

    date: date | None = None
    Row: Row | None = None


def test_a_name_that_is_only_there_for_type_checkers_waits_for_the_first_use() -> None:
    found = class_hints(Hidden)["value"]
    assert isinstance(found, Unresolved)
    assert (found.text, found.may_come) == ("OnlyForCheckers", True)
    REGISTRY.check(Hidden, "job.inputs.d")
    with pytest.raises(UnsupportedTypeError, match="'OnlyForCheckers' cannot be resolved"):
        REGISTRY.converter(Hidden)


def test_an_annotation_that_cannot_be_evaluated_is_refused_at_once() -> None:
    with pytest.raises(UnsupportedTypeError, match="cannot be evaluated: TypeError") as caught:
        REGISTRY.check(Broken, "job.inputs.d")
    assert caught.value.path == "job.inputs.d.value"


def test_a_field_may_have_the_name_of_its_type() -> None:
    value = Shadowing(date(2024, 1, 1), Row(1.0))
    assert REGISTRY.to_python(REGISTRY.to_literal(value, Shadowing, STORAGE), Shadowing, STORAGE) == value


def test_a_field_may_name_a_class_that_comes_later_in_the_module() -> None:
    REGISTRY.check(Later)
    value = Later(DefinedLater("x"))
    assert REGISTRY.to_python(REGISTRY.to_literal(value, Later, STORAGE), Later, STORAGE) == value


@dataclass
class DefinedLater:
    name: str


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Box[int], Box(1, [2])),
        (Box[Box[str]], Box(Box("x"), [Box("y", ["z"])])),
        (RowBox, RowBox(Row(1.0), [Row(2.0)], "n")),
        (Both[int], Both([1], [[2]], 3)),
        (List[Row], [Row(1.0)]),  # noqa: UP006 - an old spelling
        (Meters, 1.5),
        (Optional[Meters], None),
        (Union[int, str], "x"),
    ],
    ids=str,
)
def test_generic_new_and_old_spellings_convert(annotation: Any, value: object) -> None:
    literal = REGISTRY.to_literal([value], list[annotation], STORAGE)
    assert REGISTRY.to_python(literal, list[annotation], STORAGE) == [value]


def test_type_variables_of_a_base_are_what_the_subclass_says() -> None:
    with pytest.raises(TypeError, match=r"content\[0\]: expected int"):
        REGISTRY.to_literal(Both(["x"]), Both[int], STORAGE)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="NotRequired came with Python 3.11")
def test_a_key_that_is_not_required_may_be_left_out() -> None:
    for value in ({"needed": 1}, {"needed": 1, "maybe": "x"}):
        assert REGISTRY.to_python(REGISTRY.to_literal(value, Keys, STORAGE), Keys, STORAGE) == value
    with pytest.raises(TypeError, match="missing key 'needed'"):
        REGISTRY.to_literal({"maybe": "x"}, Keys, STORAGE)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="type statements came with Python 3.12")
def test_type_statements_convert() -> None:
    source = """
        from dataclasses import dataclass
        from fledge.storage import StorageRouter
        from fledge.types import builtin_registry

        type Number = int | float
        type Pair[A, B] = dict[str, A | B]
        type Late = list[Defined]

        @dataclass
        class Box[T]:
            content: T
            same: "list[T]"

        registry, storage = builtin_registry(), StorageRouter()
        registry.check(Late)

        @dataclass
        class Defined:
            x: int

        for kind, value in [
            (Number, 1.5), (Pair[int, str], {"k": "v", "n": 3}), (Late, [Defined(1)]), (Box[Number], Box(2, [1.5]))
        ]:
            literal = registry.to_literal(value, kind, storage)
            assert registry.to_python(literal, kind, storage) == value, kind
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(source)], check=True)


def test_unwrap_gives_all_metadata_innermost_first() -> None:
    nested = Annotated[Annotated[int, "inner"], "outer"]
    assert unwrap(Annotated[NewType("N", nested), "last"]) == (int, ("inner", "outer", "last"))
    assert unwrap(None) == (type(None), ())
    unresolved, _ = unwrap(ForwardRef("Nope"))
    assert isinstance(unresolved, Unresolved)


def test_keys_tell_apart_what_equality_does_not() -> None:
    assert Union[int, str] == Union[str, int]
    assert annotation_key(Union[int, str]) != annotation_key(Union[str, int])
    assert annotation_key(list[Union[int, str]]) != annotation_key(list[Union[str, int]])
    assert annotation_key(int | None) == annotation_key(int | None)
    assert hash(annotation_key(Annotated[int, {"not": "hashable"}]))


def test_the_declared_order_of_a_union_is_kept_in_its_type() -> None:
    tags = [
        [variant.structure.tag for variant in REGISTRY.literal_type(annotation).union_type.variants]
        for annotation in (Union[int, str], Union[str, int])
    ]
    assert tags == [["int", "str"], ["str", "int"]]


def test_hints_of_a_class_are_its_own() -> None:
    assert class_hints(RowBox) == {"note": str}
    assert isinstance(class_hints(Box)["content"], TypeVar)
