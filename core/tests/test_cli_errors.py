"""What the `fledge` command says when something is wrong: once, with the place, without lines of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from core.tests.cli_support import Fledge, fledge_at, task_file

TASKS = """
    import time
    from dataclasses import dataclass
    from fledge import task

    @dataclass
    class Positive:
        number: int

        def __post_init__(self):
            if self.number < 0:
                raise ValueError("negative")

    @task
    def half(a: int) -> float:
        return a / 2

    @task
    def calls(a: int) -> float:
        return half(a="x")

    @task
    def takes(p: Positive) -> int:
        return p.number

    @task(timeout=1)
    def waits(a: int) -> int:
        time.sleep(60)
        return a
"""


@pytest.fixture
def fledge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Fledge:
    return fledge_at(task_file(tmp_path, TASKS, "cli_errors"), monkeypatch, capsys)


def test_a_definition_error_is_told_once_with_its_place(fledge: Fledge, tmp_path: Path) -> None:
    (tmp_path / "cli_errors_defined.py").write_text("from fledge import task\n@task\ndef f(a) -> int:\n    return 1\n")
    ran = fledge("run", "cli_errors_defined.py:f")
    assert (ran.code, ran.out) == (1, "")
    message, note, place = ran.err.splitlines()
    assert message.startswith("DefinitionError: task cli_errors_defined.f: parameter 'a' has no annotation")
    assert note == "cli_errors_defined.py failed while it was imported"
    line = "2: @task" if sys.version_info >= (3, 11) else "3: def f(a) -> int:"
    assert place == f"  at {tmp_path}/cli_errors_defined.py:{line}"


def test_a_mistake_in_a_call_is_told_with_the_line_that_makes_it(fledge: Fledge) -> None:
    ran = fledge("run", "{}:calls", "--a", "1")
    assert ran.code == 1
    message, note, place = ran.err.splitlines()
    assert message.startswith("TypeConversionError: ")
    assert message.endswith("half.inputs.a: expected int, got str 'x'")
    assert note.startswith("in task ")
    assert place.endswith('.py:20: return half(a="x")')


def test_the_log_at_debug_shows_everything(fledge: Fledge, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG", logger="fledge"):
        ran = fledge("run", "{}:calls", "--a", "1")
    assert "base_task.py" in ran.err


def test_a_class_that_refuses_a_value_is_quoted(fledge: Fledge) -> None:
    ran = fledge("run", "{}:takes", "--p", '{"number": -1}')
    assert ran.code == 2
    assert "Invalid value for '--p': p: expected" in ran.err
    assert "ValueError: negative" in ran.err


def test_a_timeout_is_logged_with_the_users_lines_only(fledge: Fledge, caplog: pytest.LogCaptureFixture) -> None:
    ran = fledge("run", "{}:waits", "--a", "1")
    assert ran.code == 1
    (record,) = [record for record in caplog.records if record.name == "fledge.cancellation"]
    assert [line for line in record.getMessage().splitlines() if line.startswith("  File")] == [
        line for line in record.getMessage().splitlines() if ", in waits" in line
    ]
    assert "base_task.py" not in record.getMessage()
    assert ran.err.splitlines()[-1].endswith("waits ran longer than its timeout of 1 s")
