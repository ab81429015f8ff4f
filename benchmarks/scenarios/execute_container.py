"""The container's command, whole process (floor: import the messages, read, add, write)."""

from __future__ import annotations

import shutil
from pathlib import Path

TARGET = 2.5
TASKS = Path(__file__).parent.parent / "tasks"
FLOOR = """
import sys
from flyteidl.core.literals_pb2 import LiteralMap
given, made = LiteralMap(), LiteralMap()
with open(sys.argv[1], "rb") as file:
    given.ParseFromString(file.read())
total = given.literals["a"].scalar.primitive.integer + given.literals["b"].scalar.primitive.integer
made.literals["o0"].scalar.primitive.integer = total
with open(sys.argv[2] + "/outputs.pb", "wb") as file:
    file.write(made.SerializeToString())
"""


def commands(folder: Path) -> dict[str, list[str]]:
    """`add` of the tasks beside us, with inputs.pb and outputs.pb in the folder, through each one's own command."""
    from flyteidl.core.literals_pb2 import LiteralMap

    given = LiteralMap()
    for name, value in {"a": 1, "b": 2}.items():
        given.literals[name].scalar.primitive.integer = value
    (folder / "inputs.pb").write_bytes(given.SerializeToString())
    for file in TASKS.glob("*_tasks.py"):
        shutil.copy(file, folder)
    return {
        "floor": ["-c", FLOOR, str(folder / "inputs.pb"), out(folder, "floor")],
        "fledge": ["-c", "from fledge.entrypoint import main; main()", *arguments(folder, "fledge")],
        "flytekit": [
            *("-c", "from flytekit.bin.entrypoint import execute_task_cmd; execute_task_cmd()"),
            *arguments(folder, "flytekit"),
        ],
    }


def out(folder: Path, contestant: str) -> str:
    """Where a contestant writes its outputs.pb."""
    place = folder / f"out-{contestant}"
    place.mkdir(exist_ok=True)
    return str(place)


def arguments(folder: Path, contestant: str) -> list[str]:
    """What the backend fills in, for `add`; the two SDKs share the names."""
    resolver = {
        "fledge": "fledge.resolver.default_task_resolver",
        "flytekit": "flytekit.core.python_auto_container.default_task_resolver",
    }[contestant]
    prefix = out(folder, contestant)
    return [
        *("--inputs", str(folder / "inputs.pb"), "--output-prefix", prefix, "--raw-output-data-prefix", prefix),
        *("--checkpoint-path", f"{prefix}/checkpoint", "--prev-checkpoint", ""),
        *("--resolver", resolver, "--", "task-module", f"{contestant}_tasks", "task-name", "add"),
    ]
