"""What a local run honours as a cluster does: retries, timeout, environment, deprecation; what observers are told."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fledge import IgnoreOutputs, NonRecoverableError, RecoverableError, hookimpl, task
from fledge.attempts import environment
from fledge.errors import FledgeError, StorageError, TaskTimeoutError
from fledge.events import Failed, Finished, Ignored, Retrying, Started, TaskEvent
from fledge.hooks.manager import PluginManager


class Flaky(RecoverableError):
    pass


def flaky(retries: int, failures: int, error: Callable[[], BaseException] = lambda: Flaky("not now")) -> Any:
    """A task that fails so often before it succeeds; `.runs` counts its attempts. Any: a task with a counter."""
    runs: list[int] = []

    @task(retries=retries)
    def flaky(a: int) -> int:
        runs.append(a)
        if len(runs) <= failures:
            raise error()
        return a

    flaky.__dict__["runs"] = runs
    return flaky


# -- retries -----------------------------------------------------------------------------------------------------------


@given(retries=st.integers(0, 6), failures=st.integers(0, 8))
def test_a_recoverable_failure_has_exactly_n_more_attempts(retries: int, failures: int) -> None:
    made = flaky(retries, failures)
    if failures <= retries:
        assert made(a=3) == 3
        assert len(made.runs) == failures + 1
    else:
        with pytest.raises(Flaky, match="not now"):
            made(a=3)
        assert len(made.runs) == retries + 1


@pytest.mark.parametrize(
    "error",
    [ValueError("a bug"), NonRecoverableError("no"), StorageError("x", "gone"), IgnoreOutputs(), KeyboardInterrupt()],
    ids=lambda error: type(error).__name__,
)
def test_any_other_failure_is_final(error: BaseException) -> None:
    made = flaky(3, 5, lambda: error)
    with pytest.raises(type(error)) as caught:
        made(a=1)
    assert caught.value is error
    assert made.runs == [1]


def test_an_error_that_only_a_recoverable_one_would_have_had_tried_again_says_so_once() -> None:
    error = ConnectionError("reset by peer")
    inner = flaky(2, 5, lambda: error)

    @task(retries=3)
    def outer(a: int) -> int:
        return int(inner(a=a))

    with pytest.raises(ConnectionError):
        outer(a=1)
    notes = getattr(error, "__notes__", [])
    assert notes.count("not tried again: retries are for RecoverableError") == 1


@pytest.mark.parametrize(
    ("retries", "error"),
    [(0, ValueError("a bug")), (3, NonRecoverableError("no")), (3, StorageError("x", "gone")), (3, IgnoreOutputs())],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_no_other_error_speaks_of_retries(retries: int, error: Exception) -> None:
    with pytest.raises(type(error)):
        flaky(retries, 5, lambda: error)(a=1)
    assert not [note for note in getattr(error, "__notes__", []) if "tried again" in note]


def test_the_last_failure_is_the_one_that_is_raised() -> None:
    errors = [Flaky("first"), Flaky("second")]
    made = flaky(1, 2, iter(errors).__next__)
    with pytest.raises(Flaky) as caught:
        made(a=1)
    assert caught.value is errors[1]


def test_each_attempt_has_a_working_directory_of_its_own_and_none_is_left() -> None:
    from fledge import current_context

    seen: list[str] = []

    @task(retries=2)
    def writes(a: int) -> int:
        folder = current_context().working_directory
        seen.append(folder)
        assert os.listdir(folder) == []
        open(os.path.join(folder, "half"), "w").close()
        if len(seen) < 3:
            raise Flaky
        return a

    assert writes(a=1) == 1
    assert len(set(seen)) == 3
    assert not any(map(os.path.exists, seen))


def test_an_attempt_finds_what_the_one_before_it_saved_and_nothing_else() -> None:
    from fledge import current_context

    found: list[bytes | None] = []
    folders: list[str] = []

    @task(retries=3)
    def inner() -> int:
        return -1 if current_context().checkpoint.prev_exists() else 0

    @task(retries=3)
    def counts(a: int) -> int:
        checkpoint = current_context().checkpoint
        found.append(checkpoint.read())
        folders.append(str(checkpoint.restore() or ""))
        if len(found) != 2:  # the second attempt saves nothing
            checkpoint.write(b"%d" % len(found))
        assert inner() == 0
        if len(found) < 4:
            raise Flaky
        return a

    assert counts(a=1) == 1
    assert found == [None, b"1", None, b"3"]
    assert not any(map(os.path.exists, filter(None, folders)))
    found.clear()
    assert counts(a=2) == 2
    assert found == [None, b"1", None, b"3"]


# -- timeout -----------------------------------------------------------------------------------------------------------


def in_main(call: Callable[[], object]) -> object:
    return call()


def in_thread(call: Callable[[], object]) -> object:
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.extend((call(), None))
        except BaseException as exc:  # noqa: BLE001 - raised again in the caller's thread
            outcome.extend((None, exc))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    value, error = outcome
    if error is not None:
        raise error
    return value


WHERE = pytest.mark.parametrize("where", [in_main, in_thread])


def spin() -> None:
    """Python code that never ends by itself."""
    while True:
        pass


@WHERE
def test_a_task_that_runs_too_long_is_ended(where: Callable[..., object]) -> None:
    from datetime import timedelta

    @task(timeout=timedelta(milliseconds=50))
    def endless(a: int) -> int:
        spin()
        return a

    with pytest.raises(TaskTimeoutError, match=r"endless ran longer than its timeout of 0\.05 s") as caught:
        where(lambda: endless(a=1))
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.__cause__ is None


@WHERE
def test_a_task_within_its_timeout_gives_its_value(where: Callable[..., object]) -> None:
    @task(timeout=60)
    def quick(a: int) -> int:
        return a + 1

    assert where(lambda: quick(a=1)) == 2


@WHERE
def test_a_failure_within_the_timeout_is_itself(where: Callable[..., object]) -> None:
    error = KeyError("k")

    @task(timeout=60)
    def fails(a: int) -> int:
        raise error

    with pytest.raises(KeyError) as caught:
        where(lambda: fails(a=1))
    assert caught.value is error


@WHERE
def test_a_timeout_counts_for_each_attempt(where: Callable[..., object]) -> None:
    from datetime import timedelta

    runs: list[int] = []

    @task(retries=2, timeout=timedelta(milliseconds=200))
    def second_hangs(a: int) -> int:
        runs.append(a)
        if len(runs) == 1:
            raise Flaky
        spin()
        return a

    with pytest.raises(TaskTimeoutError):
        where(lambda: second_hangs(a=1))
    assert len(runs) == 2


# -- environment -------------------------------------------------------------------------------------------------------


@task(environment={"FLEDGE_TEST_A": "set", "FLEDGE_TEST_B": "too"})
def reads_environment(name: str) -> str:
    return os.environ.get(name, "<none>")


def test_the_environment_is_there_in_the_run_and_as_before_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEDGE_TEST_A", "before")
    before = dict(os.environ)
    assert reads_environment(name="FLEDGE_TEST_A") == "set"
    assert reads_environment(name="FLEDGE_TEST_B") == "too"
    assert dict(os.environ) == before


def test_the_environment_is_as_before_after_a_failure_too() -> None:
    before = dict(os.environ)

    @task(environment={"FLEDGE_TEST_A": "set"}, retries=1)
    def fails(a: int) -> int:
        os.environ["FLEDGE_TEST_A"] = "changed by the task"
        raise Flaky

    with pytest.raises(Flaky):
        fails(a=1)
    assert dict(os.environ) == before


@given(
    runs=st.lists(
        st.dictionaries(st.sampled_from(["FLEDGE_T1", "FLEDGE_T2"]), st.sampled_from(["x", "y"])), max_size=4
    ),
    data=st.data(),
)
def test_overlapping_runs_leave_the_environment_as_it_was(runs: list[dict[str, str]], data: st.DataObject) -> None:
    """Runs of several threads begin and end in any order."""
    os.environ["FLEDGE_T1"] = "before"
    try:
        open_runs: list[tuple[dict[str, str], Any]] = []
        waiting = list(runs)
        while waiting or open_runs:
            if waiting and (not open_runs or data.draw(st.booleans())):
                variables = waiting.pop()
                manager = environment(variables)
                manager.__enter__()
                open_runs.append((variables, manager))
                assert all(os.environ[name] == value for name, value in variables.items())
            else:
                _, manager = open_runs.pop(data.draw(st.integers(0, len(open_runs) - 1)))
                manager.__exit__(None, None, None)
        assert os.environ["FLEDGE_T1"] == "before"
        assert "FLEDGE_T2" not in os.environ
    finally:
        del os.environ["FLEDGE_T1"]


def test_a_run_in_another_thread_does_not_wait_for_the_environment() -> None:
    @task(environment={"FLEDGE_TEST_A": "inner"})
    def inner(a: int) -> str:
        return os.environ["FLEDGE_TEST_A"]

    @task(environment={"FLEDGE_TEST_A": "outer"})
    def outer(a: int) -> str:
        return str(in_thread(lambda: inner(a=a)))

    assert outer(a=1) == "inner"


# -- deprecation -------------------------------------------------------------------------------------------------------


def test_a_deprecated_task_warns_once_at_the_callers_line() -> None:
    @task(deprecated="use other")
    def old(a: int) -> int:
        return a

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        old(a=1)
        old(a=1)
    assert [str(one.message) for one in caught] == [f"task {old.name} is deprecated: use other"]
    assert caught[0].category is DeprecationWarning
    assert caught[0].filename == __file__


# -- what observers are told -------------------------------------------------------------------------------------------


@pytest.fixture
def events(manager: PluginManager) -> list[TaskEvent]:
    seen: list[TaskEvent] = []

    class Watching:
        HOOK_API = 1

        @hookimpl
        def task_event(self, event: TaskEvent) -> None:
            seen.append(event)

    manager.register(Watching(), "watching")
    return seen


def kinds(events: list[TaskEvent]) -> list[type[TaskEvent]]:
    return [type(event) for event in events]


def test_a_run_starts_and_finishes(events: list[TaskEvent]) -> None:
    flaky(0, 0)(a=1)
    assert kinds(events) == [Started, Finished]
    assert isinstance(events[1], Finished)
    assert events[1].seconds >= 0
    assert events[0].at <= events[1].at


def test_a_failure_that_is_tried_again_is_no_last_word(events: list[TaskEvent]) -> None:
    flaky(2, 2)(a=1)
    assert kinds(events) == [Started, Retrying, Started, Retrying, Started, Finished]
    assert [event.attempt for event in events if isinstance(event, Retrying)] == [1, 2]


def test_a_final_failure_is_told_once(events: list[TaskEvent]) -> None:
    error = Flaky("again")
    with pytest.raises(Flaky):
        flaky(1, 5, lambda: error)(a=1)
    assert kinds(events) == [Started, Retrying, Started, Failed]
    assert isinstance(events[-1], Failed)
    assert events[-1].error is error


def test_a_failure_of_an_inner_task_is_final_even_while_the_outer_one_has_retries(events: list[TaskEvent]) -> None:
    inner = flaky(0, 1)

    @task(retries=1)
    def outer(a: int) -> int:
        return int(inner(a=a))

    assert outer(a=1) == 1
    assert kinds(events) == [Started, Started, Failed, Retrying, Started, Started, Finished, Finished]


@pytest.mark.parametrize("wrapped", [False, True])
def test_ignored_outputs_are_no_failure(events: list[TaskEvent], wrapped: bool) -> None:
    def error() -> BaseException:
        if not wrapped:
            return IgnoreOutputs()
        wrapper = RuntimeError("around it")
        wrapper.__cause__ = IgnoreOutputs()
        return wrapper

    with pytest.raises((IgnoreOutputs, RuntimeError)):
        flaky(0, 1, error)(a=1)
    assert kinds(events) == [Started, Ignored]


@WHERE
def test_a_timeout_is_told_as_the_callers_error(events: list[TaskEvent], where: Callable[..., object]) -> None:
    from datetime import timedelta

    @task(timeout=timedelta(milliseconds=50))
    def endless(a: int) -> int:
        spin()
        return a

    with pytest.raises(TaskTimeoutError) as caught:
        where(lambda: endless(a=1))
    if where is in_main:  # a thread has a context of its own, without the observer
        assert kinds(events) == [Started, Failed]
        assert isinstance(events[-1], Failed)
        assert events[-1].error is caught.value


def test_an_error_of_ours_in_the_users_code_is_not_the_users(events: list[TaskEvent]) -> None:
    with pytest.raises(FledgeError):
        flaky(3, 1, lambda: FledgeError("secret not found"))(a=1)
    assert kinds(events) == [Started, Failed]
