"""The `fledge` command in this process, for tests: its exit code and what it prints."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from fledge.cli.app import main

__all__ = ["Fledge", "Ran", "fledge_in"]


@dataclass(frozen=True)
class Ran:
    """What a call of the command left."""

    code: int
    out: str
    err: str


Fledge = Callable[..., Ran]


def fledge_in(
    folder: Path, source: str, monkeypatch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str], name: str
) -> Fledge:
    """`fledge("run", "{}:task", ...)` in a folder where a file with this source lies; `{}` stands for the file.

    Its name, which begins with `name`, is used nowhere else in this process: tasks are known by module.
    """
    file = folder / f"{name}_{folder.name.replace('-', '_')}_{os.getpid()}.py"
    file.write_text(textwrap.dedent(source))
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))

    def run(*arguments: str) -> Ran:
        capture.readouterr()
        with pytest.raises(SystemExit) as caught:
            main([argument.replace("{}", file.name) for argument in arguments])
        code = caught.value.code
        return Ran(code if isinstance(code, int) else 0, *capture.readouterr())

    return run
