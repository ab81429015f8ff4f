"""How an exception is shown: the reader's own lines, causes, notes; a bug of ours stays visible."""

from __future__ import annotations

import importlib
import logging
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

import fledge.storage
from fledge import task, workflow
from fledge.errors import FledgeError, HookCallError, mark_user_error
from fledge.frames import format_stack
from fledge.tracebacks import format_error, format_in_short, summary


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


@workflow
def flow(a: int) -> float:
    return inner(a=a)


@pytest.mark.parametrize("call", [inner, flow], ids=["task", "workflow"])
def test_what_python_prints_itself_has_one_frame_of_ours_for_a_call(
    call: Callable[..., float], caplog: pytest.LogCaptureFixture
) -> None:
    frames = traceback.extract_tb(caught(lambda: call(a=0)).__traceback__)
    assert [frame.name for frame in frames] == ["caught", "<lambda>", "__call__", "inner"]
    caplog.set_level(logging.DEBUG, "fledge")
    assert len(traceback.extract_tb(caught(lambda: call(a=0)).__traceback__)) > 6


def test_an_error_that_fledge_raises_ends_at_the_users_line() -> None:
    error = caught(lambda: inner(a="x"))  # type: ignore[arg-type] # the mistake under test
    assert files_in(format_error(error)) == {"test_tracebacks.py"}
    message, place, _ = format_in_short(error).splitlines()
    assert message == f"TypeConversionError: {error}"
    assert place.startswith(f"  at {__file__}:")
    assert "inner(a=" in place


def test_a_bug_in_fledge_stays_visible() -> None:
    error = caught(lambda: fledge.storage.scheme_of(3))  # type: ignore[arg-type] # provokes it
    assert files_in(format_error(error)) == {"test_tracebacks.py", "storage.py"}


def test_an_error_without_frames_is_its_summary() -> None:
    assert format_error(FledgeError("x")) == "fledge.errors.FledgeError: x\n"
    assert format_in_short(FledgeError("x")) == ""


PLUGIN = """
    import contextlib
    import library_below
    from fledge.errors import HookCallError, StorageError

    @contextlib.contextmanager
    def named():
        try:
            yield
        except KeyError as exc:
            raise StorageError("mem://x", "is no table") from exc

    def opens():
        with named():
            library_below.raises(None)

    def calls(function):
        try:
            library_below.raises(function)
        except Exception as exc:
            raise StorageError("mem://x", "the function failed") from exc

    def looks_up():
        return library_below.raises(None)

    def has_a_bug():
        try:
            library_below.raises(None)
        except KeyError as exc:
            raise HookCallError("plugin", "get_custom", "t", "failed") from exc
"""
LIBRARY = "def raises(function):\n    raise KeyError('internals') if function is None else function()\n"


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A plugin, installed into a folder, built on a library of its own."""
    site = tmp_path / "site-packages"
    (site / "tracing_plugin").mkdir(parents=True)
    (site / "library_below").mkdir()
    (site / "tracing_plugin" / "__init__.py").write_text(textwrap.dedent(PLUGIN))
    (site / "library_below" / "__init__.py").write_text(LIBRARY)
    info = site / "tracing_plugin-1.0.dist-info"
    info.mkdir()
    needs = "Requires-Dist: library-below>=1; extra == 'all'"
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: tracing-plugin\nVersion: 1.0\n{needs}\n")
    (info / "entry_points.txt").write_text("[fledge]\ntracing = tracing_plugin.hooks\n")
    monkeypatch.syspath_prepend(str(site))
    yield importlib.import_module("tracing_plugin")
    for name in ("tracing_plugin", "library_below"):
        sys.modules.pop(name)


def test_frames_and_causes_that_only_a_plugin_knows_are_left_out(plugin: ModuleType) -> None:
    error = caught(plugin.opens)
    assert files_in(format_error(error)) == {"test_tracebacks.py"}
    assert "KeyError" not in format_error(error)
    message, place = format_in_short(error).splitlines()
    assert message == "StorageError: mem://x: is no table"
    assert place.endswith(": call()")


def test_a_cause_in_the_users_code_is_shown_whoever_called_it(plugin: ModuleType) -> None:
    error = caught(lambda: plugin.calls(lambda: 1 // 0))
    assert format_in_short(error) == ""
    text = format_error(error)
    assert files_in(text) == {"test_tracebacks.py"}
    assert text.index("ZeroDivisionError") < text.index("the direct cause") < text.index("StorageError")


def test_a_cause_below_one_that_only_fledge_knows_is_shown(plugin: ModuleType) -> None:
    def wraps() -> object:
        return plugin.calls(lambda: plugin.calls(lambda: 1 // 0))

    text = format_error(caught(wraps))
    assert files_in(text) == {"test_tracebacks.py"}
    assert "ZeroDivisionError" in text


def test_what_a_plugin_did_wrong_is_shown_with_its_lines(plugin: ModuleType) -> None:
    error = caught(plugin.has_a_bug)
    assert isinstance(error, HookCallError)
    assert format_in_short(error) == ""
    assert "KeyError: 'internals'" in format_error(error)


def test_a_bug_in_a_plugin_stays_visible(plugin: ModuleType) -> None:
    error = caught(lambda: plugin.opens("one argument too many"))
    assert files_in(format_error(error)) == {"test_tracebacks.py"}
    error = caught(plugin.looks_up)
    assert files_in(format_error(error)) == {"test_tracebacks.py", "__init__.py"}
    assert format_error(error).count("__init__.py") == 2


def test_a_users_exception_from_another_process_has_no_lines_but_those_of_its_cause(plugin: ModuleType) -> None:
    error = caught(plugin.opens).__cause__
    assert error is not None
    assert files_in(format_error(error)) == {"__init__.py"}
    mark_user_error(error)
    assert format_error(error) == "KeyError: 'internals'\n"


def test_an_error_is_shown_whatever_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, points in (("without_metadata", "[fledge]\nx = x.hooks\n"), ("broken", "[fledge]\nnothing\n[\n")):
        (tmp_path / f"{name}-1.0.dist-info").mkdir()
        (tmp_path / f"{name}-1.0.dist-info" / "entry_points.txt").write_text(points)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert files_in(format_error(caught(lambda: outer(a=0)))) == {"test_tracebacks.py"}


def test_a_stack_begins_below_the_command_and_has_the_users_lines() -> None:
    seen: list[str] = []

    @task
    def looks() -> int:
        seen.append(format_stack(sys._getframe()))
        return 1

    looks()
    assert "base_task.py" not in seen[0]
    assert seen[0].splitlines()[-1].strip() == "seen.append(format_stack(sys._getframe()))"


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
