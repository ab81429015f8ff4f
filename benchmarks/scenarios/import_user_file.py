"""A user's file with one @task (floor: without it)."""

from __future__ import annotations

from pathlib import Path

TARGET_INSTRUCTIONS = 260_000_000
FUNCTION = "def add(a: int, b: int = 1) -> int:\n    return a + b\n"


def commands(folder: Path) -> dict[str, list[str]]:
    """The file is imported, as the container and the command line do."""
    (folder / "plain_file.py").write_text(FUNCTION)
    (folder / "fledge_file.py").write_text(f"from fledge import task\n\n@task\n{FUNCTION}")
    (folder / "flytekit_file.py").write_text(f"from flytekit import task\n\n@task\n{FUNCTION}")
    return {
        "floor": ["-c", "import plain_file"],
        "fledge": ["-c", "import fledge_file"],
        "flytekit": ["-c", "import flytekit_file"],
    }
