"""Workflows: a static graph of nodes, compiled once, run here with values, refused with the user's own words."""

# mypy: disable-error-code="operator, arg-type, attr-defined, call-arg, no-any-return, return"
# To a type checker a call in a workflow gives the value; its promise can do more, and the mistakes here are on purpose.

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fledge import SerializationSettings, idl, task, workflow, workflow_spec
from fledge.errors import CallError, DefinitionError, TaskTimeoutError
from fledge.flow import WorkflowFailurePolicy
from fledge.promise import PromiseUseError
from fledge.serialize_flow import tasks_of
from fledge.settings import Resources

SETTINGS = SerializationSettings(project="p", domain="d", version="v")
ran: list[str] = []


class Parts(NamedTuple):
    whole: int
    rest: int


@dataclass
class Point:
    x: int
    tags: list[str]


@task
def add(a: int, b: int = 1) -> int:
    return a + b


@task
def divide(a: int, b: int) -> Parts:
    return Parts(*divmod(a, b))


@task
def total(values: list[int]) -> int:
    return sum(values)


@task
def point(x: int) -> Point:
    return Point(x, ["a", "b"])


@task
def note(text: str) -> None:
    ran.append(text)


@task
def fail(a: int) -> int:
    raise ValueError(f"no {a}")


@task
def clean_up(a: int) -> None:
    ran.append(f"cleaned {a}")


@workflow
def doubled(a: int) -> int:
    return add(a=a, b=a)


@workflow
def everything(a: int, b: int = 2) -> Parts:
    """All of it.

    More about it.
    """
    parts = divide(a=a, b=b)
    return Parts(total(values=[parts.whole, doubled(a=b), 5]), parts.rest)


@given(a=st.integers(-(10**9), 10**9), b=st.integers(1, 10**6))
def test_a_workflow_gives_what_its_tasks_give_in_turn(a: int, b: int) -> None:
    whole, rest = divmod(a, b)
    assert everything(a=a, b=b) == (whole + 2 * b + 5, rest)


def test_named_outputs_are_the_declared_named_tuple() -> None:
    assert everything(a=7)._fields == ("whole", "rest")
    assert everything(7).rest == 1


def test_a_body_is_run_once_and_sees_promises() -> None:
    seen: list[object] = []

    @workflow
    def watched(a: int) -> int:
        seen.append(a)
        return add(a=a)

    assert [watched(a=1), watched(a=2)] == [2, 3]
    assert len(seen) == 1
    assert repr(seen[0]) == "Promise(inputs.a)"


def test_attributes_and_indices_of_promises_reach_into_values() -> None:
    @task
    def shout(text: str) -> str:
        return text.upper()

    @task
    def points() -> dict[str, list[Point]]:
        return {"k": [Point(1, ["q"])]}

    @workflow
    def reach(x: int) -> tuple[int, str, int]:
        p = point(x=x)
        return add(a=p.x), shout(text=p.tags[1]), add(a=points()["k"][0].x)

    assert reach(x=4) == (5, "B", 2)


def test_nodes_run_in_the_order_they_are_chained() -> None:
    ran.clear()

    @workflow
    def chained() -> None:
        second = note(text="second")
        first = note(text="first")
        first >> second

    assert chained() is None
    assert ran == ["first", "second"]


def test_a_literal_value_and_an_input_can_be_outputs() -> None:
    @workflow
    def pass_on(a: int) -> tuple[int, str]:
        return a, "constant"

    assert pass_on(a=3) == (3, "constant")


def test_independent_nodes_run_in_parallel_on_request() -> None:
    barrier = threading.Barrier(2, timeout=30)

    @task
    def meet(a: int) -> int:
        barrier.wait()  # passes only when both nodes run at once
        return a

    @workflow(local_workers=2)
    def both(a: int) -> int:
        return total(values=[meet(a=a), meet(a=a)])

    assert both(a=3) == 6


def test_a_failing_node_gives_its_own_exception_with_node_and_workflow() -> None:
    @workflow
    def broken(a: int) -> int:
        return fail(a=a)

    with pytest.raises(ValueError, match="no 1") as caught:
        broken(a=1)
    assert caught.value.args == ("no 1",)
    assert any("in node n0 of workflow" in text and "broken" in text for text in caught.value.__notes__)


@pytest.mark.parametrize("workers", [1, 3])
def test_the_failure_handler_runs_before_the_error_reaches_the_caller(workers: int) -> None:
    ran.clear()

    @workflow(on_failure=clean_up, local_workers=workers)
    def broken(a: int) -> int:
        return fail(a=a)

    with pytest.raises(ValueError, match="no 5"):
        broken(a=5)
    assert ran == ["cleaned 5"]


