"""What a container leaves behind: each SDK's own command in a process of its own, and the files that it writes.

In: the cases below, as inputs.pb. Out: one recording per case, with files, exit code, error and outputs.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from fledge import idl
from tests.parity.recording import SPELLINGS, Recording

__all__ = ["CASES", "Case", "record_containers"]

HEADS = {
    "fledge": "from fledge import IgnoreOutputs, Interface, PythonTask, RecoverableError, kwtypes, task",
    "flytekit": """\
from flytekit import kwtypes, task
from flytekit.core.base_task import IgnoreOutputs, PythonTask
from flytekit.core.interface import Interface
from flytekit.exceptions.user import FlyteRecoverableException as RecoverableError
""",
}

PROGRAM = """
from dataclasses import dataclass


@dataclass
class Row:
    id: int
    name: str


@task
def add(a: int, b: int) -> int:
    return a + b


@task
def nothing(a: int) -> None:
    return None


@task
def several(a: int) -> tuple[list[Row], dict[str, float], str]:
    return [Row(a, "é")], {"x": a / 2}, "ok"


@task
def fails(a: int) -> int:
    if a:
        raise KeyError("k")
    return a


@task
def recoverable(a: int) -> int:
    if a:
        raise RecoverableError("again")
    return a


@task
def ignores(a: int) -> int:
    if a:
        raise IgnoreOutputs("not mine")
    return a


@task
def wrong_output(a: int) -> int:
    return "x"


class Step(PythonTask):
    def __init__(self, name, at):
        super().__init__("step", name, None, interface=Interface(kwtypes(a=int), kwtypes(o0=int)))
        self.at = at

    def pre_execute(self, user_params):
        if self.at == "pre":
            raise RuntimeError("before")
        return user_params

    def execute(self, **kwargs):
        return kwargs["a"]

    def post_execute(self, user_params, rval):
        if self.at == "post":
            raise RuntimeError("after")
        if self.at == "ignore":
            raise IgnoreOutputs("after")
        return rval + 1


ready = Step("ready", "")
fails_before = Step("fails_before", "pre")
fails_after = Step("fails_after", "post")
ignores_after = Step("ignores_after", "ignore")
"""


@dataclass(frozen=True)
class Case:
    """One run: a task of the program, its inputs (integers, or a text for the wrong variant) and the environment."""

    task: str
    inputs: Mapping[str, int | str] = field(default_factory=lambda: {"a": 1})
    env: Mapping[str, str] = field(default_factory=dict)
    module: str = "container_program"


WORKERS = {"FLYTE_INTERNAL_DIST_ERROR_STRATEGY": "Earliest", "FLYTE_INTERNAL_WORKER_NAME": "worker-3"}
CASES = {
    "success": Case("add", {"a": 1, "b": 2}),
    "no_outputs": Case("nothing"),
    "several_outputs": Case("several"),
    "task_class": Case("ready"),
    "user_error": Case("fails"),
    "user_error_exit_code": Case("fails", env={"FLYTE_FAIL_ON_ERROR": "true"}),
    "user_error_of_a_worker": Case("fails", env=WORKERS),
    "recoverable_error": Case("recoverable"),
    "ignored_outputs": Case("ignores"),
    "ignored_outputs_after": Case("ignores_after"),
    "missing_input": Case("add", {"a": 1}),
    "extra_input": Case("nothing", {"a": 1, "b": 2}),
    "wrong_variant": Case("nothing", {"a": "text"}),
    "wrong_output": Case("wrong_output"),
    "fails_before": Case("fails_before"),
    "fails_after": Case("fails_after"),
    "unknown_task": Case("ghost"),
    "unknown_module": Case("add", {"a": 1, "b": 2}, module="no_such_module"),
}


def record_containers(sdk_name: str) -> dict[str, Recording]:
    """Run every case under the SDK, two at a time."""
    with tempfile.TemporaryDirectory(prefix="parity-") as folder, ThreadPoolExecutor(2) as pool:
        Path(folder, "container_program.py").write_text(HEADS[sdk_name] + PROGRAM, encoding="utf-8")
        made = pool.map(lambda name: _run(sdk_name, CASES[name], Path(folder), name), CASES)
        return {f"container_runs.{name}": recording for name, recording in zip(CASES, made, strict=True)}


def _run(sdk_name: str, case: Case, folder: Path, name: str) -> Recording:
    place = folder / name
    out = place / "out"
    out.mkdir(parents=True)
    inputs = idl.literals.LiteralMap()
    for key, value in case.inputs.items():
        primitive = inputs.literals[key].scalar.primitive
        if isinstance(value, int):
            primitive.integer = value
        else:
            primitive.string_value = value
    (place / "inputs.pb").write_bytes(inputs.SerializeToString())
    theirs = {ours: spelling for spelling, ours in SPELLINGS.items()} if sdk_name == "flytekit" else {}
    command = [
        str(Path(sys.executable).with_name(theirs.get("fledge-execute", "fledge-execute"))),
        *("--inputs", str(place / "inputs.pb"), "--output-prefix", str(out)),
        *("--raw-output-data-prefix", str(place / "raw")),
        *("--checkpoint-path", str(place / "checkpoint"), "--prev-checkpoint", '""'),
        *("--resolver", theirs.get("fledge.resolver.default_task_resolver", "fledge.resolver.default_task_resolver")),
        *("--", "task-module", case.module, "task-name", case.task),
    ]
    env = {**os.environ, "FLYTE_SDK_LOGGING_LEVEL": "50", "PYTHONPATH": str(folder), **case.env}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, check=False)
    return _left_behind(out, done.returncode)


def _left_behind(out: Path, exit_code: int) -> Recording:
    recording = Recording(values={"exit": str(exit_code)})
    names = sorted(path.name for path in out.iterdir())
    recording.values["files"] = ", ".join(re.sub(r"-[0-9a-f]{32}", "-<uuid>", name) for name in names)
    for name in names:
        data = (out / name).read_bytes()
        if name == "outputs.pb":
            recording.messages["outputs.0"] = idl.deterministic_bytes(idl.literals.LiteralMap.FromString(data))
        elif name.startswith("error"):
            error = idl.errors.ErrorDocument.FromString(data).error
            recording.values["error.code"] = error.code
            recording.values["error.kind"] = idl.errors.ContainerError.Kind.Name(error.kind)
            recording.values["error.origin"] = idl.execution.ExecutionError.ErrorKind.Name(error.origin)
            recording.values["error.worker"] = error.worker
            recording.values["error.has_timestamp"] = str(error.timestamp.seconds > 0)
    return recording
