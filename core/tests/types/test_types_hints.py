"""Annotations as users write them: strings, forward references, new syntax, names that come later."""

# ruff: noqa: UP007, UP045 - the spellings with Optional and Union are part of what is tested

from __future__ import annotations

import subprocess
import sys
import textwrap
import typing
from dataclasses import dataclass, field
from typing import Annotated, Any, ForwardRef, Generic, List, NewType, Optional, TypedDict, TypeVar, Union  # noqa: UP035 - old spellings are what is tested

import pytest

from fledge.errors import UnsupportedTypeError
from fledge.storage import StorageRouter
from fledge.types import builtin_registry
from fledge.types.hints import Unresolved, annotation_key, class_hints, resolve_hints, unwrap

if typing.TYPE_CHECKING:
    from decimal import Decimal as Hidden

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


def written(a: int, b: list[Row], c: Row | None = None, *, d: Hidden, e: Annotated[int, "kept"]) -> dict[str, Row]:
    raise NotImplementedError(a, b, c, d, e)


def test_strings_resolve_where_the_function_was_written() -> None:
    hints = resolve_hints(written)
    assert list(hints) == ["a", "b", "c", "d", "e", "return"]
    assert hints["b"] == list[Row]
    assert hints["c"] == Optional[Row]
    assert hints["e"] == Annotated[int, "kept"]
    assert hints["return"] == dict[str, Row]


def test_a_name_that_is_only_there_for_type_checkers_stays_unresolved() -> None:
    hidden = resolve_hints(written)["d"]
    assert isinstance(hidden, Unresolved)
    assert (hidden.name, hidden.text) == ("Hidden", "Hidden")
    REGISTRY.check(hidden, "job.inputs.d")
    with pytest.raises(UnsupportedTypeError, match="'Hidden' cannot be resolved"):
        REGISTRY.converter(hidden)


def test_classes_of_an_enclosing_function_resolve_when_they_are_used_or_given() -> None:
    @dataclass
    class Local:
        x: int

    def used(a: Local) -> list[Local]:
        return [a, Local(1)]

    def unused(a: Local) -> None:
        raise NotImplementedError(a)

    assert resolve_hints(used)["return"] == list[Local]
    assert resolve_hints(unused, {"Local": Local})["a"] is Local
    assert isinstance(resolve_hints(unused)["a"], Unresolved)


def test_a_wrapped_function_is_looked_through() -> None:
    def wrapper(*args: object) -> None:
        raise NotImplementedError(args)

    wrapper.__wrapped__ = written  # type: ignore[attr-defined]  # as functools.wraps sets it
    assert resolve_hints(wrapper)["a"] is int


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
        (List["Row"], [Row(1.0)]),  # noqa: UP006 - an old spelling
        (Meters, 1.5),
        (Optional[Meters], None),
        (Union[int, "str"], "x"),
    ],
    ids=str,
)
def test_generic_new_and_old_spellings_convert(annotation: Any, value: object) -> None:
    def function(a: annotation) -> None:
        raise NotImplementedError(a)

    function.__annotations__["a"] = annotation
    resolved = resolve_hints(function)["a"]
    assert REGISTRY.to_python(REGISTRY.to_literal(value, resolved, STORAGE), resolved, STORAGE) == value


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
        from fledge.types.hints import resolve_hints

        type Number = int | float
        type Pair[A, B] = dict[str, A | B]
        type Late = list[Defined]

        @dataclass
        class Box[T]:
            content: T

        def task[T](a: Number, b: Pair[int, str], c: Late, d: Box[Number]) -> None: ...

        registry, storage = builtin_registry(), StorageRouter()
        hints = resolve_hints(task)
        registry.check(hints["c"], "task.inputs.c")

        @dataclass
        class Defined:
            x: int

        values = {"a": 1.5, "b": {"k": "v", "n": 3}, "c": [Defined(1)], "d": Box(2)}
        for name, value in values.items():
            literal = registry.to_literal(value, hints[name], storage)
            assert registry.to_python(literal, hints[name], storage) == value, name
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