def test_a_failed_compilation_is_not_kept() -> None:
    calls: list[int] = []

    @workflow
    def unlucky(a: int) -> int:
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("the first time")
        return add(a=a)

    with pytest.raises(RuntimeError, match="the first time"):
        unlucky(a=1)
    assert unlucky(a=1) == 2


# -- refused -----------------------------------------------------------------------------------------------------------


def test_a_cycle_is_refused_with_its_nodes() -> None:
    @workflow
    def circle() -> None:
        a, b = note(text="a"), note(text="b")
        a >> b
        b >> a

    with pytest.raises(DefinitionError, match=r"cycle: .*n0|cycle: .*n1"):
        circle()


def test_a_promise_is_no_truth_value_no_sequence_and_no_number() -> None:
    @workflow
    def decides(a: int) -> int:
        return add(a=1) if a else add(a=2)

    @workflow
    def loops(a: list[int]) -> int:
        return total(values=[add(a=one) for one in a])

    @workflow
    def computes(a: int) -> int:
        return add(a=a + 1)

    for broken, argument, words in ((decides, 1, "truth value"), (loops, [1], "iterated"), (computes, 1, "compute")):
        with pytest.raises(PromiseUseError, match=words):
            broken(a=argument)


def test_an_output_that_is_not_bound_is_refused() -> None:
    @workflow
    def forgets(a: int) -> int:
        add(a=a)

    with pytest.raises(DefinitionError, match=r"outputs\.o0: nothing is bound"):
        forgets(a=1)


def test_a_whole_tuple_of_outputs_is_no_input() -> None:
    @workflow
    def careless(a: int) -> int:
        return add(a=divide(a=a, b=2))

    with pytest.raises(DefinitionError, match=r"inputs\.a: a whole tuple of outputs"):
        careless(a=1)


def test_a_task_without_outputs_gives_no_input() -> None:
    @workflow
    def empty() -> int:
        return add(a=note(text="x"))

    with pytest.raises(DefinitionError, match="has no outputs"):
        empty()


def test_a_mutable_default_is_refused() -> None:
    @task
    def collect(values: list[int] = [1]) -> int:  # noqa: B006 - the default under test
        return sum(values)

    @workflow
    def uses() -> int:
        return collect()

    with pytest.raises(DefinitionError, match="mutable default"):
        uses()


def test_unknown_and_missing_arguments_are_named() -> None:
    @workflow
    def misspelt(a: int) -> int:
        return add(aa=a)

    with pytest.raises(CallError, match="did you mean 'a'"):
        misspelt(a=1)
    with pytest.raises(CallError, match="missing input a"):
        everything()


def test_an_unknown_override_is_refused_with_the_nearest_name() -> None:
    @workflow
    def overrides(a: int) -> int:
        return add(a=a).with_overrides(retrys=3)

    with pytest.raises(DefinitionError, match="did you mean 'retries'"):
        overrides(a=1)


def test_one_node_name_twice_is_refused() -> None:
    @workflow
    def twins(a: int) -> int:
        add(a=a).with_overrides(node_name="same")
        return add(a=a).with_overrides(node_name="same")

    with pytest.raises(DefinitionError, match="two nodes are called 'same'"):
        twins(a=1)


def test_a_failure_handler_has_to_take_the_inputs() -> None:
    @workflow(on_failure=clean_up)
    def other(b: int) -> int:
        return add(a=b)

    with pytest.raises(DefinitionError, match="has to take the workflow's inputs"):
        other(b=1)


# -- serialized --------------------------------------------------------------------------------------------------------


def test_the_spec_is_pure_and_reads_back() -> None:
    first, second = (idl.deterministic_bytes(workflow_spec(everything, SETTINGS)) for _ in range(2))
    assert first == second
    assert idl.admin_workflow.WorkflowSpec.FromString(first) == workflow_spec(everything, SETTINGS)


def test_the_template_holds_nodes_bindings_and_the_workflows_inside() -> None:
    spec = workflow_spec(everything, SETTINGS)
    assert [node.id for node in spec.template.nodes] == ["n0", "n1", "n2"]
    assert spec.template.nodes[1].workflow_node.sub_workflow_ref.name.endswith("doubled")
    assert list(spec.template.nodes[2].upstream_node_ids) == ["n0", "n1"]
    assert [one.id.name for one in spec.sub_workflows] == [doubled.name]
    assert spec.description.short_description == "All of it."
    bindings = spec.template.nodes[2].inputs[0].binding.collection.bindings
    assert [one.WhichOneof("value") for one in bindings] == ["promise", "promise", "scalar"]


