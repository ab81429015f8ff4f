"""`import fledge` with 200 installed plugins (floor: the same without any)."""

from __future__ import annotations

from pathlib import Path

from benchmarks.tasks.plugins import install

CONTESTANTS = ("floor", "fledge")
TARGET = 1.01


def commands(folder: Path) -> dict[str, list[str]]:
    """Nothing is looked at before something needs a plugin."""
    code = "import sys; sys.path.append(sys.argv[1]); import fledge; fledge.task"
    return {
        "floor": ["-c", code, install(folder / "none", 0)],
        "fledge": ["-c", code, install(folder / "plugins", 200)],
    }
