"""A task's inputs as command line options: one option per input, its text turned into the declared type."""

from __future__ import annotations

import enum
import json
import types
import typing
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fledge import idl
from fledge.docstrings import Docstring
from fledge.errors import FledgeError, nearest, type_name
from fledge.progress_display import STYLES
from fledge.promise import Promise
from fledge.types.mismatch import Mismatch

if TYPE_CHECKING:
    from fledge.context import FlyteContext

if TYPE_CHECKING:
    from fledge.cli.targets import Target

__all__ = ["TOOL_OPTIONS", "input_options", "json_inputs", "output_json", "parse_value"]


def TOOL_OPTIONS() -> list[click.Option]:  # noqa: N802 - a table that click wants new each time
    """The options of `fledge run` itself."""
    path = click.Path(dir_okay=False, path_type=Path)
    return [
        click.Option(
            ["--like-container", "like_container"],
            is_flag=True,
            help="Run in a fresh process, from inputs.pb to outputs.pb, as the cluster does; keep the files.",
        ),
        click.Option(["--isolate"], is_flag=True, help="Run in a fresh process, killed at the task's timeout."),
        click.Option(["--inputs", "inputs_file"], type=path, help="Inputs from a .json or .pb file."),
        click.Option(["--output", "output_file"], type=path, help="Write the outputs to a .json or .pb file."),
        click.Option(["--json", "as_json"], is_flag=True, help="Print the outputs as JSON."),
        click.Option(["--pdb", "use_pdb"], is_flag=True, help="Open the debugger where the task failed."),
        click.Option(
            ["--progress"],
            type=click.Choice(STYLES),
            help="How far long work is, on standard error: bars, plain lines or nothing. Default: auto, which is bars "
            "on a terminal with rich.",
        ),
    ]


def input_options(task: Target, ctx: FlyteContext, *, all_required: bool = True) -> list[click.Option]:
    """One `--name` per input, with its type, default and docstring; required when there is no default."""
    interface = task.python_interface
    texts = (interface.docstring or Docstring()).inputs
    options = []
    for name, python_type in interface.inputs.items():
        names = [f"--{name}"] + ([f"--{name.replace('_', '-')}"] if "_" in name else [])
        has_default = name in interface.defaults
        shown = f"[{_shown(python_type)}]" + (f" default: {interface.defaults[name]!r}" if has_default else "")
        options.append(
            click.Option(
                [*names, name],
                required=not has_default and all_required,
                help=f"{texts.get(name, '')} {shown}".strip(),
                metavar=_metavar(python_type),
                callback=_callback(python_type, ctx),
            )
        )
    return options


def _callback(python_type: Any, ctx: FlyteContext) -> Any:  # Any: annotations; click's own callback type
    def convert(_: click.Context, parameter: click.Parameter, text: str | None) -> object:
        if text is None:
            return None
        try:
            return parse_value(text, python_type, ctx)
        except (ValueError, FledgeError, KeyError, Mismatch) as exc:
            raise click.BadParameter(f"{text!r} is not {_shown(python_type)}: {exc}", param=parameter) from exc

    return convert


def parse_value(text: str, python_type: Any, ctx: FlyteContext) -> object:  # Any: annotations
    """The text as a value of the type: plain for scalars, dates in ISO form, a path for files and tables, else JSON.

    Raises:
        ValueError, FledgeError: The text does not fit.
    """
    base, optional = _unwrapped(python_type)
    if optional and text.lower() in ("none", "null"):
        return None
    if base is bool:
        return _bool(text)
    if base in _SCALARS:
        return _SCALARS[base](text)
    if isinstance(base, type) and issubclass(base, enum.Enum):
        return base[text] if text in base.__members__ else base(text)
    converter = ctx.registry.converter(base)
    kind = converter.literal_type.WhichOneof("type")
    if kind == "blob":
        return text
    if kind == "structured_dataset_type":
        literal = idl.literals.Literal()
        literal.scalar.structured_dataset.uri = str(Path(text).resolve()) if "://" not in text else text
        literal.scalar.structured_dataset.metadata.structured_dataset_type.CopyFrom(
            converter.literal_type.structured_dataset_type
        )
        literal.scalar.structured_dataset.metadata.structured_dataset_type.format = "parquet"
        return Promise("input", literal)
    if converter.plain is None:
        raise ValueError("this type cannot be given on the command line; use --inputs FILE.pb")
    return converter.plain.unpack(json.loads(text), ctx.storage)


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
            values[name] = _from_json(value, types[name], ctx)
        except (ValueError, FledgeError, KeyError, Mismatch) as exc:
            raise click.UsageError(f"{where}: {name}: {value!r} is not {_shown(types[name])}: {exc}") from exc
    return values


def _from_json(value: Any, python_type: Any, ctx: FlyteContext) -> object:  # Any: JSON; annotations
    plain = ctx.registry.converter(python_type).plain
    if plain is not None and not isinstance(value, str):
        return plain.unpack(value, ctx.storage)
    return parse_value(value if isinstance(value, str) else json.dumps(value), python_type, ctx)


def output_json(target: Target, values: Mapping[str, Any], ctx: FlyteContext) -> str:  # Any: as the task declares
    """The outputs by name as JSON; a value without a JSON form (a file, a table) as its path or text."""
    converters = target.python_interface.compile(ctx.registry).outputs
    shown = {}
    for name, value in values.items():
        plain = converters[name].plain
        shown[name] = plain.pack(value, ctx.storage) if plain is not None else str(value)
    return json.dumps(shown, indent=2, ensure_ascii=False, default=str)


def _bool(text: str) -> bool:
    lowered = text.lower()
    if lowered in ("true", "1", "yes", "on"):
        return True
    if lowered in ("false", "0", "no", "off"):
        return False
    raise ValueError("write true or false")


def _datetime(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _seconds(text: str) -> timedelta:
    return timedelta(seconds=float(text.removesuffix("s")))


_SCALARS: Mapping[Any, Any] = {  # Any: types and their parsers
    int: int,
    float: float,
    str: str,
    date: date.fromisoformat,
    datetime: _datetime,
    timedelta: _seconds,
    Decimal: Decimal,
}


def _unwrapped(python_type: Any) -> tuple[Any, bool]:  # Any: annotations
    """Without Annotated and Optional; and whether None is allowed."""
    if hasattr(python_type, "__metadata__"):
        python_type = typing.get_args(python_type)[0]
    if typing.get_origin(python_type) in (typing.Union, types.UnionType):
        others = [one for one in typing.get_args(python_type) if one is not type(None)]
        if len(others) == 1:
            return _unwrapped(others[0])[0], True
    return python_type, False


def _shown(python_type: Any) -> str:  # Any: annotations
    base, optional = _unwrapped(python_type)
    if isinstance(base, type) and issubclass(base, enum.Enum):
        return "|".join(base.__members__)
    return type_name(base) + (" or none" if optional else "")


def _metavar(python_type: Any) -> str:  # Any: annotations
    base, _ = _unwrapped(python_type)
    return "VALUE" if not isinstance(base, type) else base.__name__.upper()
