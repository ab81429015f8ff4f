"""`@task` keeps parameters and results for type checkers: what is right passes, each seeded mistake is caught."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
MISTAKES = HERE / "mistakes.py"
MARKED = {
    number for number, line in enumerate(MISTAKES.read_text(encoding="utf-8").splitlines(), 1) if "# MISTAKE" in line
}


def mypy_lines(path: Path) -> set[int]:
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--hide-error-context", str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr, done.stderr
    return {int(line) for line in re.findall(rf"{path.name}:(\d+): error", done.stdout)}


def pyright_errors(path: Path, config: str = "pyright.json") -> list[tuple[str, int, str]]:
    command = (sys.executable, "-m", "basedpyright", "--outputjson", "--level", "error")
    place = ("--pythonpath", sys.executable, "--project", str(HERE / config), str(path))
    done = subprocess.run([*command, *place], cwd=ROOT, capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)["generalDiagnostics"]
    return [
        (Path(one["file"]).name, one["range"]["start"]["line"] + 1, one["message"])
        for one in found
        if one["severity"] == "error"
    ]


def pyright_lines(path: Path) -> set[int]:
    return {line for _, line, _ in pyright_errors(path)}


def needs(module: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(importlib.util.find_spec(module) is None, reason=f"{module} is not installed here")


CHECKERS = [
    pytest.param(mypy_lines, id="mypy", marks=needs("mypy")),
    pytest.param(pyright_lines, id="pyright", marks=needs("basedpyright")),
]


def test_there_are_ten_mistakes() -> None:
    assert len(MARKED) >= 10


@pytest.mark.parametrize("lines", CHECKERS)
def test_what_is_right_passes(lines: Callable[[Path], set[int]]) -> None:
    assert lines(HERE / "well_typed.py") == set()


@needs("basedpyright")
@needs("torch")
def test_pyright_passes_on_the_examples() -> None:
    """mypy runs on them in `nox -s types`. pyarrow brings no types and makes names at run time: no rule on those."""
    assert pyright_errors(ROOT / "examples", "pyright-examples.json") == []


@pytest.mark.parametrize("lines", CHECKERS)
def test_each_mistake_is_caught_and_nothing_else(lines: Callable[[Path], set[int]]) -> None:
    assert lines(MISTAKES) == MARKED
