"""Writes golden_flytekit.json: what flytekit makes of every row of golden_programs.py.

Run it in an environment with flytekit, from the root of the repository: `python -m core.tests.types.make_golden`. Each
row holds the literal type and the literal as deterministic protobuf bytes (base64), or the reason there is none.
"""

from __future__ import annotations

import base64
import json
import logging
from importlib.metadata import version
from pathlib import Path
from typing import Any

from flytekit import HashMethod
from flytekit.core.context_manager import FlyteContextManager
from flytekit.core.type_engine import TypeEngine
from flytekit.types.directory import FlyteDirectory
from flytekit.types.file import FlyteFile

from core.tests.types.golden_programs import Program, programs


def _bytes(message: Any) -> str:  # Any: a flytekit model
    return base64.b64encode(message.to_flyte_idl().SerializeToString(deterministic=True)).decode()


def _row(program: Program) -> dict[str, str]:
    row = {"name": program.name}
    try:
        literal_type = TypeEngine.to_literal_type(program.annotation)
        row["literal_type"] = _bytes(literal_type)
        literal = TypeEngine.to_literal(
            FlyteContextManager.current_context(), program.value, program.annotation, literal_type
        )
        row["literal"] = _bytes(literal)
    except Exception as exc:  # noqa: BLE001 - what flytekit cannot do is part of the table
        row["error"] = type(exc).__name__
    return row


def main() -> None:
    """Write the file beside this one."""
    logging.disable(logging.CRITICAL)
    rows = [_row(program) for program in programs(FlyteFile, FlyteDirectory, HashMethod)]
    golden = {"flytekit": version("flytekit"), "rows": rows}
    Path(__file__).with_name("golden_flytekit.json").write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
