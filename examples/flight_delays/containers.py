"""The job's tasks as containers of a platform run them: a fresh process each, and a bucket for all that passes between.

In: a task and its values. Out: the values it gave, read back from `outputs.pb`. What an earlier step gave is passed on
as the literal it came in: its data stay where they are. No file of this machine leads from one step to the next.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, ParamSpec, TypeVar

from examples.flight_delays.report import Step, Steps, rows_of
from fledge import FlyteContextManager, Promise, SerializationSettings, idl
from fledge.promise import pack_outputs
from fledge.storage import LiveStore, materialize

__all__ = ["ContainerSteps"]

P = ParamSpec("P")
R = TypeVar("R")
ROOT = Path(__file__).parents[2]


class ContainerSteps(Steps):
    """Runs tasks one by one, each in a process of its own.

    Args:
        root: URI below which each step has a folder: `inputs.pb`, `out/` with `outputs.pb` or `error.pb`, `raw/` with
            tables and files.
        out: Where to tell of each step; standard output if not given.
    """

    def __init__(self, root: str, out: IO[str] | None = None) -> None:
        super().__init__(out)
        self._root = root.rstrip("/")
        self._known: dict[int, tuple[object, Promise]] = {}  # id -> (the value, kept alive; its literal)

    def run(self, task: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a task in a fresh process and note its rows and seconds.

        Raises:
            RuntimeError: The task failed; the message is what it left in error.pb.
        """
        container_task: Any = task  # Any: a task is more than the callable that Steps knows
        name = str(container_task.name).rpartition(".")[2]
        place = f"{self._root}/{len(self.done):02}-{name}"
        started = time.monotonic()
        self._write_inputs(container_task, args, dict(kwargs), place)
        _run_process(_command(container_task, place), name)
        result = self._read_outputs(container_task, place, name)
        self.add(Step(name, "0 of 1", rows_of(result), time.monotonic() - started))
        found: R = result
        return found

    def _write_inputs(self, task: Any, args: tuple[Any, ...], values: dict[str, Any], place: str) -> None:
        """Any: a task; values as it declares."""
        context = FlyteContextManager.current_context()
        context.plugins.load()
        storage = context.storage.with_(raw_prefix=f"{place}/raw-in", live=LiveStore(), keep_local=False)
        bound = task.python_interface.bind(task.name, args, values)
        given = {name: self._known.get(id(value), (None, value))[1] for name, value in bound.items()}
        literal_map = task.input_literals(context.with_(storage=storage), given)
        storage.write(f"{place}/inputs.pb", idl.deterministic_bytes(materialize(literal_map, storage)))

    def _read_outputs(self, task: Any, place: str, name: str) -> Any:  # Any: as the task declares
        context = FlyteContextManager.current_context()
        storage = context.storage
        if storage.exists(f"{place}/out/error.pb"):
            error = idl.errors.ErrorDocument.FromString(storage.read(f"{place}/out/error.pb")).error
            raise RuntimeError(f"{name} failed with {error.code}:\n{error.message}")
        literals = idl.literals.LiteralMap.FromString(storage.read(f"{place}/out/outputs.pb")).literals
        values = []
        for output, converter in task.python_interface.compile(context.registry).outputs.items():
            value = converter.to_python(literals[output], storage, f"outputs.{output}")
            self._known[id(value)] = value, Promise(output, literals[output])
            values.append(value)
        return pack_outputs(task.python_interface, values)


def _command(task: Any, place: str) -> list[str]:  # Any: a task with a container
    """The task's own command line, with the platform's templates filled in."""
    values = {
        "{{.input}}": f"{place}/inputs.pb",
        "{{.outputPrefix}}": f"{place}/out",
        "{{.rawOutputDataPrefix}}": f"{place}/raw",
        "{{.checkpointOutputPrefix}}": f"{place}/checkpoint",
        "{{.prevCheckpointPrefix}}": "",
    }
    wanted: list[str] = task.get_command(SerializationSettings())
    command = [values.get(part, part) for part in wanted]
    return [sys.executable, "-m", "fledge.entrypoint", *command[command.index("fledge-execute") + 1 :]]


def _run_process(command: list[str], name: str) -> None:
    """Run in an empty folder, as a container's is: what is not in the bucket is not there."""
    with tempfile.TemporaryDirectory(prefix="flight-delays-") as folder:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    print(done.stdout, end="", flush=True)
    if done.returncode != 0:
        raise RuntimeError(f"{name}: its process ended with {done.returncode}:\n{done.stderr}")
