"""kwtypes and Interface: names, defaults, binding of calls, what a signature declares."""

from __future__ import annotations

import typing
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, NamedTuple, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fledge import FlyteFile
from fledge.context import FlyteContextManager
from fledge.docstrings import Docstring
from fledge.errors import CallError, DefinitionError
from fledge.interface import Interface, UnresolvedAnnotation, interface_of, kwtypes

NAMES = st.lists(st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True), unique=True, max_size=6).filter(
    lambda names: (
        not any(name in ("and", "as", "def", "del", "for", "if", "in", "is", "not", "or", "try") for name in names)
    )
)


# -- kwtypes -----------------------------------------------------------------------------------------------------------


def test_kwtypes_keeps_the_order_of_the_call() -> None:
    made = kwtypes(b=int, a=str)
    assert isinstance(made, OrderedDict)
    assert list(made.items()) == [("b", int), ("a", str)]


def test_kwtypes_of_nothing_is_empty() -> None:
    assert kwtypes() == OrderedDict()


def test_kwtypes_takes_any_object_for_a_type() -> None:
    assert kwtypes(a="not a type", b=3)["b"] == 3


# -- binding -----------------------------------------------------------------------------------------------------------


@given(names=NAMES, data=st.data())
def test_positions_and_names_bind_to_the_same_values(names: list[str], data: st.DataObject) -> None:
    interface = Interface(dict.fromkeys(names, int))
    values = dict(zip(names, range(len(names)), strict=True))
    count = data.draw(st.integers(0, len(names)))
    by_name = data.draw(st.permutations(names[count:]))
    bound = interface.bind("t", tuple(range(count)), {name: values[name] for name in by_name})
    assert bound == values


@given(names=NAMES.filter(bool), data=st.data())
def test_a_missing_input_is_named(names: list[str], data: st.DataObject) -> None:
    gone = data.draw(st.sampled_from(names))
    with pytest.raises(CallError, match=f"missing input {gone}: int") as caught:
        Interface(dict.fromkeys(names, int)).bind("t", (), {name: 1 for name in names if name != gone})
    assert (caught.value.task_name, caught.value.argument) == ("t", gone)


BAD_CALLS = {
    "unknown": ((), {"a": 1, "bb": 2}, "no input is called 'bb'; it takes a, b; did you mean 'b'?"),
    "too many": ((1, 2, 3), {}, "takes 2 inputs (a, b) but 3 were given"),
    "twice": ((1,), {"a": 2}, "input 'a' is given twice, by position and by name"),
    "missing": ((), {"b": 2}, "missing input a: int"),
}


@pytest.mark.parametrize("case", BAD_CALLS)
def test_a_call_that_does_not_fit_is_refused_like_pythons(case: str) -> None:
    args, kwargs, message = BAD_CALLS[case]
    interface = Interface({"a": int, "b": (int, 5)})
    with pytest.raises(CallError) as caught:
        interface.bind("t", args, dict(kwargs))
    assert str(caught.value) == f"t(): {message}"
    assert isinstance(caught.value, TypeError)


def test_a_default_fills_in_also_when_it_is_none() -> None:
    interface = Interface({"a": int, "b": (int | None, None), "c": (int, 7)})
    assert interface.bind("t", (1,), {}) == {"a": 1, "b": None, "c": 7}


def test_binding_leaves_the_callers_arguments_alone() -> None:
    kwargs = {"a": 1}
    Interface({"a": int, "b": (int, 2)}).bind("t", (), kwargs)
    assert kwargs == {"a": 1}


# -- the interface -----------------------------------------------------------------------------------------------------


def test_only_a_pair_counts_as_type_and_default() -> None:
    interface = Interface({"a": int, "b": (int, 3), "c": (int,)})
    assert interface.inputs == {"a": int, "b": int, "c": (int,)}
    assert interface.inputs_with_defaults == {"a": (int, None), "b": (int, 3), "c": ((int,), None)}
    assert interface.default_inputs_as_kwargs == {"b": 3}


def test_a_default_of_none_is_no_default_in_the_apis_views() -> None:
    interface = Interface({"a": (int | None, None)})
    assert interface.inputs_with_defaults["a"][1] is None
    assert interface.default_inputs_as_kwargs == {}
    assert interface.defaults == {"a": None}


