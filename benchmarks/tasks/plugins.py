"""Plugins for scenarios: distributions in a folder, each with a light hook module, as pip would have installed them."""

from __future__ import annotations

from pathlib import Path

__all__ = ["commands_of_first_use", "install"]

HOOKS = """from fledge import HOOK_API as API, hookimpl

HOOK_API = API


@hookimpl
def get_config(task):
    return {"plugin-NUMBER": task.name}
"""


def install(folder: Path, count: int) -> str:
    """Write `count` plugins into a new folder and return it. They implement `get_config`, and nothing of a run."""
    folder.mkdir()
    for number in range(count):
        info = folder / f"bench_plugin_{number}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: bench-plugin-{number}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[fledge]\nbench{number} = bench_plugin_{number}\n")
        (folder / f"bench_plugin_{number}.py").write_text(HOOKS.replace("NUMBER", str(number)))
    return str(folder)


def commands_of_first_use(folder: Path, count: int) -> dict[str, list[str]]:
    """Processes that import fledge and load the plugins: none of them for the floor.

    The floor makes what the first plugin needs and every further one shares: the difference is the plugins' own.
    """
    load = "import sys; sys.path.append(sys.argv[1]); import fledge, fledge.hooks.loading as it; "
    load += "fledge.FlyteContextManager.current_context().plugins.load()"
    return {
        "floor": ["-c", f"{load}; it.new_manager()", install(folder / "none", 0)],
        "fledge": ["-c", load, install(folder / "plugins", count)],
    }
