"""The `fledge` command in this process, for tests: its exit code and what it prints."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from fledge.cli.app import main

__all__ = ["Fledge", "Ran", "fledge_at", "task_file"]


@dataclass(frozen=True)
class Ran:
    """What a call of the command left."""

    code: int
    out: str
    err: str


Fledge = Callable[..., Ran]


def task_file(folder: Path, source: str, name: str) -> Path:
    """A file with this source in a folder. Its name, which begins with `name`, is used nowhere else in this process."""
    file = folder / f"{name}_{folder.name.replace('-', '_')}_{os.getpid()}.py"
    file.write_text(textwrap.dedent(source))
    return file


def fledge_at(file: Path, monkeypatch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]) -> Fledge:
    """`fledge("run", "{}:task", ...)` in the folder of a file, for which `{}` stands."""
    monkeypatch.chdir(file.parent)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def run(*arguments: str) -> Ran:
        capture.readouterr()
        with pytest.raises(SystemExit) as caught:
            main([argument.replace("{}", file.name) for argument in arguments])
        code = caught.value.code
        return Ran(code if isinstance(code, int) else 0, *capture.readouterr())

    return run
