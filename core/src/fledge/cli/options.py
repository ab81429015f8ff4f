"""A task's inputs as command line options: one option per input, its text turned into the declared type."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from fledge.cli.values import bare_type, from_json, from_text, shown_default, shown_type
from fledge.docstrings import Docstring
from fledge.errors import FledgeError, nearest
from fledge.progress_display import STYLES

if TYPE_CHECKING:
    from fledge.cli.targets import Target
    from fledge.context import FlyteContext

__all__ = ["TOOL_OPTIONS", "TargetCommand", "given_inputs", "input_options", "json_inputs", "output_json"]

_FLAG = "[BOOL]"
_SWITCH: dict[str, Any] = {"is_flag": False, "flag_value": "true"}  # Any: keywords of click: the value may be left out


def TOOL_OPTIONS() -> list[click.Option]:  # noqa: N802 - a table that click wants new each time
    """The options of `fledge run` itself."""
    return [
        click.Option(
            ["--like-container", "like_container"],
            is_flag=True,
            help="Run in a fresh process, from inputs.pb to outputs.pb, as the cluster does; keep the files.",
        ),
        click.Option(["--isolate"], is_flag=True, help="Run in a fresh process, killed at the task's timeout."),
        click.Option(
            ["--inputs", "inputs_file"], metavar="FILE", type=click.Path(), help="Inputs from a .json or .pb file."
        ),
        click.Option(
            ["--output", "output_file"],
            metavar="FILE",
            type=click.Path(),
            help="Write the outputs to a .json or .pb file; - prints JSON.",
        ),
        click.Option(["--json", "as_json"], is_flag=True, help="Print the outputs as JSON."),
        click.Option(["--pdb", "use_pdb"], is_flag=True, help="Open the debugger where the task failed."),
        click.Option(
            ["--progress"],
            type=click.Choice(STYLES),
            help="How far long work is, on standard error: bars, plain lines or nothing. Default: auto, which is bars "
            "on a terminal with rich.",
        ),
    ]


class TargetCommand(click.Command):
    """What stands behind the target: its inputs by name. `--no-flag` is `--flag false`; a stray word is explained."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        known = {name for option in self.params for name in option.opts}
        switches = [name for option in self.params if option.metavar == _FLAG for name in option.opts]
        off = {f"--no-{name[2:]}": f"{name}=false" for name in switches}
        words = [off.get(word, word) if word not in known else word for word in args]
        try:
            return super().parse_args(ctx, list(words))
        except click.BadOptionUsage as exc:
            if exc.option_name == "--help" and "--help" in known:
                raise click.UsageError("--help is an input of this task; -h shows the help", ctx) from exc
            raise
        except click.UsageError as exc:
            if isinstance(exc, click.NoSuchOption):
                raise
            stray = self.make_parser(ctx).parse_args(list(words))[1]
            if not stray:
                raise
            parameter = exc.param if isinstance(exc, click.MissingParameter) else None
            name = parameter.opts[0] if parameter is not None else "--NAME"
            raise click.UsageError(
                f"unexpected argument {stray[0]!r}: inputs are given by name, as {name} {stray[0]}", ctx
            ) from exc


def input_options(task: Target, ctx: FlyteContext, *, all_required: bool = True) -> list[click.Option]:
    """One `--name` per input, with its type, default and docstring; required when there is no default."""
    interface = task.python_interface
    texts = (interface.docstring or Docstring()).inputs
    options = []
    for name, python_type in interface.inputs.items():
        names = [f"--{name}"] + ([f"--{name.replace('_', '-')}"] if "_" in name else [])
        has_default = name in interface.defaults
        shown = f"[{shown_type(python_type)}]" + (
            f" default: {shown_default(interface.defaults[name])}" if has_default else ""
        )
        options.append(
            click.Option(
                [*names, name],
                required=not has_default and all_required,
                help=f"{texts.get(name, '')} {shown}".strip(),
                metavar=_metavar(python_type),
                **_SWITCH if bare_type(python_type)[0] is bool else {},
                callback=_callback(python_type, ctx),
            )
        )
    return options


def _callback(python_type: Any, ctx: FlyteContext) -> Any:  # Any: annotations; click's own callback type
    def convert(_: click.Context, parameter: click.Parameter, text: str | None) -> object:
        if text is None:
            return None
        try:
            return from_text(text, python_type, ctx, str(parameter.name))
        except (ValueError, FledgeError) as exc:
            raise click.BadParameter(str(exc), param=parameter) from exc

    return convert


def given_inputs(values: Mapping[str, Any]) -> dict[str, Any]:  # Any: as the task declares
    """Of the values that click made, those that stand on the command line: None may be one of them."""
    source = click.get_current_context().get_parameter_source
    return {name: value for name, value in values.items() if source(name) is click.core.ParameterSource.COMMANDLINE}


def json_inputs(target: Target, data: bytes, ctx: FlyteContext, where: str) -> dict[str, Any]:  # Any: as declared
    """Inputs from a JSON object: structured values in their JSON form; dates, files and tables as text.

    Raises:
        click.UsageError: Not an object, an unknown name, or a value that does not fit; names file and input.
    """
    try:
        found = json.loads(data)
    except ValueError as exc:
        raise click.UsageError(f"{where}: not JSON: {exc}") from exc
    types = target.python_interface.inputs
    if not isinstance(found, dict):
        raise click.UsageError(f"{where}: an object with the inputs by name is needed, not {type(found).__name__}")
    values = {}
    for name, value in found.items():
        if name not in types:
            raise click.UsageError(f"{where}: no input is called {name!r}{nearest(name, types)}")
        try:
            values[name] = from_json(value, types[name], ctx, name)
        except (ValueError, FledgeError) as exc:
            raise click.UsageError(f"{where}: {exc}") from exc
    return values


def output_json(target: Target, values: Mapping[str, Any], ctx: FlyteContext) -> str:  # Any: as the task declares
    """The outputs by name as JSON; a value without a JSON form (a file, a table) as its path or text."""
    converters = target.python_interface.compile(ctx.registry).outputs
    shown = {}
    for name, value in values.items():
        plain = converters[name].plain
        shown[name] = plain.pack(value, ctx.storage) if plain is not None else str(value)
    return json.dumps(shown, indent=2, ensure_ascii=False, default=str)


def _metavar(python_type: Any) -> str:  # Any: annotations
    base, _ = bare_type(python_type)
    return _FLAG if base is bool else base.__name__.upper() if isinstance(base, type) else "VALUE"
