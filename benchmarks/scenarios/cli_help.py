"""`fledge --help`, whole process (floor: argparse with as many commands)."""

from __future__ import annotations

from pathlib import Path

TARGET = 5.0
FLOOR = """
import argparse
parser = argparse.ArgumentParser(prog="floor", description="Write a task, run it, ship it.")
commands = parser.add_subparsers()
for name in ("cache", "doctor", "explain", "new-plugin", "plugins", "run", "template"):
    commands.add_parser(name, help="What this command does, in one line")
parser.parse_args()
"""


def commands(_: Path) -> dict[str, list[str]]:
    """The console scripts, without the script."""
    return {
        "floor": ["-c", FLOOR, "--help"],
        "fledge": ["-c", "from fledge.cli import main; main()", "--help"],
        "flytekit": ["-c", "from flytekit.clis.sdk_in_container.pyflyte import main; main()", "--help"],
    }