def test_overrides_land_in_the_node() -> None:
    @workflow(interruptible=True, failure_policy=WorkflowFailurePolicy.FAIL_AFTER_EXECUTABLE_NODES_COMPLETE)
    def tuned(a: int) -> int:
        return add(a=a).with_overrides(
            node_name="Big_One", retries=3, timeout=10, requests=Resources(cpu="2"), container_image="i:1", cache=True
        )

    template = workflow_spec(tuned, SETTINGS).template
    (node,) = template.nodes
    assert node.id == "big-one"
    assert (node.metadata.retries.retries, node.metadata.timeout.seconds, node.metadata.cacheable) == (3, 10, True)
    assert node.task_node.overrides.resources.requests[0].value == "2"
    assert node.task_node.overrides.container_image == "i:1"
    assert template.metadata_defaults.interruptible
    assert template.metadata.on_failure == 1


def test_the_tasks_of_a_workflow_are_listed_once() -> None:
    assert [one.name.rsplit(".", 1)[-1] for one in tasks_of(everything)] == ["divide", "total", "add"]


def test_a_task_or_workflow_is_not_decorated_again() -> None:
    for made in (add, doubled):
        for decorate in (task, workflow):
            with pytest.raises(DefinitionError, match="already"):
                decorate(made)


def test_nothing_waits_for_an_input() -> None:
    @workflow
    def ordered(a: int) -> int:
        a >> add(a=1)
        return add(a=a)

    with pytest.raises(DefinitionError, match="there from the start"):
        ordered(a=1)


def test_a_deadline_does_not_begin_queued_nodes() -> None:
    begun: list[int] = []

    @task
    def slow(n: int) -> int:
        begun.append(n)
        threading.Event().wait(0.4)
        return n

    @workflow(local_workers=1 + 1)
    def many() -> int:
        return total(values=[slow(n=n) for n in range(8)])

    @task(timeout=1)
    def outer() -> int:
        return many()

    with pytest.raises(TaskTimeoutError):
        outer()
    assert len(begun) < 8


def test_a_workflow_refuses_an_async_body_and_a_handler_that_is_no_task() -> None:
    async def body(a: int) -> int:
        return add(a=a)

    with pytest.raises(DefinitionError, match="cannot be async"):
        workflow(body)
    with pytest.raises(DefinitionError, match=r"on_failure=<built-in function print> is neither a task nor a workflow"):
        workflow(on_failure=print)(adds_one)  # type: ignore[call-overload] # the mistake


def adds_one(a: int) -> int:
    return add(a=a)


@task
def repeat(self: int, ctx: str) -> str:
    return ctx * self


@workflow
def repeated(self: int, ctx: str) -> str:
    return repeat(self=self, ctx=ctx)


@workflow
def repeated_inside(self: int, ctx: str) -> str:
    return repeated(self=self, ctx=ctx)


def test_an_input_may_be_called_self_or_ctx() -> None:
    assert repeat(self=2, ctx="a") == repeated(self=2, ctx="a") == repeated_inside(self=2, ctx="a") == "aa"


def made_by_a_factory(n: int, name: str = "") -> Callable[..., int]:
    def made(a: int) -> int:
        return a + n

    made.__qualname__ = name or made.__qualname__
    return task(made)


one_more, two_more = made_by_a_factory(1), made_by_a_factory(2)
three_more = made_by_a_factory(3, "three_more")


@workflow
def adds_two(a: int) -> int:
    return two_more(a=a)


@workflow
def mixes_up(a: int) -> int:
    return two_more(a=one_more(a=a))


@workflow
def mixes_up_inside(a: int) -> int:
    return adds_two(a=one_more(a=a))


@workflow
def keeps_apart(a: int) -> int:
    return three_more(a=two_more(a=two_more(a=a)))


@pytest.mark.parametrize("mixed", [mixes_up, mixes_up_inside], ids=["in one", "in a workflow inside"])
def test_two_tasks_of_one_name_are_refused_in_a_workflow(mixed: Callable[..., int]) -> None:
    match = r"two different tasks that are called \S*made_by_a_factory\.made \(\S*test_flow\.py:\d+\)"
    with pytest.raises(DefinitionError, match=match):
        mixed(a=1)


def test_tasks_of_a_factory_with_names_of_their_own_stand_in_one_workflow() -> None:
    assert keeps_apart(a=1) == 8
    assert [one.name.rpartition(".")[2] for one in tasks_of(keeps_apart)] == ["made", "three_more"]
