"""The seam for cutting a run short: callbacks, deadlines, restored timers, native code."""

from __future__ import annotations

import logging
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from fledge import FlyteContextManager, task
from fledge.cancellation import Cancellation, limited
from fledge.errors import TaskTimeoutError

ENDLESS = "with recursive n(x) as (select 1 union all select x + 1 from n) select count(*) from n"
WHERE = pytest.mark.parametrize("in_thread", [False, True], ids=["main thread", "other thread"])


def run(call: Callable[[], object], *, in_thread: bool) -> BaseException | None:
    """The error a call ends with, in this thread or another one."""
    errors: list[BaseException | None] = []

    def guarded() -> None:
        try:
            call()
            errors.append(None)
        except BaseException as exc:  # noqa: BLE001 - the result under test
            errors.append(exc)

    if in_thread:
        thread = threading.Thread(target=guarded)
        thread.start()
        thread.join()
    else:
        guarded()
    return errors[0]


# -- callbacks ---------------------------------------------------------------------------------------------------------


def test_callbacks_are_called_once_newest_first() -> None:
    seen: list[str] = []
    cancellation = Cancellation()
    cancellation.on_cancel(lambda: seen.append("first"))
    cancellation.on_cancel(lambda: seen.append("second"))
    cancellation.cancel()
    cancellation.cancel()
    assert seen == ["second", "first"]
    assert cancellation.cancelled


def test_a_callback_hears_of_the_runs_around_it_and_only_once() -> None:
    seen: list[str] = []
    outer = Cancellation()
    inner = Cancellation(60, Cancellation(None, outer))
    inner.on_cancel(lambda: seen.append("x"))
    outer.cancel()
    inner.cancel()
    assert seen == ["x"]
    forget = inner.on_cancel(lambda: seen.append("too late"))
    forget()
    assert seen == ["x", "too late"]


def test_a_callback_taken_back_is_not_called() -> None:
    seen: list[str] = []
    cancellation = Cancellation()
    forget = cancellation.on_cancel(lambda: seen.append("x"))
    forget()
    forget()
    cancellation.cancel()
    assert seen == []


def test_a_callback_that_comes_too_late_is_called_at_once() -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    seen: list[str] = []
    cancellation.on_cancel(lambda: seen.append("x"))()
    assert seen == ["x"]


def test_a_callback_that_raises_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []
    cancellation = Cancellation()
    cancellation.on_cancel(lambda: seen.append("x"))

    def broken() -> None:
        raise RuntimeError("broken")

    cancellation.on_cancel(broken)
    cancellation.cancel()
    assert seen == ["x"]
    assert "a cancel callback failed" in caplog.text


def test_a_signal_handler_may_cancel_while_a_callback_is_being_registered() -> None:
    """The handler runs in the same thread, between any two steps of `on_cancel`."""
    cancellation = Cancellation()
    seen: list[str] = []
    cancellation._lock.acquire()
    try:
        cancellation.cancel()  # must not wait for this thread's own lock
    finally:
        cancellation._lock.release()
    cancellation.on_cancel(lambda: seen.append("x"))
    assert seen == ["x"]


# -- deadlines ---------------------------------------------------------------------------------------------------------


def test_a_deadline_is_never_later_than_the_parents() -> None:
    parent = Cancellation(10)
    assert Cancellation(100, parent).deadline == parent.deadline
    assert Cancellation(None, parent).deadline == parent.deadline
    child = Cancellation(1, parent)
    assert child.deadline is not None
    assert parent.deadline is not None
    assert child.deadline < parent.deadline
    assert Cancellation().deadline is None
    assert not Cancellation().is_due


def spin() -> None:
    while True:
        pass


@WHERE
def test_the_stack_is_logged_and_callbacks_are_called_at_the_deadline(
    in_thread: bool, caplog: pytest.LogCaptureFixture
) -> None:
    for timeout_s in (0.05, 0.5, 5):  # on a busy machine a short one passes before the body has begun
        seen: list[str] = []
        cancellation = Cancellation(timeout_s)
        cancellation.on_cancel(lambda: seen.append("told"))  # noqa: B023 - called within the loop
        caplog.clear()
        with caplog.at_level(logging.WARNING, "fledge.cancellation"):
            error = run(lambda: limited(spin, cancellation, "mod.t", timeout_s), in_thread=in_thread)  # noqa: B023 - as above
        assert isinstance(error, TaskTimeoutError)
        assert seen == ["told"]
        assert caplog.text.count("task mod.t reached its timeout here") == 1
        if "in spin" in caplog.text:
            return
    raise AssertionError(caplog.text)


@WHERE
def test_code_that_catches_everything_is_ended_all_the_same(in_thread: bool) -> None:
    caught: list[BaseException] = []

    def survivor() -> None:
        while len(caught) < 3:
            try:
                spin()
            except BaseException as exc:  # noqa: BLE001 - the habit under test
                caught.append(exc)

    error = run(lambda: limited(survivor, Cancellation(0.05), "mod.t", 0.05), in_thread=in_thread)
    assert isinstance(error, TaskTimeoutError)
    assert len(caught) == 3


def spin_then_raise() -> None:
    try:
        spin()
    except BaseException:  # noqa: BLE001 - the habit under test
        raise ValueError("too late") from None


