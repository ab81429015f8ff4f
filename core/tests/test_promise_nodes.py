"""Promises, and nodes made of calls: ids, bindings in order, defaults, what cannot be an input."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.tests.support import literal_map
from fledge import (
    FlyteContext,
    FlyteContextManager,
    Interface,
    Promise,
    PythonTask,
    SerializationSettings,
    VoidPromise,
    idl,
    kwtypes,
    task,
    workflow,
    workflow_spec,
)
from fledge.errors import CallError, DefinitionError, TypeConversionError
from fledge.nodes import CompilationState, Node, dns_name
from fledge.promise import NodeOutput, PromiseUseError


@pytest.fixture
def state() -> CompilationState:
    return CompilationState()


@pytest.fixture
def compiling(state: CompilationState) -> FlyteContext:
    return FlyteContextManager.current_context().with_(compilation_state=state)


def made(
    inputs: Any = None, outputs: Any = None, tuple_name: str | None = None
) -> PythonTask[None]:  # Any: as Interface
    return PythonTask("kind", "mod.thing", interface=Interface(inputs, outputs, tuple_name))


def node_of(promise: Promise | VoidPromise) -> Node:
    assert promise.ref is not None
    return promise.ref.node


INTS = kwtypes(o0=int)


# -- making a node -----------------------------------------------------------------------------------------------------


def test_a_call_while_compiling_makes_a_node_and_gives_a_promise(
    state: CompilationState, compiling: FlyteContext
) -> None:
    add = made(kwtypes(b=int, a=int), INTS)
    with FlyteContextManager.with_context(compiling):
        promise = add(b=1, a=2)
    assert isinstance(promise, Promise)
    assert not promise.is_ready
    node = node_of(promise)
    assert state.nodes == [node]
    assert (node.id, node.entity, node.upstream) == ("n0", add, [])
    assert [binding.var for binding in node.bindings] == ["a", "b"]
    assert [binding.binding.scalar.primitive.integer for binding in node.bindings] == [2, 1]
    assert node.metadata == add.construct_node_metadata()


def test_node_ids_count_and_take_the_prefix() -> None:
    state = CompilationState("d")
    context = FlyteContextManager.current_context().with_(compilation_state=state)
    thing = made()
    for _ in range(3):
        thing.compile(context)
    assert [node.id for node in state.nodes] == ["dn0", "dn1", "dn2"]


def test_positions_count_like_names(compiling: FlyteContext, state: CompilationState) -> None:
    thing = made(kwtypes(a=int, b=int), INTS)
    thing.compile(compiling, 1, b=2)
    thing.compile(compiling, a=1, b=2)
    first, second = state.nodes
    assert first.bindings == second.bindings
    with pytest.raises(CallError, match="given twice"):
        thing.compile(compiling, 1, a=1, b=2)
    with pytest.raises(CallError, match="takes 2 inputs"):
        thing.compile(compiling, 1, 2, 3)


def test_a_promise_is_bound_by_reference_and_its_node_comes_before(
    compiling: FlyteContext, state: CompilationState
) -> None:
    thing = made(kwtypes(a=int, b=int), INTS)
    first = thing.compile(compiling, a=1, b=1)
    second = thing.compile(compiling, a=first, b=first)
    node = node_of(second)
    assert node.upstream == [node_of(first)]
    for binding in node.bindings:
        assert (binding.binding.promise.node_id, binding.binding.promise.var) == ("n0", "o0")


def test_upstream_nodes_keep_the_order_in_which_they_are_first_used(compiling: FlyteContext) -> None:
    one, two = made(None, INTS), made(kwtypes(z=int, a=int), INTS)
    promises = [one.compile(compiling) for _ in range(2)]
    node = node_of(two.compile(compiling, z=promises[0], a=promises[1]))
    assert [upstream.id for upstream in node.upstream] == ["n1", "n0"]  # by variable: a, then z


def test_an_attribute_path_travels_in_the_reference(compiling: FlyteContext) -> None:
    one = made(None, kwtypes(o0=dict[str, list[dict[str, int]]]))
    promise = one.compile(compiling)
    node = node_of(made(kwtypes(a=int), INTS).compile(compiling, a=promise["key"][2].name))
    steps = node.bindings[0].binding.promise.attr_path
    assert [step.WhichOneof("value") for step in steps] == ["string_value", "int_value", "string_value"]
    assert (steps[0].string_value, steps[1].int_value, steps[2].string_value) == ("key", 2, "name")


def test_promises_inside_lists_and_dicts_are_bound_where_they_are(compiling: FlyteContext) -> None:
    promise = made(None, INTS).compile(compiling)
    thing = made(kwtypes(xs=list[int], by=dict[str, list[int]]), INTS)
    node = node_of(thing.compile(compiling, xs=[1, promise], by={"k": [promise, 2]}))
    by, xs = (binding.binding for binding in node.bindings)
    assert xs.collection.bindings[0].scalar.primitive.integer == 1
    assert xs.collection.bindings[1].promise.node_id == "n0"
    assert by.map.bindings["k"].collection.bindings[0].promise.node_id == "n0"
    assert node.upstream == [node_of(promise)]


@given(values=st.recursive(st.integers(-9, 9), lambda inner: st.lists(inner, max_size=3), max_leaves=5))
def test_a_value_is_bound_as_its_literal(values: Any) -> None:
    depth = 0
    python_type: Any = int
    probe = values
    while isinstance(probe, list):
        depth += 1
        probe = probe[0] if probe else None
    if not _is_even(values, depth):
        return
    for _ in range(depth):
        python_type = list[python_type]
    context = FlyteContextManager.current_context().with_(compilation_state=CompilationState())
    node = node_of(made({"a": python_type}, INTS).compile(context, a=values))
    assert _back(node.bindings[0].binding) == values


def _is_even(value: Any, depth: int) -> bool:
    if depth == 0:
        return not isinstance(value, list)
    return isinstance(value, list) and all(_is_even(one, depth - 1) for one in value)


def _back(data: Any) -> Any:
    if data.WhichOneof("value") == "collection":
        return [_back(one) for one in data.collection.bindings]
    return data.scalar.primitive.integer


# -- defaults and mistakes ---------------------------------------------------------------------------------------------


def test_a_node_that_is_renamed_after_its_use_is_found_by_its_new_name() -> None:
    @task
    def three() -> int:
        return 3

    @task
    def total(numbers: list[int], more: dict[str, int]) -> int:
        return sum(numbers) + sum(more.values())

    @workflow
    def renames() -> tuple[int, int]:
        first = three()
        found = total(numbers=[first, 1], more={"a": first})
        first.with_overrides(node_name="first")  # type: ignore[attr-defined] # a promise here
        found.with_overrides(node_name="second")  # type: ignore[attr-defined] # as above
        return first, found

    assert renames() == (3, 7)
    template = workflow_spec(renames, SerializationSettings()).template
    assert [node.id for node in template.nodes] == ["first", "second"]
    assert [binding.binding.promise.node_id for binding in template.outputs] == ["first", "second"]
    more, numbers = (binding.binding for binding in template.nodes[1].inputs)
    assert numbers.collection.bindings[0].promise.node_id == more.map.bindings["a"].promise.node_id == "first"


def test_a_default_is_bound_also_when_it_is_none(compiling: FlyteContext) -> None:
    node = node_of(made({"a": (int, 5), "b": (int | None, None)}, INTS).compile(compiling))
    assert node.bindings[0].binding.scalar.primitive.integer == 5
    assert node.bindings[1].binding.scalar.union.value.scalar.HasField("none_type")


@pytest.mark.parametrize(("kind", "default"), [(list[int], [1]), (dict[str, int], {"a": 1})], ids=["list", "dict"])
def test_a_mutable_default_is_refused(compiling: FlyteContext, kind: Any, default: Any) -> None:
    with pytest.raises(DefinitionError, match=r"mod\.thing: input 'a' has a mutable default"):
        made({"a": (kind, default)}, INTS).compile(compiling)


MISTAKES: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "missing": ({}, CallError, "missing input a: int"),
    "unknown": ({"a": 1, "aa": 2}, CallError, "no input is called 'aa'; it takes a; did you mean 'a'?"),
    "void": ({"a": VoidPromise("void")}, DefinitionError, "task void has no outputs"),
    "tuple": ({"a": (Promise("x", literal_map(x=1).literals["x"]), 1)}, DefinitionError, "a whole tuple of outputs"),
    "wrong type": ({"a": "x"}, TypeConversionError, "mod.thing.inputs.a: expected int, got str 'x'"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_an_argument_that_does_not_fit_is_refused_and_leaves_no_node(
    compiling: FlyteContext, state: CompilationState, case: str
) -> None:
    kwargs, kind, message = MISTAKES[case]
    with pytest.raises(kind) as caught:
        made(kwtypes(a=int), INTS).compile(compiling, **kwargs)
    assert message in str(caught.value)
    assert state.nodes == []


def test_a_promise_in_a_place_that_holds_no_list_is_refused(compiling: FlyteContext) -> None:
    promise = made(None, INTS).compile(compiling)
    with pytest.raises(DefinitionError, match=r"inputs\.a\[0\]: a promise can stand inside a list"):
        made(kwtypes(a=int), INTS).compile(compiling, a=[promise])


def test_nothing_is_compiled_outside_of_a_workflow() -> None:
    with pytest.raises(CallError, match="only while a workflow is being compiled"):
        made().compile(FlyteContextManager.current_context())


# -- results -----------------------------------------------------------------------------------------------------------


def test_several_outputs_are_a_named_tuple_of_promises(compiling: FlyteContext) -> None:
    pair = made(None, kwtypes(x=int, y=str), "Pair").compile(compiling)
    assert type(pair).__name__ == "Pair"
    assert [promise.var for promise in pair] == ["x", "y"]
    assert pair.x.ref.node is pair.y.ref.node
    plain = made(None, kwtypes(o0=int, o1=str)).compile(compiling)
    assert type(plain).__name__ == "DefaultNamedTupleOutput"


def test_a_tuple_of_promises_takes_overrides_and_orders_nodes(compiling: FlyteContext) -> None:
    pair = made(None, kwtypes(x=int, y=str), "Pair").compile(compiling)
    other = made(None, INTS).compile(compiling)
    assert pair.with_overrides(node_name="renamed") is pair
    assert (pair >> other) is other
    assert node_of(other).upstream == [node_of(pair.x)]
    assert node_of(pair.y).id == "renamed"


def test_no_output_is_a_void_promise_that_refers_to_its_node(compiling: FlyteContext) -> None:
    void = made().compile(compiling)
    assert isinstance(void, VoidPromise)
    assert void.ref is not None
    assert (void.task_name, void.ref.var) == ("mod.thing", "placeholder")


def test_nodes_are_ordered_by_arrows_between_promises_of_any_kind(compiling: FlyteContext) -> None:
    void, promise, last = made().compile(compiling), made(None, INTS).compile(compiling), made().compile(compiling)
    assert (void >> promise) is promise
    promise >> last
    void.runs_before(last)
    void >> promise  # a second time changes nothing
    assert node_of(promise).upstream == [node_of(void)]
    assert node_of(last).upstream == [node_of(promise), node_of(void)]


# -- promises ----------------------------------------------------------------------------------------------------------


def ready(value: object = 7) -> Promise:
    return Promise("x", literal_map(x=value).literals["x"])


def test_a_ready_promise_gives_its_primitive() -> None:
    assert ready(7).eval() == 7
    assert ready("s").eval() == "s"
    assert ready().is_ready


def test_only_a_ready_primitive_can_be_evaluated(compiling: FlyteContext) -> None:
    with pytest.raises(PromiseUseError, match="does not hold a primitive"):
        ready([1]).eval()
    with pytest.raises(PromiseUseError, match="has no value yet"):
        made(None, INTS).compile(compiling).eval()
    with pytest.raises(PromiseUseError, match="refers to no node"):
        _ = ready().ref


def test_a_promise_can_be_renamed(compiling: FlyteContext) -> None:
    assert ready().with_var("y").var == "y"
    promise = made(None, INTS).compile(compiling).with_var("y")
    assert (promise.var, promise.ref.var) == ("y", "o0")


USES: dict[str, Callable[[Any], object]] = {
    "truth": bool,
    "iteration": iter,
    "and": lambda promise: promise & True,
    "or": lambda promise: promise | True,
    "addition": lambda promise: promise + 1,
    "comparison": lambda promise: promise < 1,
    "equality": lambda promise: promise == 7,
    "inequality": lambda promise: promise != 7,
    "length": len,
    "membership": lambda promise: 1 in promise,
    "call": lambda promise: promise(),
}


@pytest.mark.parametrize("use", USES)
def test_a_promise_is_no_value(use: str) -> None:
    with pytest.raises(PromiseUseError):
        USES[use](ready())


def test_a_promise_has_no_private_attributes() -> None:
    with pytest.raises(AttributeError):
        _ = ready()._something
    assert not hasattr(ready(), "__array__")


def test_promises_are_told_apart_by_identity() -> None:
    first, second = ready(), ready()
    assert len({first, second}) == 2


def test_overrides_of_a_ready_promise_change_nothing() -> None:
    promise = ready()
    assert promise.with_overrides(retries=3) is promise


TEXTS: dict[str, Callable[[Any], object]] = {
    "str": str,
    "format": "out/{}.csv".format,
    "percent": lambda promise: "out/%s.csv" % promise,  # noqa: UP031 - one of the ways
    "print": print,
}


@pytest.mark.parametrize("use", TEXTS)
def test_a_promise_without_a_value_is_no_text(compiling: FlyteContext, use: str) -> None:
    with pytest.raises(PromiseUseError, match=r"Promise\(n0\.o0\) has no value to .* in a task"):
        TEXTS[use](made(None, INTS).compile(compiling))


@pytest.mark.parametrize("shown", ["out/Promise(n0.o0).csv", "Promise(n0.o0['k'][0])", "Promise(inputs.a)"])
def test_a_text_that_holds_a_promise_as_it_is_shown_is_refused(compiling: FlyteContext, shown: str) -> None:
    thing = made(kwtypes(a=str), INTS)
    thing.compile(compiling, a="Promise(n0.o0) of a workflow that is not this one")
    with pytest.raises(PromiseUseError, match=r"mod\.thing\.inputs\.a: .* holds the name of a promise, not its value"):
        thing.compile(compiling, a=shown)


def test_promises_can_be_shown(compiling: FlyteContext) -> None:
    assert repr(made(None, INTS).compile(compiling)["k"][0]) == "Promise(n0.o0['k'][0])"
    assert repr(ready()) == str(ready()) == "Promise(x=<value>)"


VOID_USES: dict[str, Callable[[Any], object]] = {
    "equality": lambda void: void == 1,
    "inequality": lambda void: void != 1,
    "order": lambda void: void < 1,
    "truth": bool,
    "iteration": list,
    "addition": lambda void: void + 1,
    "formatting": lambda void: void % 1,
    "or": lambda void: void | 1,
    "and": lambda void: void & 1,
    "xor": lambda void: void ^ 1,
}


@pytest.mark.parametrize("use", VOID_USES)
def test_a_void_promise_used_as_a_value_names_the_task(use: str) -> None:
    with pytest.raises(PromiseUseError, match=r"task mod\.void has no outputs"):
        VOID_USES[use](VoidPromise("mod.void"))


def test_a_void_promise_can_be_printed_and_not_be_hashed() -> None:
    void = VoidPromise("mod.void")
    assert str(void) == repr(void) == "VoidPromise(mod.void)"
    with pytest.raises(TypeError):
        hash(void)
    assert void.with_overrides(retries=1) is void
    void.runs_before(ready())


def test_a_local_task_without_outputs_gives_none() -> None:
    @task
    def void(a: int) -> None:
        return None

    assert void(a=1) is None


# -- names of nodes ----------------------------------------------------------------------------------------------------


@given(st.text(alphabet=st.sampled_from("abzABZ019_-. /é"), min_size=1, max_size=120))
def test_a_node_id_never_gets_too_long_and_has_no_dash_at_its_ends(name: str) -> None:
    made_name = dns_name(name)
    assert len(made_name) <= 63 + 62  # a capital may bring a dash
    assert not made_name.startswith("-")
    assert not made_name.endswith("-")
    assert made_name == made_name.lower()
    assert re.fullmatch(r"[a-z0-9é-]*", made_name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("n0", "n0"), ("my_node.One", "my-node-one"), ("CamelCase", "camel-case"), ("_lead", "lead"), ("a/b c", "abc")],
)
def test_a_node_id_is_made_of_a_name(name: str, expected: str) -> None:
    assert dns_name(name) == expected


def test_a_long_name_keeps_its_end_behind_a_digest() -> None:
    name = "x" * 80 + "tail"
    assert re.fullmatch(r"[0-9a-f]{10}-x{48}tail", dns_name(name))
    assert dns_name(name) != dns_name("y" + name)


def test_a_node_output_as_a_message() -> None:
    node = Node("n7", idl.workflow.NodeMetadata(), [], [], None)
    message = idl.types.OutputReference()
    NodeOutput(node, "o0", ("a", 1)).fill(message)
    assert (message.node_id, message.var, len(message.attr_path)) == ("n7", "o0", 2)
