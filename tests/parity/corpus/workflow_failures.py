"""Workflows that fail: policies, handlers, defaults of the nodes, and graphs that are no graphs."""

# mypy: disable-error-code="operator, attr-defined, func-returns-value, arg-type, call-arg, misc, call-overload"
# mypy: disable-error-code="return-value"
# To a type checker a call in a workflow gives the value; and the mistakes are on purpose.

from __future__ import annotations

from typing import NamedTuple

from fledge import task, workflow
from fledge.flow import WorkflowFailurePolicy
from tests.parity.calls import called_with


class Parts(NamedTuple):
    whole: int
    rest: int


@task
def add(a: int, b: int = 1) -> int:
    return a + b


@task
def divide(a: int, b: int) -> Parts:
    return Parts(*divmod(a, b))


@task
def note(text: str) -> None:
    pass


@task
def fail(a: int) -> int:
    if a > 0:
        raise ValueError(f"no {a}")
    return a


@task
def clean_up(a: int) -> None:
    pass


@task
def clean_up_and_say(a: int, reason: str | None = None) -> None:
    pass


@task
def clean_up_nothing() -> None:
    pass


@task
def clean_up_with_more(a: int, more: int) -> None:
    pass


@task
def collect(values: list[int] = [1]) -> int:  # noqa: B006 - the default under test
    return sum(values)


@workflow
def clean_up_flow(a: int) -> None:
    clean_up(a=a)


# -- policies, handlers, defaults --------------------------------------------------------------------------------------


@workflow(failure_policy=WorkflowFailurePolicy.FAIL_IMMEDIATELY)
def immediately(a: int) -> int:
    return add(a=a)


@workflow(failure_policy=WorkflowFailurePolicy.FAIL_AFTER_EXECUTABLE_NODES_COMPLETE)
def after_the_others(a: int) -> int:
    return add(a=a)


@workflow(interruptible=True)
def interruptible(a: int) -> int:
    return add(a=a)


@called_with({"a": 1})
@workflow(on_failure=clean_up)
def handler(a: int) -> int:
    return add(a=a)


@called_with({"a": 1})
@workflow(on_failure=clean_up)
def handler_of_a_failure(a: int) -> int:
    return fail(a=a)


@called_with({"a": 1})
@workflow(on_failure=clean_up_and_say)
def handler_with_an_optional_input(a: int) -> int:
    return fail(a=a)


@called_with({})
@workflow(on_failure=clean_up_nothing)
def handler_without_inputs() -> int:
    return fail(a=1)


@called_with({"a": 1})
@workflow(on_failure=clean_up_flow)
def workflow_as_handler(a: int) -> int:
    return fail(a=a)


@workflow(on_failure=clean_up, failure_policy=WorkflowFailurePolicy.FAIL_AFTER_EXECUTABLE_NODES_COMPLETE)
def all_of_them(a: int = 3) -> int:
    """All options."""
    return add(a=a)


@called_with({"a": 1})
@workflow
def failing_node(a: int) -> int:
    return add(a=fail(a=a))


# -- refused -----------------------------------------------------------------------------------------------------------


@called_with({"a": 1})
@workflow(on_failure=clean_up_nothing)
def handler_that_lacks_an_input(a: int) -> int:
    return add(a=a)


@called_with({"a": 1})
@workflow(on_failure=clean_up_with_more)
def handler_that_needs_more(a: int) -> int:
    return add(a=a)


@called_with({"a": 1})
@workflow
def promise_as_truth_value(a: int) -> int:
    return add(a=1) if add(a=a) else add(a=2)


@called_with({"a": 1})
@workflow
def promise_iterated(a: int) -> int:
    return add(a=sum(add(a=a)))


@called_with({"a": 1})
@workflow
def promise_computed_with(a: int) -> int:
    return add(a=add(a=a) + 1)


@called_with({"a": 1})
@workflow
def promise_in_a_plain_function(a: int) -> int:
    return add(a=abs(add(a=a)))


@called_with({"a": 1})
@workflow
def promise_as_text(a: int) -> None:
    note(text="out/%s.csv" % add(a=a))  # noqa: UP031 - an f-string is another way


@called_with({"a": 1})
@workflow
def promise_shown_in_a_text(a: int) -> None:
    note(text=repr(add(a=a)))


@called_with({"a": 1})
@workflow
def output_not_bound(a: int) -> int:
    add(a=a)
    return None


@called_with({"a": 1})
@workflow
def too_few_outputs(a: int) -> tuple[int, int]:
    return (add(a=a),)


@called_with({"a": 1})
@workflow
def tuple_for_one_output(a: int) -> int:
    return divide(a=a, b=2)


@called_with({"a": 1})
@workflow
def tuple_as_input(a: int) -> int:
    return add(a=divide(a=a, b=2))


@called_with({})
@workflow
def void_as_input() -> int:
    return add(a=note(text="x"))


@called_with({})
@workflow
def mutable_default() -> int:
    return collect()


@called_with({"a": 1})
@workflow
def input_misspelt(a: int) -> int:
    return add(aa=a)


@called_with({})
@workflow
def input_missing() -> int:
    return add()


@called_with({})
@workflow
def constant_of_another_type() -> int:
    return add(a="text")


@called_with({"a": "text"})
@workflow
def called_with_another_type(a: int) -> int:
    return add(a=a)


@called_with({})
@workflow
def called_without_its_input(a: int) -> int:
    return add(a=a)


@workflow
def cycle() -> None:
    first, second = note(text="a"), note(text="b")
    first >> second
    second >> first
