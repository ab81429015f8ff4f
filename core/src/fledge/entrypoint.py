"""The container's command: `fledge-execute` reads inputs.pb, runs the task and writes outputs.pb, error.pb or nothing.

Source of the contract: the files, arguments and environment variables that Flyte's backend (flytepropeller, copilot)
hands to and expects of a task container.
"""

from __future__ import annotations

import argparse
import faulthandler
import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, NoReturn

from fledge import idl
from fledge._version import __version__
from fledge.base_task import Task, TaskResolverMixin
from fledge.cancellation import Cancellation
from fledge.checkpoint import Checkpoint
from fledge.context import ExecutionParameters, ExecutionState, FlyteContext, FlyteContextManager, Scratch
from fledge.decks import DECK_FILE, page
from fledge.errors import FledgeError, NonRecoverableError, TaskLoadError, add_note, ignores_outputs, origin_of
from fledge.lazy import lazy
from fledge.local_config import LocalConfig, start_logging
from fledge.offload import load_offloaded, offload
from fledge.resolver import load_object
from fledge.signals import Interruptions
from fledge.storage import materialize

if TYPE_CHECKING:
    import gzip
    import subprocess
    import tarfile
    import tempfile
    import zlib

    from fledge import tracebacks
    from fledge.idl import errors, literals
else:  # a run that succeeds needs none of them
    gzip = lazy("gzip")
    subprocess = lazy("subprocess")
    tarfile = lazy("tarfile")
    tempfile = lazy("tempfile")
    zlib = lazy("zlib")
    tracebacks = lazy("fledge.tracebacks")

__all__ = ["ERROR_FILE", "FUTURES_FILE", "INPUTS_FILE", "OUTPUTS_FILE", "Invocation", "fast_main", "main", "run"]

_log = logging.getLogger("fledge.entrypoint")

INPUTS_FILE, OUTPUTS_FILE, FUTURES_FILE, ERROR_FILE = "inputs.pb", "outputs.pb", "futures.pb", "error.pb"


class Terminated(BaseException):
    """The platform sent SIGTERM: the container is being taken away. Another attempt may succeed.

    Like KeyboardInterrupt no Exception, so that `except Exception` in the task does not swallow it.
    """

    def __init__(self) -> None:
        super().__init__("the container was told to stop (SIGTERM)")

    @classmethod
    def after(cls, error: BaseException | None) -> Terminated:
        """The error itself if it is one; else one with the error as its cause."""
        if isinstance(error, Terminated):
            return error
        made = cls()
        made.__cause__ = error
        return made


class UnknownOutputError(FledgeError):
    """A task's dispatch_execute gave something that no file of the contract can hold."""

    code = "UNKNOWN_OUTPUT"
    recoverable = True


@dataclass(frozen=True)
class Invocation:
    """One run, as the command line describes it."""

    inputs: str
    output_prefix: str
    resolver: str
    loader_args: Sequence[str]
    raw_output_data_prefix: str | None = None
    checkpoint_path: str | None = None
    prev_checkpoint: str | None = None


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """`fledge-execute --inputs URI --output-prefix URI ... --resolver LOCATION -- LOADER ARGS`.

    Exits with 0 also after an error, which error.pb tells; with 1 when FLYTE_FAIL_ON_ERROR is true or the strategy for
    errors of several workers is set, and when not even error.pb could be written.
    """
    invocation, is_test = _parse(sys.argv[1:] if argv is None else argv)
    if is_test:
        sys.exit(0)
    start_logging()
    if hasattr(signal, "SIGUSR1"):
        faulthandler.register(signal.SIGUSR1)  # prints the stacks of a run that seems to hang
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        failed = run(invocation)
    except FledgeError as exc:
        print(f"neither outputs nor error could be written: {exc}", file=sys.stderr)  # noqa: T201 - a command line
        sys.exit(1)
    sys.exit(1 if failed and _fails_on_error(os.environ) else 0)


