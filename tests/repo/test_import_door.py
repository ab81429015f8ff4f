"""`import fledge` loads nothing but itself and changes nothing in the process that imports it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.repo.repository import ask_python

# By contract. Most of them cost more than the whole of bare Python; `inspect` and `dataclasses` are the usual way in.
SHUT_OUT = {
    "asyncio",
    "click",
    "dataclasses",
    "flyteidl",
    "google",
    "inspect",
    "msgspec",
    "numpy",
    "pluggy",
    "sqlite3",
    "yaml",
}
LOADED_BY = """
import json, sys
before = set(sys.modules)
{statement}
print(json.dumps({{name: getattr(sys.modules[name], "__file__", None) or "" for name in set(sys.modules) - before}}))
"""


def loaded_by(statement: str, cwd: Path | None = None) -> dict[str, str]:
    """Modules that a statement loads in a fresh Python, and their files."""
    loaded: dict[str, str] = json.loads(ask_python(LOADED_BY.format(statement=statement), cwd=cwd))
    return loaded


@pytest.fixture(scope="module")
def import_fledge() -> dict[str, str]:
    return loaded_by("import fledge")


def test_importing_fledge_loads_none_of_the_heavy_modules(import_fledge: dict[str, str]) -> None:
    assert "fledge" in import_fledge
    assert {name.partition(".")[0] for name in import_fledge} & SHUT_OUT == set()


def test_importing_fledge_loads_no_plugin_and_no_third_party_module(import_fledge: dict[str, str]) -> None:
    """All plugins and their libraries are installed where this test runs, so any of them would show."""
    foreign = {
        name: file
        for name, file in import_fledge.items()
        if ("site-packages" in file or name.startswith("fledge_")) and name.partition(".")[0] != "fledge"
    }
    assert foreign == {}


def test_defining_a_task_loads_no_protobuf(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from fledge import task\n\n@task\ndef add(a: int, b: int = 1) -> int:\n    return a + b\n"
    )
    loaded = loaded_by("import mine", cwd=tmp_path)
    assert {"mine", "fledge.decorators"} <= set(loaded)
    assert {name.partition(".")[0] for name in loaded} & {"google", "flyteidl", "msgspec", "asyncio", "numpy"} == set()


def test_the_containers_command_does_not_import_click() -> None:
    assert "click" not in loaded_by("import fledge.entrypoint")


UNTOUCHED = """
import logging, os, signal, sys, threading, warnings
from pathlib import Path

def state():
    return {
        "environment": dict(os.environ),
        "signal handlers": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "exception hook": sys.excepthook,
        "thread hook": threading.excepthook,
        "trace": (sys.gettrace(), sys.getprofile()),
        "threads": [thread.name for thread in threading.enumerate()],
        "root logger": (logging.root.level, list(logging.root.handlers), list(logging.root.filters)),
        "warning filters": list(warnings.filters),
        "path": list(sys.path),
        "recursion limit": sys.getrecursionlimit(),
        "files": sorted(Path.cwd().iterdir()),
        "timer": signal.getitimer(signal.ITIMER_REAL) if hasattr(signal, "setitimer") else None,
    }

before = state()
import fledge
for name in fledge.__all__:
    getattr(fledge, name)
after = state()
print([thing for thing in before if before[thing] != after[thing]])
"""


def test_importing_fledge_and_every_public_name_leaves_the_process_as_it_was(tmp_path: Path) -> None:
    assert ask_python(UNTOUCHED, cwd=tmp_path).strip() == "[]"
