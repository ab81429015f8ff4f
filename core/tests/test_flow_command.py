"""The command as programs and shells use it: JSON, completion, and errors that say what, where and what to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Fledge = Callable[..., "subprocess.CompletedProcess[str]"]

TASKS = """
from fledge import task, workflow

@task(cache=True, cache_version="1", cache_ignore_input_vars=("b",))
def add(a: int, b: int = 1) -> int:
    return a + b

@task
def plain(a: int) -> int:
    return a

@workflow
def twice(a: int) -> int:
    return add(a=add(a=a))

@workflow
def broken(a: int) -> int:
    return plain(a=a + 1)

@workflow
def forgets(a: int) -> int:
    plain(a=a)
"""


@pytest.fixture
def fledge(tmp_path: Path) -> Fledge:
    (tmp_path / "flows.py").write_text(TASKS)
    environment = {**os.environ, "FLEDGE_CACHE": "1", "FLEDGE_CACHE_DIR": str(tmp_path / "cache")}

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "fledge.cli", *arguments],
            cwd=tmp_path,
            env={**environment, **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_the_cache_tells_programs_what_it_holds(fledge: Fledge) -> None:
    explain = ("cache", "explain", "--json", "flows.py:add", "--a", "1")
    before = json.loads(fledge(*explain).stdout)
    assert (before["cached"], before["hit"], before["ignored"]) == (True, False, ["b"])
    assert json.loads(fledge("run", "--json", "flows.py:twice", "--a", "1").stdout) == {"o0": 3}
    after = json.loads(fledge(*explain).stdout)
    assert (after["hit"], after["key"]) == (True, before["key"])
    listed = json.loads(fledge("cache", "list", "--json").stdout)
    assert before["key"] in [one["key"] for one in listed["entries"]]
    told = json.loads(fledge("cache", "explain", "--json", "flows.py:plain", "--a", "1").stdout)
    assert told == {"cached": False, "reason": "flows.plain is not cached: write @task(cache=True)"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_completion(fledge: Fledge, shell: str) -> None:
    assert "_FLEDGE_COMPLETE" in fledge(_FLEDGE_COMPLETE=f"{shell}_source").stdout


def test_commands_and_options_are_completed(fledge: Fledge) -> None:
    commands = fledge(_FLEDGE_COMPLETE="bash_complete", COMP_LINE="fledge ").stdout
    assert {"plain,run", "plain,template", "plain,cache"} <= set(commands.split())
    options = fledge(_FLEDGE_COMPLETE="bash_complete", COMP_LINE="fledge run --").stdout
    assert "plain,--like-container" in options.split()


def test_a_mistake_in_a_workflow_is_told_in_three_parts(fledge: Fledge) -> None:
    done = fledge("run", "flows.py:broken", "--a", "1")
    assert done.returncode == 1
    assert "Promise(inputs.a) has no value to compute with" in done.stderr  # what
    assert "flows.py:18" in done.stderr  # where
    assert "Compute in a task" in done.stderr  # what to do
    forgotten = fledge("run", "flows.py:forgets", "--a", "1").stderr
    assert "nothing is bound to this output" in forgotten
    assert "flows.py:20" in forgotten
    assert "Return a promise or a value for it" in forgotten
