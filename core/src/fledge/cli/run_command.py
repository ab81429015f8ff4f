"""`fledge run MODULE_OR_FILE:TASK --input value ...`: run a task or workflow here, or as a container would."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from fledge import idl
from fledge.attempts import NOT_RETRIED
from fledge.base_task import PythonTask
from fledge.cli.options import TOOL_OPTIONS, TargetCommand, given_inputs, input_options, json_inputs, output_json
from fledge.cli.targets import TargetType, load_target
from fledge.container import PythonAutoContainerTask
from fledge.context import FlyteContext, FlyteContextManager
from fledge.decks import DECK_FILE, page_uri
from fledge.errors import FledgeError, ignores_outputs, origin_of
from fledge.lazy import lazy
from fledge.progress_display import Style, progress_shown
from fledge.promise import Promise
from fledge.storage import LiveStore, materialize
from fledge.tracebacks import summary

if TYPE_CHECKING:
    import pdb  # noqa: T100 - the debugger is the purpose of --pdb
    import shutil
    import tempfile

    from click.shell_completion import CompletionItem

    from fledge import like_container as containers
    from fledge.cli import completion, own_output
    from fledge.cli.targets import Target
    from fledge.idl import errors
    from fledge.like_container import ContainerRun
else:
    completion = lazy("fledge.cli.completion")
    own_output = lazy("fledge.cli.own_output")
    pdb = lazy("pdb")
    shutil = lazy("shutil")
    tempfile = lazy("tempfile")
    containers = lazy("fledge.like_container")

__all__ = ["run_command"]

_OF_NO_ERROR_OF_OURS = "USER:RuntimeError"  # in an error document: the task raised what is no FledgeError
_OF_PROCESSES = ("like_container", "isolate")


@dataclass(frozen=True)
class RunOptions:
    """What belongs to the command and not to the task."""

    like_container: bool = False
    isolate: bool = False
    use_pdb: bool = False
    as_json: bool = False
    inputs_file: str | None = None
    output_file: str | None = None
    progress: Style = "auto"

    @property
    def prints_json(self) -> bool:
        return self.as_json or self.output_file == "-"


class _RunCommand(click.Command):
    """Completes the options of the target behind it."""

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        found = super().shell_complete(ctx, incomplete)
        target = ctx.params.get("target")
        return [*completion.complete_options(target, ctx.args, incomplete), *found] if target else found


@click.command(
    "run",
    cls=_RunCommand,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "allow_interspersed_args": False},
)
@click.argument("target", metavar="MODULE_OR_FILE:TASK", type=TargetType())
@click.pass_context
def run_command(ctx: click.Context, /, target: str, **options: Any) -> None:  # Any: a type per option
    """Run a task or workflow on this machine.

    \b
      fledge run hello.py:add --a 1 --b 2
      fledge run hello.py:add --help            the inputs of this task
      fledge run --like-container hello.py:add --a 1

    Options of this command stand before the target; behind it they work too, unless an input has the same name.
    """  # noqa: D301 - click reads the character itself: the lines stay apart
    with _printed_to_stderr(when=_may_ask_for_json(options, ctx.args)):
        found = load_target(target)
        context = FlyteContextManager.current_context()
        context.plugins.load()
    before = {name: value for name, value in options.items() if value}
    from_file = "inputs_file" in before or any(one.partition("=")[0] == "--inputs" for one in ctx.args)
    own = input_options(found, context, all_required=not from_file)
    taken = {name for option in own for name in option.opts}
    inputs = found.python_interface.inputs
    extra = [option for option in TOOL_OPTIONS() if not taken & set(option.opts) and option.name not in inputs]
    names = {option.name for option in extra}
    for option in extra:
        option.hidden = option.name in _OF_PROCESSES and not isinstance(found, PythonAutoContainerTask)

    def run(**values: Any) -> None:  # Any: a type per option
        tool = {**{name: value for name, value in values.items() if name in names and value}, **before}
        _run(found, given_inputs({name: values[name] for name in inputs}), RunOptions(**tool))

    docstring = found.python_interface.docstring
    command = TargetCommand(
        found.name,
        params=[*own, *extra],
        callback=run,
        help=docstring.short_description if docstring else None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    command.main(args=ctx.args, prog_name=f"fledge run {target}", standalone_mode=False)


run_command.params.extend(TOOL_OPTIONS())


def _may_ask_for_json(options: dict[str, Any], words: Sequence[str]) -> bool:  # Any: a type per option
    """Before the target's inputs are known: a word of theirs may look like an option of the command."""
    behind = not {"--json", "-", "--output=-"}.isdisjoint(words)
    return behind or options["as_json"] or options["output_file"] == "-"


