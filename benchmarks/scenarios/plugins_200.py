"""200 installed plugins, first use (floor: none, with the loader)."""

from __future__ import annotations

from pathlib import Path

from benchmarks.tasks.plugins import commands_of_first_use

CONTESTANTS = ("floor", "fledge")
PLUGINS = 200
TARGET_S_MORE = PLUGINS * 1e-3


def commands(folder: Path) -> dict[str, list[str]]:
    return commands_of_first_use(folder, PLUGINS)
