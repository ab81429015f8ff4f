"""Run a task as a container would, on this machine: a fresh process, from inputs.pb to outputs.pb or error.pb."""

from __future__ import annotations

import codecs
import contextlib
import faulthandler
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn, TextIO, cast

from fledge import idl
from fledge.context import FlyteContextManager
from fledge.decks import DECK_FILE
from fledge.entrypoint import INPUTS_FILE, OUTPUTS_FILE
from fledge.entrypoint import main as execute
from fledge.errors import DefinitionError, FledgeError, TaskTimeoutError
from fledge.printing import write_at_once
from fledge.settings import SerializationSettings
from fledge.storage import LiveStore, materialize

if TYPE_CHECKING:
    from fledge.container import PythonAutoContainerTask
    from fledge.idl import errors, literals

__all__ = ["ContainerRun", "ProcessEndedError", "run_like_container", "write_inputs"]

_LAST_WORDS_S = 5.0  # how long a process that is to be killed may take to show its stacks, and we to read them
_AFTER_SIGNAL = {
    **dict.fromkeys(
        ("SIGSEGV", "SIGBUS", "SIGABRT", "SIGFPE", "SIGILL"),
        ". Native code crashed; standard error shows which line of Python had called it",
    ),
    "SIGKILL": ". The system does that when memory runs out: work on less at a time",
}


class ProcessEndedError(FledgeError):
    """The process of a task was gone before the task had ended. Fields: `task_name`, `exit_code` (-n: signal n)."""

    origin = "USER"

    def __init__(self, task_name: str, exit_code: int, printed: str) -> None:
        super().__init__(f"task {task_name}: {_end(exit_code)}{_below(printed)}")
        self.task_name, self.exit_code = task_name, exit_code


def _end(exit_code: int) -> str:
    """How a process ended before its task, and what to do about it."""
    if exit_code >= 0:
        return (
            f"the process left with exit code {exit_code} before its task had ended. "
            "Let the task return or raise; os._exit ends it without a word"
        )
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:  # a real-time signal
        name = f"signal {-exit_code}"
    return f"the process was killed by {name} before its task had ended{_AFTER_SIGNAL.get(name, '')}"


def _below(printed: str) -> str:
    return f":\n{printed}" if printed else ""


@dataclass(frozen=True)
class ContainerRun:
    """What the process left behind: `outputs` or `error` or, for IgnoreOutputs, neither."""

    folder: Path
    exit_code: int
    stdout: str
    stderr: str
    outputs: literals.LiteralMap | None
    error: errors.ErrorDocument | None

    @property
    def is_worth_another_attempt(self) -> bool:
        """Did the task raise a recoverable error of the user's?"""
        if self.error is None:
            return False
        error, kinds = self.error.error, idl.errors.ContainerError.Kind
        is_users = error.origin == idl.execution.ExecutionError.ErrorKind.USER
        return is_users and error.kind == kinds.RECOVERABLE

    @property
    def deck(self) -> Path | None:
        path = self.folder / "out" / DECK_FILE
        return path if path.exists() else None


def write_inputs(task: PythonAutoContainerTask[Any], inputs: Mapping[str, Any], folder: Path) -> Path:
    """Python values, or ready promises, to an inputs.pb; tables and files are written below the same folder.

    Any: as the task declares.
    """
    ctx = FlyteContextManager.current_context()
    ctx.plugins.load()
    storage = ctx.storage.with_(raw_prefix=str(folder / "raw-in"), live=LiveStore())
    run = ctx.with_(storage=storage)
    literal_map = task.input_literals(run, task.python_interface.bind(task.name, (), dict(inputs)))
    path = folder / INPUTS_FILE
    storage.write(str(path), idl.deterministic_bytes(materialize(literal_map, storage)))
    return path