def run(invocation: Invocation) -> bool:
    """Run one task from inputs.pb to its files. Returns True when an error file was written.

    Raises:
        StorageError: Not even the error file could be written.
    """
    base = FlyteContextManager.current_context()
    if (mismatch := _version_mismatch()) is not None:
        _log.warning("%s", mismatch)
    scratch = Scratch()
    params = ExecutionParameters(
        scratch,
        execution_id=_identity(os.environ),
        task_id=_first(os.environ, "FLYTE_INTERNAL_TASK_NAME", "_F_TK_NM") or "local",
        raw_output_prefix=invocation.raw_output_data_prefix,
        output_metadata_prefix=invocation.output_prefix,
        checkpoint=_checkpoint(invocation, base, scratch),
        local=False,
    )
    storage = base.storage.with_(raw_prefix=invocation.raw_output_data_prefix, keep_local=False, scratch=scratch.made)
    state = ExecutionState(ExecutionState.Mode.TASK_EXECUTION, params)
    ctx = base.with_(storage=storage, execution_state=state, cancellation=Cancellation())
    stopping = {signal.SIGTERM: Terminated}
    try:
        with FlyteContextManager.with_context(ctx), Interruptions(ctx.cancellation, stopping, once=True) as signals:
            return _run_and_report(ctx, invocation, signals)
    finally:
        scratch.remove()


def _version_mismatch() -> str | None:
    serialized_with = LocalConfig.from_env().serialized_with
    if serialized_with in (None, __version__):
        return None
    return (
        f"the task was serialized with fledge {serialized_with} and runs with fledge {__version__}: "
        "give the image the version that it was serialized with"
    )


def _checkpoint(invocation: Invocation, base: FlyteContext, scratch: Scratch) -> Checkpoint | None:
    if invocation.checkpoint_path is None:
        return None
    return Checkpoint(invocation.checkpoint_path, invocation.prev_checkpoint, base.storage, lambda: scratch.path)


def _run_and_report(ctx: FlyteContext, invocation: Invocation, signals: Interruptions) -> bool:
    files: dict[str, bytes] | None = None
    task: Task | None = None
    error: BaseException | None = None
    try:
        try:
            ctx.plugins.load()
            inputs = _read_inputs(ctx, invocation.inputs)
            task = _load_task(invocation)
            files = _output_files(ctx, invocation, task, inputs)
        except BaseException as exc:  # noqa: BLE001 - whatever ended the task goes into error.pb
            error = exc
        signals.disarm()
    except BaseException as exc:  # noqa: BLE001 - a signal, just now; it raises once
        error = exc
    if signals.are_told and files is None:  # whatever came of the interruption, it is not the task's own doing
        error = Terminated.after(error)
    if error is None and files is None:
        _log.info("the task ignores its outputs: nothing is written")
        return False
    if getattr(task, "enable_deck", False):
        _write_deck(ctx, invocation.output_prefix)
    if files is not None:
        try:
            _write(ctx, invocation.output_prefix, files)
        except Exception as exc:  # noqa: BLE001 - a storage of any plugin
            error = exc
        else:
            return False
    assert error is not None
    if (mismatch := _version_mismatch()) is not None:
        add_note(error, mismatch)
    sys.stderr.write(tracebacks.format_error(error))
    name = f"error-{os.urandom(16).hex()}.pb" if _has_many_workers(os.environ) else ERROR_FILE
    _write(ctx, invocation.output_prefix, {name: idl.deterministic_bytes(error_document(error, os.environ))})
    return True


def _output_files(
    ctx: FlyteContext, invocation: Invocation, task: Task, inputs: literals.LiteralMap
) -> dict[str, bytes] | None:
    """Run the task. Returns the files to write, or None when the task ignores its outputs.

    outputs.pb is last: its presence says that the others are there.
    """
    try:
        outputs: object = task.dispatch_execute(ctx, inputs)
    except Exception as exc:
        if ignores_outputs(exc):
            return None
        raise
    if isinstance(outputs, idl.literals.LiteralMap):
        kept, files = offload(
            task.name, materialize(outputs, ctx.storage), task.interface, invocation.output_prefix, os.environ
        )
        return {**files, OUTPUTS_FILE: idl.deterministic_bytes(kept)}
    if isinstance(outputs, idl.dynamic_job.DynamicJobSpec):
        return {FUTURES_FILE: idl.deterministic_bytes(outputs)}
    raise UnknownOutputError(f"task {task.name}: dispatch_execute gave a {type(outputs).__name__}, not a LiteralMap")