def _printed_to_stderr(*, when: bool) -> AbstractContextManager[None]:
    """Standard output is for the result then: what others print goes to standard error."""
    return own_output.printed_to_stderr() if when else nullcontext()


def _run(target: Target, inputs: dict[str, Any], options: RunOptions) -> None:  # Any: as the task declares
    _check(options)
    context = FlyteContextManager.current_context()
    given = inputs
    if options.inputs_file is not None:
        given = {**_read_inputs(target, options.inputs_file, context), **inputs}
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    lasting = context.with_(storage=context.storage.with_(raw_prefix=os.path.join(os.getcwd(), "runs", stamp)))
    earlier = _pages_of(lasting)
    with FlyteContextManager.with_context(lasting):
        try:
            with _printed_to_stderr(when=options.prints_json):
                if options.like_container or options.isolate:
                    values = _in_fresh_process(target, given, options)
                else:
                    values = _here(target, given, options)
                shown = _written(target, values, options)
        except _ProcessFailed as exc:
            if options.as_json:
                click.echo(exc.told)
            raise
        except Exception as exc:
            if options.as_json and not ignores_outputs(exc):
                click.echo(_error_json(exc))
            raise
        finally:
            _tell_pages(_pages_of(lasting) - earlier)
        for line in shown:
            click.echo(line)


class _ProcessFailed(SystemExit):
    """The process of the task has shown its error; `told` is the JSON about it."""

    def __init__(self, code: int, told: str) -> None:
        super().__init__(code)
        self.told = told


def _pages_of(context: FlyteContext) -> set[Path]:
    """The pages in the folder of this run; another one of the same second may have left some there."""
    return set(Path(context.storage.raw_prefix).glob(f"*/*/{DECK_FILE}"))


def _check(options: RunOptions) -> None:
    """Refuse what would be left aside in silence."""
    processes = [f"--{name.replace('_', '-')}" for name in _OF_PROCESSES if getattr(options, name)]
    if len(processes) > 1:
        raise click.UsageError(f"{' and '.join(processes)}: choose one of them")
    if processes and options.use_pdb:
        raise click.UsageError(f"--pdb and {processes[0]}: the debugger cannot reach into another process")
    file = options.output_file
    if file is not None and file != "-" and not file.endswith((".json", ".pb")):
        raise click.UsageError(f"--output {file}: its name must end in .json or .pb; - prints JSON")


def _tell_pages(pages: Iterable[Path]) -> None:
    """Say where the pages about the run are, of a failed one too."""
    here = Path.cwd()
    for page in sorted(pages):
        click.echo(f"page: {page.relative_to(here) if page.is_relative_to(here) else page}", err=True)


def _error_json(error: Exception) -> str:
    told = {
        "type": type(error).__name__,
        "message": summary(error).removeprefix(f"{type(error).__name__}: "),
        "origin": origin_of(error),
        "recoverable": isinstance(error, FledgeError) and error.recoverable,
        "notes": list(getattr(error, "__notes__", ())),
    }
    return json.dumps({"error": told}, indent=2, ensure_ascii=False)


def _here(target: Target, inputs: dict[str, Any], options: RunOptions) -> dict[str, Any]:  # Any: as the task declares
    try:
        with progress_shown(options.progress):
            result = target(**inputs)
    except Exception as exc:
        if options.use_pdb:
            pdb.post_mortem(exc.__traceback__)
        raise
    names = list(target.python_interface.outputs)
    is_packed = len(names) > 1 or target.python_interface.output_tuple_name is not None
    return dict(zip(names, result if is_packed else (result,), strict=True)) if names else {}