def spin_then_return() -> str:
    try:
        spin()
    except BaseException:  # noqa: BLE001 - the habit under test
        return "too late"
    return "never"


@WHERE
def test_what_is_raised_or_returned_after_the_deadline_does_not_count(in_thread: bool) -> None:
    error = run(lambda: limited(spin_then_raise, Cancellation(0.01), "mod.t", 0.01), in_thread=in_thread)
    assert isinstance(error, TaskTimeoutError)
    assert isinstance(error.__cause__, ValueError)
    error = run(lambda: limited(spin_then_return, Cancellation(0.01), "mod.t", 0.01), in_thread=in_thread)
    assert isinstance(error, TaskTimeoutError)


@WHERE
def test_native_code_ends_through_its_callback(in_thread: bool) -> None:
    """SQLite runs no signal handlers; its `interrupt` works from another thread."""
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    cancellation = Cancellation(0.05)
    cancellation.on_cancel(connection.interrupt)
    error = run(
        lambda: limited(lambda: connection.execute(ENDLESS).fetchone(), cancellation, "mod.t", 0.05),
        in_thread=in_thread,
    )
    connection.close()
    assert isinstance(error, TaskTimeoutError)


@WHERE
def test_a_body_that_ends_at_its_deadline_ends_cleanly(in_thread: bool) -> None:
    """Many bodies that end at about the moment of the strike: value or timeout, and nothing is left behind."""
    before = threading.active_count()

    def body(deadline: float) -> str:
        while time.monotonic() < deadline:
            pass
        return "done"

    def many() -> None:
        for number in range(60):
            cancellation = Cancellation(0.002)
            assert cancellation.deadline is not None
            end = cancellation.deadline + (number - 30) * 20e-6
            try:
                assert limited(lambda: body(end), cancellation, "mod.t", 0.002) == "done"  # noqa: B023 - called at once
            except TaskTimeoutError:
                continue

    assert run(many, in_thread=in_thread) is None
    assert threading.active_count() == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@pytest.fixture
def timer() -> Iterator[list[int]]:
    """A handler of SIGALRM and a running timer of the surrounding code; what it saw."""
    seen: list[int] = []
    previous = signal.signal(signal.SIGALRM, lambda signum, frame: seen.append(signum))
    signal.setitimer(signal.ITIMER_REAL, 3600, 7)
    yield seen
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, previous)


@pytest.mark.parametrize("fails", [False, True])
def test_the_surrounding_timer_and_handler_are_back_afterwards(timer: list[int], fails: bool) -> None:
    before = signal.getsignal(signal.SIGALRM)

    def body() -> None:
        assert signal.getsignal(signal.SIGALRM) is not before
        if fails:
            raise ValueError("x")

    error = run(lambda: limited(body, Cancellation(60), "mod.t", 60), in_thread=False)
    assert isinstance(error, ValueError) if fails else error is None
    assert signal.getsignal(signal.SIGALRM) is before
    left, interval = signal.getitimer(signal.ITIMER_REAL)
    assert 3000 < left <= 3600
    assert interval == 7


def test_an_alarm_of_the_surrounding_code_reaches_its_handler(timer: list[int]) -> None:
    limited(lambda: signal.raise_signal(signal.SIGALRM), Cancellation(60), "mod.t", 60)
    assert timer == [signal.SIGALRM]


def test_another_thread_touches_no_timer(timer: list[int]) -> None:
    before = signal.getsignal(signal.SIGALRM)

    def body() -> None:
        assert signal.getsignal(signal.SIGALRM) is before

    assert run(lambda: limited(body, Cancellation(60), "mod.t", 60), in_thread=True) is None


@WHERE
def test_no_thread_is_left(in_thread: bool) -> None:
    before = threading.active_count()

    for _ in range(20):
        assert run(lambda: limited(lambda: None, Cancellation(60), "mod.t", 60), in_thread=in_thread) is None
    assert threading.active_count() == before


# -- in tasks ----------------------------------------------------------------------------------------------------------


@WHERE
def test_an_inner_tasks_timeout_is_the_inner_tasks_error(in_thread: bool) -> None:
    @task(timeout=timedelta(milliseconds=50))
    def inner(a: int) -> int:
        while True:
            pass

    @task(timeout=60)
    def outer(a: int) -> int:
        return inner(a=a)

    error = run(lambda: outer(a=1), in_thread=in_thread)
    assert isinstance(error, TaskTimeoutError)
    assert error.task_name == inner.name


@WHERE
def test_an_outer_tasks_timeout_ends_the_inner_task(in_thread: bool) -> None:
    @task
    def inner(a: int) -> int:
        while True:
            pass

    @task(timeout=timedelta(milliseconds=50))
    def outer(a: int) -> int:
        return inner(a=a)

    error = run(lambda: outer(a=1), in_thread=in_thread)
    assert isinstance(error, TaskTimeoutError)
    assert error.task_name == outer.name


def test_a_task_sees_its_deadline() -> None:
    seen: list[Any] = []

    @task(timeout=60)
    def limited(a: int) -> int:
        seen.append(FlyteContextManager.current_context().deadline)
        return a

    started = time.monotonic()
    limited(a=1)
    assert started < seen[0] <= time.monotonic() + 60
    assert FlyteContextManager.current_context().deadline is None