def run_like_container(
    task: PythonAutoContainerTask[Any],  # Any: of any config
    inputs: Mapping[str, Any] | Path,  # Any: as the task declares
    folder: Path,
    settings: SerializationSettings | None = None,
    env: Mapping[str, str] | None = None,
    timeout_s: float | None = None,
    raw_prefix: str | None = None,
    attempt: int = 0,
    *,
    echo: bool = False,
) -> ContainerRun:
    """Run the task's own command line with the platform's templates filled in.

    Args:
        task: Needs a container, which also means: a module variable holds it.
        inputs: Values by name, or a ready inputs.pb.
        folder: Receives inputs.pb, `out/` and `raw/`; what an earlier run left in `out/` is removed.
        settings: What the command line is made from; the defaults will do.
        env: Added to this process's environment, over the task's own.
        timeout_s: Longest run; the process and all it started are killed then.
        raw_prefix: Where files and tables of the outputs go; None: `raw/` in the folder.
        attempt: Counted from 0; each finds the checkpoint of the one before in the folder.
        echo: What it prints also goes to our own standard output and error, as soon as it prints it.

    Raises:
        TaskTimeoutError: It ran longer.
        ProcessEndedError: The process ended before the task had.
        DefinitionError: The task's container starts another command, as those of MPI jobs do.
        FledgeError: The command failed without outputs or error.
    """
    settings = settings or SerializationSettings()
    arguments = _arguments(task, settings)
    inputs_file = inputs if isinstance(inputs, Path) else write_inputs(task, inputs, folder)
    shutil.rmtree(folder / "out", ignore_errors=True)  # or its files would be taken for this run's
    checkpoint, previous = (folder / "checkpoint" / str(number) for number in (attempt, attempt - 1))
    values = {
        "{{.input}}": str(inputs_file),
        "{{.outputPrefix}}": str(folder / "out"),
        "{{.rawOutputDataPrefix}}": raw_prefix or str(folder / "raw"),
        "{{.checkpointOutputPrefix}}": str(checkpoint),
        "{{.prevCheckpointPrefix}}": str(previous) if previous.exists() else "",
    }
    ended = folder / "ended"
    folder.mkdir(parents=True, exist_ok=True)
    ended.unlink(missing_ok=True)
    command = [sys.executable, "-X", "faulthandler", "-m", "fledge.like_container", str(ended)]
    command += [values.get(arg, arg) for arg in arguments]
    python_path = os.pathsep.join(filter(None, [*sys.path, os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": python_path, **settings.env, **task.environment, **(env or {})}
    if echo:
        environment.setdefault("PYTHONUNBUFFERED", "1")
    environment["PYTHONIOENCODING"] = "utf-8"
    process = _finished(command, environment, timeout_s, task.name, (sys.stdout, sys.stderr) if echo else (None, None))
    outputs, error = _read(folder / "out")
    if outputs is None and error is None:
        printed = "" if echo else process.stderr
        if not ended.exists():
            raise ProcessEndedError(task.name, process.returncode, printed)
        if process.returncode != 0:
            raise FledgeError(
                f"task {task.name}: the command ended with exit code {process.returncode} and wrote nothing"
                f"{_below(printed)}"
            )
    return ContainerRun(folder, process.returncode, process.stdout, process.stderr, outputs, error)


def _arguments(task: PythonAutoContainerTask[Any], settings: SerializationSettings) -> list[str]:
    """What the task's command line gives to fledge-execute. Any: of any config."""
    command = task.get_command(settings)
    if "fledge-execute" not in command:
        raise DefinitionError(
            f"task {task.name}: its container starts {command[0]}, which needs the cluster around it; only tasks that "
            "fledge-execute runs can run here as in a container. Call it, or leave --like-container and --isolate out"
        )
    return command[command.index("fledge-execute") + 1 :]


def _finished(
    command: list[str],
    env: Mapping[str, str],
    timeout_s: float | None,
    task_name: str,
    echo: tuple[TextIO | None, TextIO | None],
) -> subprocess.CompletedProcess[str]:
    """Run to the end in a process group of its own; at the timeout, or when we are interrupted, the group is killed."""
    process = subprocess.Popen(command, env=env, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    pipes = zip((process.stdout, process.stderr), echo, strict=True)
    readers = [_Reader(cast("IO[bytes]", pipe), to) for pipe, to in pipes]
    try:
        _wait(process, readers, timeout_s)
    except BaseException as exc:
        if isinstance(exc, subprocess.TimeoutExpired):
            _show_stacks(process)
        _kill(process)
        process.wait()
        for reader in readers:
            reader.join(_LAST_WORDS_S)
        if isinstance(exc, subprocess.TimeoutExpired):
            raise TaskTimeoutError(task_name, timeout_s or 0) from None
        raise
    return subprocess.CompletedProcess(command, process.returncode, *(reader.text for reader in readers))


def _wait(process: subprocess.Popen[bytes], readers: Sequence[_Reader], timeout_s: float | None) -> None:
    """Until it has ended and all it printed is read. subprocess.TimeoutExpired: it, or what it started, takes more."""
    end = None if timeout_s is None else time.monotonic() + timeout_s
    for reader in readers:
        reader.join(None if end is None else max(end - time.monotonic(), 0))
        if reader.is_alive():
            raise subprocess.TimeoutExpired(process.args, timeout_s or 0)
    process.wait(None if end is None else max(end - time.monotonic(), 0))


class _Reader(threading.Thread):
    """Reads what a process prints, to the end; with `to`, whole characters are passed on as they come."""

    def __init__(self, pipe: IO[bytes], to: TextIO | None) -> None:
        super().__init__(daemon=True)
        self._pipe, self._to = pipe, to
        self._parts: list[str] = []
        self.start()

    @property
    def text(self) -> str:
        return "".join(self._parts)

    def run(self) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        with self._pipe:
            while data := os.read(self._pipe.fileno(), 1 << 16):
                self._take(decoder.decode(data))
        self._take(decoder.decode(b"", final=True))

    def _take(self, text: str) -> None:
        self._parts.append(text)
        if self._to is not None:
            try:
                write_at_once(self._to, text)
            except (OSError, ValueError):  # nobody reads it any more: the process goes on
                self._to = None


def _show_stacks(process: subprocess.Popen[bytes]) -> None:
    """On its standard error; the signal ends it then. A task with a handler of its own for it is not asked again."""
    if hasattr(signal, "SIGUSR2"):
        process.send_signal(signal.SIGUSR2)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_LAST_WORDS_S)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """With all it has started, where the platform has process groups."""
    with contextlib.suppress(ProcessLookupError):  # it ended by itself meanwhile
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def _read(out: Path) -> tuple[literals.LiteralMap | None, errors.ErrorDocument | None]:
    outputs = error = None
    if (out / OUTPUTS_FILE).exists():
        outputs = idl.literals.LiteralMap.FromString((out / OUTPUTS_FILE).read_bytes())
    for path in sorted(out.glob("error*.pb")) if out.is_dir() else ():
        error = idl.errors.ErrorDocument.FromString(path.read_bytes())
        break
    return outputs, error


def _contained(argv: Sequence[str]) -> NoReturn:
    """In the fresh process: the container's command. The file says that it came to its end, whatever that was.

    A task that ignores its outputs writes nothing and ends with 0, as does one that calls os._exit(0).
    """
    ended, *arguments = argv
    if hasattr(signal, "SIGUSR2"):
        faulthandler.register(signal.SIGUSR2, chain=True)  # see _show_stacks
    try:
        execute(arguments)
    finally:
        Path(ended).touch()


if __name__ == "__main__":
    _contained(sys.argv[1:])
