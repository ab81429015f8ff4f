"""Fixtures for users' tests. pytest loads this through an entry point: nothing heavy is imported before it is used."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from fledge.context import FlyteContext
    from fledge.testing.contexts import HookCall

__all__ = ["fledge_context", "fledge_hook_calls", "fledge_parity", "fledge_strict"]


@pytest.fixture
def fledge_hook_calls() -> list[HookCall]:
    """The hook calls that `fledge_context` records, in order."""
    return []


@pytest.fixture
def fledge_context(fledge_hook_calls: list[HookCall]) -> Iterator[FlyteContext]:
    """A context of this test alone, with the installed plugins loaded anew."""
    from fledge.testing.contexts import fresh_context  # noqa: PLC0415 - see the top

    with fresh_context(discover=True, calls=fledge_hook_calls) as context:
        yield context


@pytest.fixture
def fledge_parity() -> Callable[..., Any]:  # Any: as the task declares
    """`fledge_parity(task, **inputs)`: the value, once a local call and a container's run agree on it."""
    from fledge.testing.parity import assert_parity  # noqa: PLC0415 - see the top

    return assert_parity


@pytest.fixture
def fledge_strict() -> Iterator[None]:
    """No task of this test runs for real unless it is replaced; see `fledge.testing.only_mocked_tasks`."""
    from fledge.testing.strict import only_mocked_tasks  # noqa: PLC0415 - see the top

    with only_mocked_tasks():
        yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> Iterator[None]:
    """On Python 3.10, which does not print notes, add an exception's notes to the report."""
    outcome: Any = yield  # Any: pluggy's result, whose type depends on pluggy's version
    notes = getattr(call.excinfo.value, "__notes__", None) if call.excinfo is not None else None
    if notes and sys.version_info < (3, 11):
        outcome.get_result().sections.append(("notes", "\n".join(notes)))
