"""A workflow that runs here: overrides of its nodes, what a failure stops, the handler, and what is left behind."""

# mypy: disable-error-code="attr-defined, operator, arg-type, no-any-return, return, union-attr"
# To a type checker a call in a workflow gives the value; its promise can do more. Mistakes are on purpose.

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fledge import RecoverableError, task, workflow
from fledge.errors import DefinitionError, MetadataError, TaskTimeoutError
from fledge.flow import WorkflowFailurePolicy
from fledge.promise import PromiseUseError

GOES_ON = WorkflowFailurePolicy.FAIL_AFTER_EXECUTABLE_NODES_COMPLETE
ran: list[str] = []


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    ran.clear()


@task
def step(name: str, after: int = 0) -> int:
    ran.append(name)
    return after + 1


@task
def fail(name: str, after: int = 0) -> int:
    ran.append(name)
    raise ValueError(name)


@task
def flaky(name: str) -> int:
    ran.append(name)
    if len(ran) < 3:
        raise RecoverableError("again")
    return len(ran)


@task(retries=5)
def always_fails(name: str) -> int:
    ran.append(name)
    raise RecoverableError("again")


@task
def endless() -> int:
    while True:
        threading.Event().wait(0.01)


@task(timeout=1)
def quick() -> int:
    return 7


# -- overrides ---------------------------------------------------------------------------------------------------------


def test_retries_of_a_node_count_here_too() -> None:
    @workflow
    def patient() -> int:
        return flaky(name="x").with_overrides(retries=2)

    assert patient() == 3


def test_a_node_may_have_fewer_retries_than_its_task() -> None:
    @workflow
    def impatient() -> int:
        return always_fails(name="x").with_overrides(retries=1)

    with pytest.raises(RecoverableError):
        impatient()
    assert ran == ["x", "x"]


def test_the_task_itself_keeps_its_metadata() -> None:
    @workflow
    def impatient() -> int:
        return always_fails(name="x").with_overrides(retries=0)

    with pytest.raises(RecoverableError):
        impatient()
    assert always_fails.metadata.retries == 5
    assert ran == ["x"]


def test_the_timeout_of_a_node_ends_it_with_node_and_workflow() -> None:
    @workflow
    def limited() -> int:
        return endless().with_overrides(timeout=1)

    with pytest.raises(TaskTimeoutError) as caught:
        limited()
    assert any("in node n0 of workflow" in note for note in caught.value.__notes__)


def test_a_timeout_can_be_taken_away() -> None:
    @workflow
    def unlimited() -> int:
        return quick().with_overrides(timeout=None)

    assert unlimited() == 7
    assert unlimited.nodes[0].task_metadata.timeout is None
    assert not unlimited.nodes[0].metadata.HasField("timeout")


def test_a_node_is_cached_when_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FLEDGE_CACHE", "1")
    monkeypatch.setenv("FLEDGE_CACHE_DIR", str(tmp_path))

    @workflow
    def remembers() -> int:
        return step(name="x").with_overrides(cache=True, cache_version="1")

    assert [remembers(), remembers(), step(name="x")] == [1, 1, 1]
    assert ran == ["x", "x"]  # the node once, the plain call of the task once more


def test_a_cached_node_without_a_version_has_one_that_follows_the_code() -> None:
    @workflow
    def remembers() -> int:
        return step(name="x").with_overrides(cache=True)

    assert remembers.nodes[0].metadata.cache_version != ""


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ({"retries": -1}, "retries"),
        ({"timeout": "1m"}, "timeout"),
        ({"cache_serialize": True}, "cache_serialize"),
        ({"resources": object(), "requests": object()}, "not both"),
        ({"node_name": "end-node"}, "platform's own"),
        ({"node_name": "???"}, "no letter or digit"),
    ],
    ids=lambda one: next(iter(one)) if isinstance(one, dict) else None,
)
def test_an_override_that_does_not_fit_is_refused(override: dict[str, object], message: str) -> None:
    @workflow
    def refused() -> int:
        return step(name="x").with_overrides(**override)

    with pytest.raises(DefinitionError, match=message):
        refused()


def test_a_refused_override_names_its_field() -> None:
    @workflow
    def refused() -> int:
        return step(name="x").with_overrides(retries=-1)

    with pytest.raises(MetadataError) as caught:
        refused()
    assert caught.value.field == "retries"


# -- failures ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 3])
def test_nodes_that_do_not_depend_on_the_failed_one_still_run_when_the_policy_says_so(workers: int) -> None:
    @workflow(failure_policy=GOES_ON, local_workers=workers)
    def goes_on() -> tuple[int, int]:
        broken = fail(name="broken")
        below = step(name="below", after=step(name="between", after=broken))
        beside = step(name="beside", after=step(name="other"))
        return below, beside

    with pytest.raises(ValueError, match="broken"):
        goes_on()
    assert sorted(ran) == ["beside", "broken", "other"]