def _read_inputs(ctx: FlyteContext, uri: str) -> literals.LiteralMap:
    data = ctx.storage.read(uri)
    try:
        inputs = idl.literals.LiteralMap.FromString(data)
    except Exception as exc:  # protobuf's DecodeError, which cannot be named without loading it
        raise FledgeError(f"{uri}: {len(data)} bytes that are not a LiteralMap: {exc}") from exc
    load_offloaded(inputs, ctx.storage)
    return inputs


def _load_task(invocation: Invocation) -> Task:
    module, _, attribute = invocation.resolver.rpartition(".")
    resolver = load_object(module, attribute)
    if not isinstance(resolver, TaskResolverMixin):
        raise TaskLoadError(
            f"{invocation.resolver} is a {type(resolver).__name__}, not a task resolver", invocation.loader_args
        )
    try:
        return resolver.load_task(list(invocation.loader_args))
    except FledgeError:
        raise
    except Exception as exc:
        raise TaskLoadError(
            f"resolver {invocation.resolver} failed to load {list(invocation.loader_args)}: {tracebacks.summary(exc)}",
            invocation.loader_args,
        ) from exc


def error_document(error: BaseException, env: Mapping[str, str]) -> errors.ErrorDocument:
    """flyteidl.core.ErrorDocument: code, kind, origin, the user's traceback, time stamp and worker of an exception."""
    document = idl.errors.ErrorDocument()
    container = document.error
    origin = origin_of(error)
    recoverable = bool(error.recoverable) if isinstance(error, FledgeError) else origin == "SYSTEM"
    kinds = idl.errors.ContainerError.Kind
    container.kind = kinds.RECOVERABLE if recoverable else kinds.NON_RECOVERABLE
    origins = idl.execution.ExecutionError.ErrorKind
    container.origin = origins.USER if origin == "USER" else origins.SYSTEM
    container.code = (
        str(error.code) if isinstance(error, FledgeError) else "USER:RuntimeError" if origin == "USER" else "SYSTEM"
    )
    message = f"{tracebacks.format_error(error)}\n{tracebacks.summary(error)}"
    # A path may hold bytes that are no text; protobuf's strings may not.
    container.message = message.encode(errors="backslashreplace").decode()
    moment = getattr(error, "timestamp", None)
    container.timestamp.FromDatetime(moment if isinstance(moment, datetime) else datetime.now(timezone.utc))
    container.worker = _first(env, "FLYTE_INTERNAL_WORKER_NAME", "_F_WN") or ""
    return document


def _write_deck(ctx: FlyteContext, prefix: str) -> None:
    """The report of this run, as far as it got. It is never the reason for a run to fail."""
    params = ctx.user_space_params
    if params is None or not params.decks:
        return
    try:
        _write(ctx, prefix, {DECK_FILE: page(params.decks, params.task_id).encode()})
    except Exception:  # noqa: BLE001 - see above
        _log.exception("the deck could not be written")


def _write(ctx: FlyteContext, prefix: str, files: Mapping[str, bytes]) -> None:
    for name, data in files.items():
        ctx.storage.write(f"{prefix.rstrip('/')}/{name}", data)


# -- command line and environment --------------------------------------------------------------------------------------


def _parse(argv: Sequence[str]) -> tuple[Invocation, bool]:
    parser = argparse.ArgumentParser(prog="fledge-execute", description="Run one task inside its container.")
    parser.add_argument("--inputs", required=True, help="URI of inputs.pb")
    parser.add_argument("--output-prefix", required=True, help="URI of the folder for outputs.pb or error.pb")
    parser.add_argument("--raw-output-data-prefix", help="URI of the folder for files and frames")
    parser.add_argument("--checkpoint-path", help="URI where this attempt writes checkpoints")
    parser.add_argument("--prev-checkpoint", help="URI of the previous attempt's checkpoint")
    parser.add_argument("--resolver", required=True, help="importable location of the task resolver")
    parser.add_argument("--test", action="store_true", help="parse the arguments and do nothing")
    parser.add_argument("--dynamic-addl-distro", help="URI of the code distribution; set by fledge-fast-execute")
    parser.add_argument("--dynamic-dest-dir", help="where the code was unpacked; set by fledge-fast-execute")
    parser.add_argument("loader_args", nargs="+", help="what the resolver finds the task by")
    given = parser.parse_args(argv)
    invocation = Invocation(
        given.inputs,
        given.output_prefix,
        given.resolver,
        given.loader_args,
        _supplied(given.raw_output_data_prefix),
        _supplied(given.checkpoint_path),
        _supplied(given.prev_checkpoint),
    )
    return invocation, given.test


