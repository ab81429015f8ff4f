"""Help for tests: mocks work, strict tests notice a forgotten one, parity finds a difference, contexts are apart."""

from __future__ import annotations

import os
from unittest import mock

import pytest

from fledge import FlyteContextManager, task, workflow
from fledge.errors import CallError
from fledge.testing import ParityError, UnmockedTaskError, assert_parity, fresh_context, only_mocked_tasks


@task
def add(a: int, b: int = 1) -> int:
    return a + b


@task
def where() -> str:
    return f"process {os.getpid()}"


@task
def refuses(a: int) -> int:
    raise KeyError("k\nwith a second line")


@workflow
def chain(a: int) -> int:
    return add(a=add(a=a))


def test_patching_execute_replaces_the_body_and_keeps_the_conversions() -> None:
    with mock.patch.object(add, "execute", return_value=7) as patched:
        assert add(a=1) == 7
        assert chain(a=1) == 7
    patched.assert_called_with(a=7, b=1)
    assert add(a=1) == 2


def test_the_plain_function_is_reachable() -> None:
    assert add.task_function(1, 2) == 3
    assert add.__wrapped__ is add.task_function  # type: ignore[attr-defined] # set by functools.update_wrapper


def test_a_strict_test_fails_when_a_task_would_run() -> None:
    with only_mocked_tasks():
        with pytest.raises(UnmockedTaskError, match=r"mock\.patch\.object\(add"):
            add(a=1)
        with mock.patch.object(add, "execute", return_value=7):
            assert add(a=1) == 7
    with only_mocked_tasks(add):
        assert add(a=1) == 2
    assert add(a=1) == 2


@pytest.mark.usefixtures("fledge_strict")
def test_the_strict_fixture_covers_workflows() -> None:
    with pytest.raises(UnmockedTaskError):
        chain(a=1)


def test_parity_gives_the_value_when_all_runs_agree() -> None:
    assert assert_parity(add, a=1) == 2
    assert assert_parity(refuses, a=1) == "KeyError: 'k\\nwith a second line'"


def test_parity_shows_every_result_when_they_differ() -> None:
    with pytest.raises(ParityError) as caught:
        assert_parity(where)
    assert len(set(caught.value.results.values())) == 2


def test_parity_of_a_workflow_is_refused_with_the_way_out() -> None:
    with pytest.raises(CallError, match=r"chain.*is run by no container\. Compare the tasks"):
        assert_parity(chain, a=1)  # type: ignore[arg-type] # the mistake


def test_contexts_of_tests_share_nothing() -> None:
    with fresh_context() as first, fresh_context() as second:
        assert first.registry is not second.registry
        assert first.plugins is not second.plugins
        assert FlyteContextManager.current_context() is second
    assert FlyteContextManager.current_context() not in (first, second)