def test_an_empty_interface_has_nothing() -> None:
    interface = Interface()
    assert (interface.inputs, interface.outputs, interface.output_names, interface.docstring) == ({}, {}, None, None)


@pytest.mark.parametrize("name", ["not valid", "1a", "a-b", "", "class"])
def test_a_name_that_is_no_identifier_is_refused(name: str) -> None:
    with pytest.raises(DefinitionError):
        Interface(None, {name: int})
    if name != "class":
        with pytest.raises(DefinitionError):
            Interface({name: int})


def test_changed_copies_keep_what_was_not_changed() -> None:
    docs = Docstring("short")
    interface = Interface({"a": int, "b": (int, 3)}, {"x": int}, "Pair", docs)
    for changed in (
        interface.remove_inputs(["a"]),
        interface.with_inputs({"c": str}),
        interface.with_outputs({"y": str}),
    ):
        assert (changed.output_tuple_name, changed.docstring) == ("Pair", docs)
    assert interface.remove_inputs(["a"]).inputs_with_defaults == {"b": (int, 3)}
    assert list(interface.with_inputs({"c": str}).inputs) == ["a", "b", "c"]
    assert list(interface.with_outputs({"y": str}).outputs) == ["x", "y"]


def test_changes_of_nothing_give_the_same_object() -> None:
    interface = Interface({"a": int})
    assert interface.remove_inputs(None) is interface
    assert interface.with_inputs({}) is interface
    assert interface.with_outputs({}) is interface


def test_a_name_that_exists_cannot_be_added() -> None:
    interface = Interface({"a": int}, {"x": int})
    with pytest.raises(DefinitionError, match="'a'"):
        interface.with_inputs({"a": int})
    with pytest.raises(DefinitionError, match="'x'"):
        interface.with_outputs({"x": int})


def test_the_text_form_reads_like_a_signature() -> None:
    assert repr(Interface({"a": (int, 3), "b": str}, {"o0": str})) == "(a: int=3, b: str) -> (o0: str)"


def test_interfaces_of_equal_names_types_and_defaults_are_equal() -> None:
    first, second = Interface({"a": (int, 3)}, {"o0": str}), Interface({"a": (int, 3)}, {"o0": str})
    assert first == second
    assert hash(first) == hash(second)
    assert first != Interface({"a": (int, 4)}, {"o0": str})
    assert first != "an interface"


def test_the_output_tuple_has_the_interfaces_name() -> None:
    made = Interface(None, {"x": int, "y": str}, "Pair").output_tuple(1, "s")
    assert repr(made) == "Pair(x=1, y='s')"
    assert repr(Interface(None, {"x": int, "y": str}).output_tuple(1, "s")) == "DefaultNamedTupleOutput(x=1, y='s')"


def test_a_variable_without_a_text_is_described_by_its_name() -> None:
    registry = FlyteContextManager.current_context().registry
    docs = Docstring(inputs={"a": "the first"}, returns={"": "the sum"})
    message = Interface({"a": int, "b": int}, {"o0": int}, docstring=docs).to_typed_interface(registry)
    assert message.inputs.variables["a"].description == "the first"
    assert message.inputs.variables["b"].description == "b"
    assert message.outputs.variables["o0"].description == "the sum"


def test_both_variable_maps_are_present_even_when_empty() -> None:
    message = Interface().to_typed_interface(FlyteContextManager.current_context().registry)
    assert message.HasField("inputs")
    assert message.HasField("outputs")


# -- from a function ---------------------------------------------------------------------------------------------------


class Pair(NamedTuple):
    first: int
    second: str


def named(a: int) -> Pair: ...  # type: ignore[empty-body] # only the signature counts


def several(a: int) -> tuple[int, str]: ...  # type: ignore[empty-body] # only the signature counts


def one(a: int) -> list[int]: ...  # type: ignore[empty-body] # only the signature counts


def none(a: int) -> None: ...


def unannotated_return(a: int): ...  # type: ignore[no-untyped-def] # noqa: ANN201 - under test


def old_style(a: int) -> typing.Tuple[int, str]: ...  # type: ignore[empty-body] # noqa: UP006 - under test