def _supplied(value: str | None) -> str | None:
    """A template the platform did not fill in, `""` (in quotes) and the empty string mean: not given."""
    return None if not value or value == '""' or value.startswith("{{") else value


def _first(env: Mapping[str, str], *names: str) -> str | None:
    return next((env[name] for name in names if env.get(name)), None)


def _identity(env: Mapping[str, str]) -> str:
    parts = (
        _first(env, "FLYTE_INTERNAL_EXECUTION_PROJECT", "_F_PRJ"),
        _first(env, "FLYTE_INTERNAL_EXECUTION_DOMAIN", "_F_DM"),
        _first(env, "FLYTE_INTERNAL_EXECUTION_ID", "_F_NM"),
    )
    return ":".join(part or "local" for part in parts)


def _has_many_workers(env: Mapping[str, str]) -> bool:
    return _first(env, "FLYTE_INTERNAL_DIST_ERROR_STRATEGY", "_F_DES") is not None


def _fails_on_error(env: Mapping[str, str]) -> bool:
    return _has_many_workers(env) or env.get("FLYTE_FAIL_ON_ERROR", "").lower() in ("true", "t", "1")


# -- fast registration -------------------------------------------------------------------------------------------------


def fast_main(argv: Sequence[str] | None = None) -> NoReturn:
    """`fledge-fast-execute --additional-distribution URI --dest-dir DIR -- COMMAND`: unpack the code, then run COMMAND.

    SIGTERM is passed on; the exit code is the command's, or 1 when there is no code to run.
    """
    parser = argparse.ArgumentParser(prog="fledge-fast-execute", description="Fetch the code, then run a task.")
    parser.add_argument("--additional-distribution", required=True)
    parser.add_argument("--dest-dir", required=True)
    parser.add_argument("command", nargs="+")
    given = parser.parse_args(sys.argv[1:] if argv is None else argv)
    folder = os.path.realpath(given.dest_dir)
    try:
        _unpack(given.additional_distribution, folder)
    except FledgeError as exc:
        print(f"fledge-fast-execute: {exc}", file=sys.stderr)  # noqa: T201 - a command line
        sys.exit(1)
    command = list(given.command)
    if "--resolver" in command:
        at = command.index("--resolver")
        command[at:at] = ["--dynamic-addl-distro", given.additional_distribution, "--dynamic-dest-dir", folder]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")]))}
    code = _run_command(command, env)
    sys.exit(code if code >= 0 else 128 - code)  # as a shell says it: 137 for SIGKILL


def _run_command(command: list[str], env: dict[str, str]) -> int:
    """Its exit code. A SIGTERM that comes while it is being started is passed on as soon as it can be."""
    process: subprocess.Popen[bytes] | None = None
    waiting: list[int] = []

    def pass_on(number: int, _: object) -> None:
        if process is None:
            waiting.append(number)
        else:
            process.send_signal(number)

    signal.signal(signal.SIGTERM, pass_on)
    process = subprocess.Popen(command, env=env)
    for number in waiting:
        process.send_signal(number)
    return process.wait()


def _unpack(uri: str, folder: str) -> None:
    storage = FlyteContextManager.current_context().storage
    with tempfile.TemporaryDirectory(prefix="fledge-") as temporary:
        path = os.path.join(temporary, "code.tar.gz")
        storage.get(uri, path)
        try:
            with tarfile.open(path) as archive:
                # the "data" filter refuses members that would land outside; older patch releases of 3.10 lack it
                options: Any = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # Any: as extractall takes
                archive.extractall(folder, **options)  # noqa: S202 - filtered above
                while archive.fileobj is not None and archive.fileobj.read(1 << 16):
                    pass  # the checksum stands at the end
        except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error) as exc:
            raise NonRecoverableError(f"{uri} is not a whole tar archive of code: {exc}") from exc


if __name__ == "__main__":
    main()
