"""`fledge run --json`: standard output holds the result and nothing else, whoever prints and how."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from core.tests.support import fresh_process

TASKS = """
    import atexit, os, subprocess, sys
    from fledge import task, workflow

    print("at import")
    kept = sys.stdout

    @task
    def loud(a: int) -> int:
        print("printed")
        kept.write("kept\\n")
        os.write(1, b"native\\n")
        subprocess.run([sys.executable, "-c", "print('child')"], check=True)
        return a

    @task
    def fails(a: int) -> int:
        loud(a=a)
        raise ValueError(a)

    @task
    def leaves(a: int) -> int:
        loud(a=a)
        sys.exit(4)

    @task
    def says(a: int) -> int:
        print("printed")
        return a

    @workflow(on_failure=loud)
    def flow(a: int) -> int:
        return fails(a=a)
"""
WORDS = ["at import", "child", "kept", "native", "printed"]


@pytest.fixture(autouse=True)
def tasks(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(textwrap.dedent(TASKS))


def run(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return fresh_process("-m", "fledge.cli", "run", *arguments, cwd=tmp_path, env={"TMPDIR": str(tmp_path)})


@pytest.mark.parametrize("way", [(), ("--isolate",), ("--like-container",)], ids=lambda way: "".join(way) or "plain")
@pytest.mark.parametrize("asked", [("--json",), ("--output", "-")], ids="".join)
def test_what_a_task_prints_goes_to_standard_error(
    tmp_path: Path, way: tuple[str, ...], asked: tuple[str, ...]
) -> None:
    done = run(tmp_path, *way, *asked, "tasks.py:loud", "--a", "3")
    assert json.loads(done.stdout) == {"o0": 3}, done.stderr
    assert set(WORDS) <= set(done.stderr.splitlines())


@pytest.mark.parametrize("behind", [("--json",), ("--output", "-"), ("--output=-",)], ids="".join)
def test_the_option_may_stand_behind_the_target(tmp_path: Path, behind: tuple[str, ...]) -> None:
    done = run(tmp_path, "tasks.py:loud", "--a", "3", *behind)
    assert json.loads(done.stdout) == {"o0": 3}, done.stderr
    assert sorted(done.stderr.splitlines()) == WORDS


@pytest.mark.parametrize(
    "words", [("tasks.py:fails",), ("tasks.py:flow",), ("--isolate", "tasks.py:fails")], ids="".join
)
def test_an_error_is_the_only_thing_that_a_program_reads(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = run(tmp_path, "--json", *words, "--a", "3")
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["origin"] == "USER"
    assert set(WORDS) <= set(done.stderr.splitlines())


def test_a_task_that_exits_prints_nothing_on_standard_output(tmp_path: Path) -> None:
    done = run(tmp_path, "--json", "tasks.py:leaves", "--a", "3")
    assert (done.returncode, done.stdout) == (1, "")


def test_without_json_what_a_task_prints_is_standard_output(tmp_path: Path) -> None:
    done = run(tmp_path, "tasks.py:loud", "--a", "3")
    assert sorted(done.stdout.splitlines()) == [*WORDS[:3], "native", "o0: 3", "printed"]
    assert done.stderr == ""


@pytest.mark.skipif(os.name != "posix", reason="descriptors of POSIX")
@pytest.mark.parametrize("closed", ["2>&-", "1>&-"])
def test_a_closed_stream_does_not_stop_a_run(tmp_path: Path, closed: str) -> None:
    command = f'"{sys.executable}" -m fledge.cli run --json tasks.py:says --a 3 {closed}'
    done = subprocess.run(["/bin/sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout + done.stderr in ('{\n  "o0": 3\n}\n', "at import\nprinted\n")
