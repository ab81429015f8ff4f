"""SQL result of 20 million rows in a container, memory_limit 256 MB (floor: bare COPY)."""

from __future__ import annotations

import shutil
from pathlib import Path

TARGET_PEAK_BYTES = 300e6
NEEDS = "sql"
IS_COUNTABLE = False  # whole processes of many threads
TASKS = Path(__file__).parent.parent / "tasks"
FLOOR = """
from pathlib import Path
import duckdb
from benchmarks.tasks.sql_texts import TWENTY_MILLION
bare = duckdb.connect(config={"memory_limit": "256MB", "threads": 2})
bare.execute(f"copy ({TWENTY_MILLION}) to 'bare.parquet' (format parquet)")
Path("bare.parquet").unlink()
"""
FLEDGE = """
import shutil
from fledge.entrypoint import main
try:
    main()
finally:
    shutil.rmtree("raw")
"""
FLYTEKIT = """
from benchmarks.tasks.sql_flytekit import drop, small_memory
drop(small_memory())
"""


def commands(folder: Path) -> dict[str, list[str]]:
    """Ours as a container runs it, to outputs.pb; flytekit's task has no container and is called."""
    from flyteidl.core.literals_pb2 import LiteralMap

    (folder / "inputs.pb").write_bytes(LiteralMap().SerializeToString())
    shutil.copytree(TASKS.parent, folder / "benchmarks", ignore=shutil.ignore_patterns("__pycache__", "scenarios"))
    return {
        "floor": ["-c", FLOOR],
        "fledge": [
            *("-c", FLEDGE),
            *("--inputs", str(folder / "inputs.pb"), "--output-prefix", str(folder / "out")),
            *("--raw-output-data-prefix", str(folder / "raw"), "--checkpoint-path", "", "--prev-checkpoint", ""),
            *("--resolver", "fledge.resolver.default_task_resolver", "--"),
            *("task-module", "benchmarks.tasks.sql_fledge", "task-name", "small_memory"),
        ],
        "flytekit": ["-c", FLYTEKIT],
    }
