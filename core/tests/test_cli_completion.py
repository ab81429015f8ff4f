"""Completion: files, the tasks in a file and their inputs, found without running the file; and the script for bash."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fledge.cli.completion import complete_options, complete_target

SOURCE = """
import fledge, enum
from fledge import task, workflow
from typing import Literal
raise RuntimeError("completion runs nothing")

class Color(enum.Enum):
    RED = "r"
    BLUE = "b"

@task
def add(
    alpha: int, beta: Literal["x", "y"] = "x", *, color: Color = Color.RED, is_on: bool = True, file_name: str = ""
): ...

@fledge.task(cache=True)
async def fetch(url: str): ...

@workflow
def flow(alpha: int): ...

@sql_task("select 1")
def query() -> int: ...

means = DuckDBTask("means", "select 1")

def helper(alpha: int): ...

limit = int("3")
"""
TASKS = ["add", "fetch", "flow", "query", "means"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "hello.py").write_text(SOURCE)
    (tmp_path / "help_me.py").write_text("")
    (tmp_path / "broken.py").write_text("def (")
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "inner.py").write_text(SOURCE)
    (tmp_path / ".hidden").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


TARGETS = [
    ("", ["broken.py", "hello.py", "help_me.py", "sub/"]),
    ("hel", ["hello.py", "help_me.py"]),
    ("hell", [f"hello.py:{task}" for task in TASKS]),
    ("hello.py:", [f"hello.py:{task}" for task in TASKS]),
    ("hello.py:f", ["hello.py:fetch", "hello.py:flow"]),
    ("hello:f", ["hello:fetch", "hello:flow"]),
    ("sub.inner:a", ["sub.inner:add"]),
    ("sub/inner.py:a", ["sub/inner.py:add"]),
    ("s", ["sub/"]),
    ("sub/i", [f"sub/inner.py:{task}" for task in TASKS]),
    ("gone/x", []),
    ("gone.py:x", []),
    ("broken.py:", []),
    ("broken", ["broken.py"]),
    (".h", [".hidden/"]),
]


@pytest.mark.parametrize(("incomplete", "expected"), TARGETS, ids=[repr(one) for one, _ in TARGETS])
def test_a_target_goes_on_with_files_and_then_with_tasks(folder: Path, incomplete: str, expected: list[str]) -> None:
    assert [item.value for item in complete_target(incomplete)] == expected


OPTIONS = [
    ((), "--", ["--alpha", "--beta", "--color", "--is_on", "--file_name"]),
    ((), "--b", ["--beta"]),
    (("--alpha", "1", "--file-name=x"), "-", ["--beta", "--color", "--is_on"]),
    (("--color",), "", ["RED", "BLUE"]),
    (("--beta",), "y", ["y"]),
    (("--is-on",), "", ["true", "false"]),
    (("--alpha", "1"), "", []),
]


@pytest.mark.parametrize(("given", "incomplete", "expected"), OPTIONS)
def test_behind_a_target_stand_the_inputs_of_the_task(
    folder: Path, given: tuple[str, ...], incomplete: str, expected: list[str]
) -> None:
    assert [item.value for item in complete_options("hello.py:add", list(given), incomplete)] == expected


def test_an_input_without_listed_values_may_be_a_file(folder: Path) -> None:
    (item,) = complete_options("hello.py:add", ["--file_name"], "he")
    assert (item.type, item.value) == ("file", "he")


@pytest.mark.parametrize("target", ["hello.py:means", "hello.py:nobody", "gone.py:add", "hello.py"])
def test_a_target_that_tells_nothing_has_no_options(folder: Path, target: str) -> None:
    assert complete_options(target, [], "--") == []


@pytest.fixture
def typed(folder: Path) -> Callable[[str], list[str]]:
    """What bash offers for a line with the cursor at its end; the line goes on behind it."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    (folder / "bin").mkdir()
    command = folder / "bin" / "fledge"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m fledge.cli "$@"\n')
    command.chmod(0o755)

    def offered(line: str) -> list[str]:
        script = (
            f"PATH={folder}/bin:$PATH\n"
            'eval "$(_FLEDGE_COMPLETE=bash_source fledge)"\n'
            "compopt() { :; }\n"  # it exists only while bash itself asks
            f"COMP_LINE='{line} and more'; COMP_POINT={len(line)}\n"
            "_fledge_completion; printf '%s\\n' \"${COMPREPLY[@]}\"\n"
        )
        done = subprocess.run([bash, "--norc", "-c", script], cwd=folder, capture_output=True, text=True, check=True)
        assert done.stderr == ""
        return done.stdout.split()

    return offered


def test_bash_is_offered_what_stands_behind_the_last_colon(typed: Callable[[str], list[str]]) -> None:
    assert typed("fledge run hell") == [f"hello.py:{task}" for task in TASKS]
    assert typed("fledge run hello.py:f") == ["fetch", "flow"]
    assert typed("fledge template hello.py:") == TASKS
    assert typed("fledge run --json hello.py:add --be") == ["--beta"]
    assert typed("fledge run hello.py:add --color ") == ["RED", "BLUE"]
    assert typed("fledge cache exp") == ["explain"]