RETURNS: dict[str, tuple[Callable[..., object], dict[str, object], str | None]] = {
    "named": (named, {"first": int, "second": str}, "Pair"),
    "several": (several, {"o0": int, "o1": str}, None),
    "old style": (old_style, {"o0": int, "o1": str}, None),
    "one": (one, {"o0": list[int]}, None),
    "none": (none, {}, None),
    "unannotated": (unannotated_return, {}, None),
}


@pytest.mark.parametrize("case", RETURNS)
def test_the_return_annotation_gives_the_outputs(case: str) -> None:
    function, outputs, tuple_name = RETURNS[case]
    interface = interface_of(function, "t")
    assert interface.outputs == outputs
    assert interface.output_tuple_name == tuple_name


def many_ints(a: int) -> tuple[int, ...]: ...  # type: ignore[empty-body] # only the signature counts


def tuple_of_one(a: int) -> tuple[int]: ...  # type: ignore[empty-body] # only the signature counts


def unannotated(a, b: int) -> int: ...  # type: ignore[no-untyped-def, empty-body] # noqa: ANN001 - under test


def variable(*a: int) -> int: ...  # type: ignore[empty-body] # only the signature counts


def keywords(**a: int) -> int: ...  # type: ignore[empty-body] # only the signature counts


def positional(a: int, /) -> int: ...  # type: ignore[empty-body] # only the signature counts


def wrong_default(a: int = "x") -> int: ...  # type: ignore[assignment, empty-body] # the mistake


def unreadable(a: "int[") -> int: ...  # type: ignore[empty-body, valid-type] # noqa: F722 - under test


REFUSED: dict[str, tuple[Callable[..., object], str]] = {
    "tuple of many": (many_ints, "Write list"),
    "tuple of one": (tuple_of_one, "not a set of outputs"),
    "no annotation": (unannotated, "parameter 'a' has no annotation"),
    "*args": (variable, "cannot be an input"),
    "**kwargs": (keywords, "cannot be an input"),
    "positional only": (positional, "inputs are given by name.*Take the / out"),
    "default of another type": (wrong_default, "the default of input 'a' is 'x', of type str, and no int"),
    "syntax error": (unreadable, "cannot be read"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_signature_that_declares_no_interface_is_refused(case: str) -> None:
    function, message = REFUSED[case]
    with pytest.raises(DefinitionError, match=message) as caught:
        interface_of(function, "mod.t")
    assert "mod.t" in str(caught.value)


def forward(a: Later) -> int: ...  # type: ignore[name-defined, empty-body] # noqa: F821 - under test


def test_a_name_that_does_not_exist_yet_waits() -> None:
    with pytest.raises(UnresolvedAnnotation):
        interface_of(forward, "t")


def test_a_default_of_none_does_not_change_the_type() -> None:
    def function(a: int = None) -> int:  # type: ignore[assignment] # noqa: RUF013 - under test
        return a

    assert interface_of(function, "t").inputs == {"a": int}


@dataclass
class Row:
    x: int


@pytest.mark.parametrize("hint", [int, list[int], dict[str, int], datetime, Row, FlyteFile], ids=str)
def test_a_default_of_none_is_none_where_the_type_has_none(hint: type) -> None:
    def function(a: object = None) -> object:
        return a

    function.__annotations__["a"] = hint
    interface = interface_of(function, "t")
    assert interface.defaults == {}
    with pytest.raises(CallError, match=r"missing input a: .*\(its default, None, is no .*: write a: Optional\["):
        interface.bind("t", (), {})
    function.__annotations__["a"] = Optional[hint]  # noqa: UP045 - what the message says
    assert interface_of(function, "t").bind("t", (), {}) == {"a": None}


def test_names_that_a_function_closes_over_count_in_annotations() -> None:
    class Local(NamedTuple):
        x: int

    def function(a: Annotated[int, Local]) -> Local:
        return Local(a)

    interface = interface_of(function, "t")
    assert interface.output_tuple_name == "Local"
    assert interface.inputs["a"] == Annotated[int, Local]


def test_columns_may_stand_in_a_union() -> None:
    assert Optional[Annotated[str, kwtypes(a=int)]] == Optional[Annotated[str, kwtypes(a=int)]]  # noqa: UP045 - the form under test
