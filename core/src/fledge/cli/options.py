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
from fledge.errors import FledgeError, type_name
from fledge.promise import Promise

if TYPE_CHECKING:
    from fledge.base_task import PythonTask
    from fledge.context import FlyteContext

__all__ = ["input_options", "parse_value"]


def input_options(task: PythonTask[Any], ctx: FlyteContext) -> list[click.Option]:  # Any: of any config
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
                required=not has_default,
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
        except (ValueError, FledgeError, KeyError) as exc:
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
