"""The examples run as a newcomer runs them, and print what they are there to show."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(folder: Path, *command: str) -> list[str]:
    """The lines a program prints, started in an empty folder with a cache of its own."""
    environment = {**os.environ, "FLEDGE_CACHE_DIR": str(folder / "cache")}
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_first_task_adds_and_is_written_for_flyte(tmp_path: Path) -> None:
    total, template = run(tmp_path, str(ROOT / "examples/hello.py"))
    assert total == "42"
    assert template.startswith("hello.add: ")


def test_the_first_task_runs_from_the_command_line(tmp_path: Path) -> None:
    assert run(tmp_path, "-m", "fledge.cli", "run", f"{ROOT}/examples/hello.py:add", "--a", "1", "--b", "41") == [
        "o0: 42"
    ]


def test_sql_tasks_bind_their_values(tmp_path: Path) -> None:
    assert run(tmp_path, str(ROOT / "examples/sql_hello.py")) == ["[{'carrier': 'AA', 'mean': 15.0}]", "0 2"]


@pytest.mark.skipif(sys.platform == "win32", reason="ranks need POSIX processes")
def test_ranks_print_with_their_number_and_the_failing_one_is_named(tmp_path: Path) -> None:
    lines = run(tmp_path, str(ROOT / "examples/ranks_hello.py"))
    assert sorted(lines[:4]) == [f"[rank {rank}] rank {rank} of 4" for rank in range(4)]
    assert lines[4] == "4"
    assert lines[5].startswith("not me: rank 2 of 4")
