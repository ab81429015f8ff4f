"""Local call add(1, 2) with 20 plugins that do nothing in a run (floor: the same without any)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.tasks.plugins import install

TARGET = 1.01


def floor() -> Callable[[], object]:
    from benchmarks.tasks.fledge_tasks import add

    return lambda: add(a=1, b=2)


def fledge() -> Callable[[], object]:
    folder = Path("plugins").absolute()  # in the folder of this run, and there again in its next process
    sys.path.append(str(folder) if folder.exists() else install(folder, 20))
    from fledge import FlyteContextManager

    FlyteContextManager.current_context().plugins.load()
    return floor()
