"""How an exception is shown: the reader's own lines, causes, notes; a bug of ours stays visible."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable

import pytest

import fledge.storage
from fledge import task
from fledge.errors import FledgeError
from fledge.tracebacks import format_error, summary, was_raised_by_fledge


@task
def inner(a: int) -> float:
    return 1 / a


@task
def outer(a: int) -> float:
    try:
        return inner(a=a)
    except ZeroDivisionError as exc:
        raise ValueError("no quotient") from exc


def caught(call: Callable[[], object]) -> BaseException:
    try:
        call()
    except BaseException as exc:  # noqa: BLE001 - the result under test
        return exc
    raise AssertionError("nothing was raised")


def files_in(text: str) -> set[str]:
    return {line.split('"')[1].rpartition("/")[2] for line in text.splitlines() if line.lstrip().startswith("File ")}


def test_frames_that_lead_through_fledge_are_left_out_of_every_part() -> None:
    text = format_error(caught(lambda: outer(a=0)))
    assert files_in(text) == {"test_tracebacks.py"}
    assert text.index("ZeroDivisionError: ") < text.index("direct cause") < text.index("ValueError: no quotient")
    assert f"in task {inner.name}" in text
    assert text.endswith(f"in task {outer.name}\n")


def test_an_error_that_fledge_raises_ends_at_the_users_line() -> None:
    error = caught(lambda: inner(a="x"))  # type: ignore[arg-type] # the mistake under test
    assert files_in(format_error(error)) == {"test_tracebacks.py"}
    assert was_raised_by_fledge(error)


def test_a_bug_in_fledge_stays_visible() -> None:
    error = caught(lambda: fledge.storage.scheme_of(3))  # type: ignore[arg-type] # provokes it
    assert files_in(format_error(error)) == {"test_tracebacks.py", "storage.py"}


def test_an_error_without_frames_is_its_summary() -> None:
    assert format_error(FledgeError("x")) == "fledge.errors.FledgeError: x\n"
    assert not was_raised_by_fledge(FledgeError("x"))


def test_frames_of_other_packages_are_left_out_on_request() -> None:
    import json

    error = caught(lambda: json.loads("{"))
    assert "decoder.py" in files_in(format_error(error))
    assert files_in(format_error(error, hide=["json", "not_loaded"])) == files_in(format_error(error))
    mixed = caught(lambda: json.loads("1", object_hook=None, parse_int=lambda text: 1 // 0))
    assert files_in(format_error(mixed, hide=["json"])) == {"test_tracebacks.py"}


def test_the_import_system_is_left_out() -> None:
    import importlib

    text = format_error(caught(lambda: importlib.import_module("no_such_module")))
    assert files_in(text) == {"test_tracebacks.py"}


def test_an_exception_stays_as_it_was() -> None:
    error = caught(lambda: outer(a=0))
    before = traceback.format_exception(error)
    format_error(error)
    assert traceback.format_exception(error) == before


def test_causes_in_a_circle_end() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    assert "ValueError: first" in format_error(first)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exception groups came with Python 3.11")
def test_the_errors_of_a_group_are_shown_without_our_frames() -> None:
    group = ExceptionGroup("both", [ValueError("a"), caught(lambda: inner(a=0))])  # type: ignore[type-var, unused-ignore] # noqa: F821 - Python 3.11
    text = format_error(group)
    assert "ZeroDivisionError" in text
    assert "base_task.py" not in text


class Odd(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_an_exception_whose_text_fails_is_shown_all_the_same() -> None:
    assert summary(Odd()) == "Odd: <its text cannot be made: RuntimeError>"
    assert "Odd" in format_error(Odd())


@pytest.mark.parametrize(("error", "expected"), [(ValueError("x"), "ValueError: x"), (ValueError(), "ValueError")])
def test_a_summary_is_type_and_text(error: BaseException, expected: str) -> None:
    assert summary(error) == expected
