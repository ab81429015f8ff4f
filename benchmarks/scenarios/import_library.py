"""Import the library (floor: bare Python)."""

from __future__ import annotations

from pathlib import Path

TARGET_INSTRUCTIONS = 60_000_000


def commands(_: Path) -> dict[str, list[str]]:
    """Whole processes; nothing is written."""
    return {"floor": ["-c", "pass"], "fledge": ["-c", "import fledge"], "flytekit": ["-c", "import flytekit"]}