def test_otherwise_a_failure_ends_the_run() -> None:
    @workflow
    def stops() -> int:
        fail(name="broken")
        return step(name="beside")

    with pytest.raises(ValueError, match="broken"):
        stops()
    assert ran == ["broken"]


@given(
    edges=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)).filter(lambda edge: edge[0] < edge[1])),
    failing=st.sets(st.integers(0, 5), min_size=1),
    workers=st.sampled_from([1, 2]),
)
def test_whatever_the_graph_what_can_run_runs(edges: list[tuple[int, int]], failing: set[int], workers: int) -> None:
    ran.clear()

    @workflow(failure_policy=GOES_ON, local_workers=workers)
    def any_graph() -> None:
        nodes = [(fail if number in failing else step)(name=str(number)) for number in range(6)]
        for above, below in edges:
            nodes[above] >> nodes[below]

    with pytest.raises(ValueError, match=r"^\d"):
        any_graph()
    lost: set[int] = set()
    for number in range(6):
        if any(below == number and (above in failing or above in lost) for above, below in edges):
            lost.add(number)
    assert sorted(ran) == sorted(str(number) for number in range(6) if number not in lost)


def test_a_handler_may_have_optional_inputs_of_its_own() -> None:
    @task
    def clean_up(name: str, reason: str | None, times: int = 2) -> None:
        ran.append(f"{name} {reason} {times}")

    @workflow(on_failure=clean_up)
    def broken(name: str) -> int:
        return fail(name=name)

    with pytest.raises(ValueError, match="x"):
        broken(name="x")
    assert ran == ["x", "x None 2"]


def test_a_failing_handler_does_not_hide_what_went_wrong(caplog: pytest.LogCaptureFixture) -> None:
    @task
    def clean_up(name: str) -> None:
        raise OSError("no broom")

    @workflow(on_failure=clean_up)
    def broken(name: str) -> int:
        return fail(name=name)

    with pytest.raises(ValueError, match="x") as caught:
        broken(name="x")
    assert any("failed as well: OSError: no broom" in note for note in caught.value.__notes__)
    assert "its failure handler failed" in caplog.text


def test_a_step_that_leads_nowhere_is_told_with_its_node() -> None:
    @task
    def numbers() -> list[int]:
        return [1]

    @workflow
    def reaches() -> int:
        return step(name="x", after=numbers()[5])

    with pytest.raises(TypeError, match=r"n0\.o0\[5\]") as caught:
        reaches()
    notes = "\n".join(caught.value.__notes__)
    assert re.search(r"^n0 runs .*\.numbers$", notes, re.MULTILINE)
    assert re.search(r"^in node n1 of workflow .*\.reaches, which runs .*\.step$", notes, re.MULTILINE)


def test_a_step_of_an_output_that_leads_nowhere_is_told_with_its_node() -> None:
    @task
    def numbers() -> list[int]:
        return [1]

    @workflow
    def inner(given: list[int]) -> int:
        return given[5]

    @workflow
    def outer() -> int:
        return inner(given=numbers())

    @workflow
    def direct() -> int:
        return numbers()[5]

    with pytest.raises(TypeError, match=r"inputs\.given\[5\]") as caught:
        outer()
    notes = "\n".join(caught.value.__notes__)
    assert re.search(
        r"^in the outputs of workflow .*\.inner$\n^in node n1 of workflow .*\.outer, which runs .*\.inner$",
        notes,
        re.MULTILINE,
    )
    assert "n0 runs" not in notes
    with pytest.raises(TypeError, match=r"n0\.o0\[5\]") as caught:
        direct()
    assert re.search(r"^n0 runs .*\.numbers$", "\n".join(caught.value.__notes__), re.MULTILINE)


# -- mistakes in a body ------------------------------------------------------------------------------------------------


def test_a_plain_function_of_a_promise_is_refused_with_the_users_line() -> None:
    @workflow
    def absolute() -> int:
        return step(name="x", after=abs(step(name="y")))

    @workflow
    def writes() -> int:
        return step(name=f"<{step(name='y')}>")

    for broken in (absolute, writes):
        with pytest.raises(PromiseUseError, match="Compute in a task") as caught:
            broken()
        assert any(str(entry.path) == __file__ and broken.__name__ in entry.name for entry in caught.traceback)


def test_a_mistake_is_told_with_the_place_of_the_workflow() -> None:
    @workflow
    def forgets() -> int:
        step(name="x")

    with pytest.raises(DefinitionError) as caught:
        forgets()
    line = forgets.function.__code__.co_firstlineno
    assert any(f"{__file__}:{line}" in note for note in caught.value.__notes__)
