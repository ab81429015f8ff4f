"""`fledge run MODULE_OR_FILE:TASK --input value ...`: run a task here, or in a fresh process as a container would."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fledge import idl
from fledge.cli.options import input_options
from fledge.cli.targets import load_target
from fledge.container import PythonAutoContainerTask
from fledge.context import FlyteContextManager
from fledge.like_container import run_like_container

if TYPE_CHECKING:
    from fledge.base_task import PythonTask

__all__ = ["run_command"]


@click.command(
    "run",
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []},
    add_help_option=False,
)
@click.argument("target", required=False, metavar="MODULE_OR_FILE:TASK")
@click.pass_context
def run_command(ctx: click.Context, target: str | None) -> None:
    """Run a task on this machine: fledge run hello.py:add --a 1 --b 2.

    `fledge run TARGET --help` lists the task's inputs. `--like-container` runs it in a fresh process, from inputs.pb to
    outputs.pb, as the cluster does.
    """
    if target is None or target in ("-h", "--help"):
        click.echo(_usage())
        return
    task = load_target(target)
    context = FlyteContextManager.current_context()
    context.plugins.load()
    command = click.Command(
        task.name,
        params=[
            *input_options(task, context),
            click.Option(
                ["--like-container", "like_container"],
                is_flag=True,
                help="Run in a fresh process, from inputs.pb to outputs.pb.",
            ),
        ],
        callback=lambda like_container, **inputs: _run(task, inputs, like_container=like_container),
        help=task.python_interface.docstring.short_description if task.python_interface.docstring else None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    command.main(args=ctx.args, prog_name=f"fledge run {target}", standalone_mode=False)


def _usage() -> str:
    return (
        "Usage: fledge run MODULE_OR_FILE:TASK [--like-container] [--INPUT VALUE]...\n\n"
        "  Run a task on this machine, e.g. fledge run hello.py:add --a 1 --b 2\n\n"
        "  fledge run TARGET --help lists the task's inputs."
    )


def _run(task: PythonTask[Any], inputs: dict[str, Any], *, like_container: bool) -> None:  # Any: as the task declares
    defaults = task.python_interface.defaults
    given = {name: value for name, value in inputs.items() if value is not None or name not in defaults}
    values = _in_container(task, given) if like_container else _outputs(task, task(**given))
    for name, value in values.items():
        click.echo(f"{name}: {value!r}" if not isinstance(value, str) else f"{name}: {value}")


def _outputs(task: PythonTask[Any], result: Any) -> dict[str, Any]:  # Any: as the task declares
    names = list(task.python_interface.outputs)
    if not names:
        return {}
    is_packed = len(names) > 1 or task.python_interface.output_tuple_name is not None
    return dict(zip(names, result if is_packed else (result,), strict=True))


def _in_container(task: PythonTask[Any], inputs: dict[str, Any]) -> dict[str, Any]:  # Any: as the task declares
    if not isinstance(task, PythonAutoContainerTask):
        raise click.UsageError(f"{task.name} is a {type(task).__name__}, which no container runs")
    folder = Path(tempfile.mkdtemp(prefix="fledge-container-"))
    done = run_like_container(task, inputs, folder)
    click.echo(done.stdout, nl=False)
    click.echo(f"files: {folder}", err=True)
    if done.error is not None:
        click.echo(done.stderr, nl=False, err=True)
        error = done.error.error
        click.echo(f"error.pb: {error.code}", err=True)
        sys.exit(1 if error.origin == idl.execution.ExecutionError.ErrorKind.USER else 3)
    if done.outputs is None:
        click.echo("the task ignored its outputs: nothing was written", err=True)
        return {}
    context = FlyteContextManager.current_context()
    converters = task.python_interface.compile(context.registry).outputs
    return {
        name: converter.to_python(done.outputs.literals[name], context.storage, f"outputs.{name}")
        for name, converter in converters.items()
    }