def _in_fresh_process(target: Target, inputs: dict[str, Any], options: RunOptions) -> dict[str, Any]:
    """Any: as the task declares."""
    keep = options.like_container
    if not isinstance(target, PythonAutoContainerTask):
        option = "--like-container" if keep else "--isolate"
        is_flow = not isinstance(target, PythonTask)
        kind, other = ("workflow", ", or run one of its tasks") if is_flow else (type(target).__name__, "")
        raise click.UsageError(f"{target.name} is a {kind}, which no container runs. Leave {option} out{other}")
    folder = Path(tempfile.mkdtemp(prefix="fledge-container-"))
    try:
        # What outlives the folder goes where a plain run would leave it.
        storage = FlyteContextManager.current_context().storage
        lasting = None if keep else storage.raw_prefix
        try:
            done = _last_attempt(target, inputs, folder, lasting, 1 if keep else target.metadata.retries + 1)
        finally:
            if keep:
                click.echo(f"files: {folder}", err=True)
        if keep:
            _tell_pages([done.deck] if done.deck is not None else [])
        elif done.deck is not None:
            storage.write(page_uri(target.name, storage), done.deck.read_bytes())
        if done.error is not None:
            if not keep and target.metadata.retries and done.error.error.code == _OF_NO_ERROR_OF_OURS:
                click.echo(NOT_RETRIED, err=True)
            _end_with(done.error.error, folder, options)
        if done.outputs is None:
            click.echo("the task ignored its outputs: nothing was written", err=True)
            return {}
        return _read_outputs(target, done.outputs)
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def _end_with(error: errors.ContainerError, folder: Path, options: RunOptions) -> NoReturn:
    """The process has shown its error; say what a cluster would be told."""
    origin = idl.execution.ExecutionError.ErrorKind.Name(error.origin)
    is_recoverable = error.kind == idl.errors.ContainerError.Kind.RECOVERABLE
    if options.like_container:
        again = "recoverable" if is_recoverable else "not recoverable"
        click.echo(f"error.pb in {folder / 'out'}: origin {origin}, code {error.code}, {again}", err=True)
    told = {"type": error.code, "message": error.message, "origin": origin, "recoverable": is_recoverable}
    raise _ProcessFailed(1 if origin == "USER" else 3, json.dumps({"error": told}, indent=2, ensure_ascii=False))


def _last_attempt(
    target: PythonAutoContainerTask[Any],  # Any: of any config
    inputs: dict[str, Any],  # Any: as the task declares
    folder: Path,
    raw_prefix: str | None,
    attempts: int,
) -> ContainerRun:
    """Run in fresh processes until another attempt is not worth it; what each of them prints is seen at once."""
    attempt = 0
    while True:
        done = containers.run_like_container(
            *(target, inputs, folder),
            timeout_s=target.metadata.timeout_s,
            raw_prefix=raw_prefix,
            attempt=attempt,
            echo=True,
        )
        attempt += 1
        if attempt == attempts or not done.is_worth_another_attempt:
            return done


def _read_outputs(target: Target, outputs: Any) -> dict[str, Any]:  # Any: a LiteralMap; as the task declares
    context = FlyteContextManager.current_context()
    converters = target.python_interface.compile(context.registry).outputs
    return {
        name: converter.to_python(outputs.literals[name], context.storage, f"outputs.{name}")
        for name, converter in converters.items()
    }


def _read_inputs(target: Target, path: str, context: FlyteContext) -> dict[str, Any]:  # Any: as the task declares
    if "://" not in path and not os.path.isfile(path):
        raise click.UsageError(f"--inputs {path}: no such file")
    data = context.storage.read(path)
    if not path.endswith(".pb"):
        return json_inputs(target, data, context, path)
    try:
        literal_map = idl.literals.LiteralMap.FromString(data)
    except Exception as exc:  # protobuf's DecodeError, which cannot be named without loading it
        raise click.UsageError(f"{path}: {len(data)} bytes that are no inputs.pb (a LiteralMap): {exc}") from exc
    return {name: Promise(name, literal) for name, literal in literal_map.literals.items()}


def _written(target: Target, values: dict[str, Any], options: RunOptions) -> list[str]:  # Any: as the task declares
    """Write the file of the outputs, if one is asked for. Returns what is left to print."""
    context = FlyteContextManager.current_context()
    file = options.output_file
    if file is not None and file.endswith(".pb"):
        context.storage.write(file, _outputs_bytes(target, values, context))
    elif file is not None and file != "-":
        context.storage.write(file, output_json(target, values, context).encode())
    if options.prints_json:
        return [output_json(target, values, context)]
    return [f"{name}: {value}" if isinstance(value, str) else f"{name}: {value!r}" for name, value in values.items()]


def _outputs_bytes(target: Target, values: dict[str, Any], context: FlyteContext) -> bytes:
    """Any: as the task declares."""
    storage = context.storage.with_(live=LiveStore())
    converters = target.python_interface.compile(context.registry).outputs
    literal_map = idl.literals.LiteralMap()
    for name, value in values.items():
        literal_map.literals[name].CopyFrom(converters[name].to_literal(value, storage, f"outputs.{name}"))
    return idl.deterministic_bytes(materialize(literal_map, storage))
