"""What stands on the command line or in a JSON file -> a value of a declared type.

Scalars are written plainly, files and tables as a path or URI, everything else as JSON in the form it has inside
structured values. The registry converts; here is only what people may write instead of JSON, and the messages.
"""

from __future__ import annotations

import enum
import json
import re
import types
import typing
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fledge import idl
from fledge.errors import short_repr, type_name
from fledge.promise import Promise
from fledge.types.mismatch import Mismatch
from fledge.types.times import parse_datetime

if TYPE_CHECKING:
    from fledge.context import FlyteContext
    from fledge.types.converter import Converter

__all__ = ["bare_type", "from_json", "from_text", "shown_default", "shown_type"]


def from_text(text: str, python_type: Any, ctx: FlyteContext, name: str) -> object:  # Any: annotations
    """The value of one option. `@FILE` stands for the JSON in that file, where the type is written as JSON.

    Raises:
        ValueError: The text does not fit; the message says what would.
        TypeConversionError: A part of it does not fit; the path, which starts with `name`, says which.
    """
    base, optional = bare_type(python_type)
    if optional and text.lower() in ("none", "null"):
        return None
    if base in _SCALARS:
        return _scalar(text, base)
    if isinstance(base, type) and issubclass(base, enum.Enum):
        return _member(text, base)
    converter = ctx.registry.converter(base)
    kind = converter.literal_type.WhichOneof("type")
    if kind in ("blob", "structured_dataset_type"):
        if "://" not in text and not Path(text).exists():
            raise ValueError(f"there is no file {text!r}")
        return text if kind == "blob" else _table(text, converter)
    if converter.plain is None:
        raise ValueError(
            f"{shown_type(base)} cannot be written as text (its transformer has no plain_form). Use --inputs FILE.pb; "
            "fledge.like_container.write_inputs makes one"
        )
    return _structured(text, base, ctx, name)


def from_json(value: Any, python_type: Any, ctx: FlyteContext, name: str) -> object:  # Any: JSON; annotations
    """The value of one entry of a JSON file: as inside a structured value, or the text that an option takes.

    Raises:
        ValueError, TypeConversionError: As `from_text`.
    """
    if ctx.registry.converter(python_type).plain is not None:
        try:
            return ctx.registry.strict().plain_form(python_type).unpack(value, ctx.storage)
        except Mismatch as exc:
            if not isinstance(value, str):
                raise exc.error(name) from exc
    return from_text(value if isinstance(value, str) else json.dumps(value), python_type, ctx, name)


def _structured(text: str, python_type: Any, ctx: FlyteContext, name: str) -> object:  # Any: annotations
    """JSON first; what is none, or does not fit, may be a string without its quotes (`Literal`, unions, UUIDs)."""
    file = Path(text[1:]) if text.startswith("@") else None
    if file is not None and file.is_file():
        text, file = file.read_text(encoding="utf-8"), None
    form = ctx.registry.strict().plain_form(python_type)
    misfit: Mismatch | None = None
    no_json: ValueError | None = None
    try:
        return form.unpack(json.loads(text), ctx.storage)
    except Mismatch as exc:
        misfit = exc
    except ValueError as exc:
        no_json = exc
    try:
        return form.unpack(text, ctx.storage)
    except Mismatch as exc:
        if misfit is None and (exc.reason or str in form.classes):
            misfit = exc
    if misfit is not None:
        raise misfit.error(name) from misfit
    if file is not None:
        raise ValueError(f"there is no file {str(file)!r}")
    raise ValueError(f"{short_repr(text)} is not {shown_type(python_type)}: not JSON: {no_json}")


def _table(text: str, converter: Converter) -> object:
    literal = idl.literals.Literal()
    dataset = literal.scalar.structured_dataset
    dataset.uri = text if "://" in text else str(Path(text).resolve())
    dataset.metadata.structured_dataset_type.CopyFrom(converter.literal_type.structured_dataset_type)
    dataset.metadata.structured_dataset_type.format = "parquet"
    return Promise("input", literal)


# -- scalars -----------------------------------------------------------------------------------------------------------


_TRUTH = {**dict.fromkeys(("true", "1", "yes", "on"), True), **dict.fromkeys(("false", "0", "no", "off"), False)}


def _bool(text: str) -> bool:
    return _TRUTH[text.lower()]


_UNITS = {"": "seconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _timedelta(text: str) -> timedelta:
    number, unit = re.fullmatch(r"(-?[0-9.]+) ?([smhd]?)", text).groups()  # type: ignore[union-attr] # caught below
    return timedelta(**{_UNITS[unit]: float(number)})


_SCALARS: Mapping[Any, tuple[typing.Callable[[str], object], str]] = {  # Any: types
    bool: (_bool, "write true or false"),
    int: (int, ""),
    float: (float, ""),
    str: (str, ""),
    date: (date.fromisoformat, "write it as 2024-02-29"),
    datetime: (parse_datetime, "write it as 2024-02-29T12:30:00Z"),
    timedelta: (_timedelta, "write seconds, or a number with s, m, h or d, as 90, 15m or 1.5h"),
    Decimal: (Decimal, ""),
}


def _scalar(text: str, base: Any) -> object:  # Any: a type of the table
    parse, hint = _SCALARS[base]
    try:
        return parse(text)
    except (ValueError, KeyError, ArithmeticError, AttributeError) as exc:
        raise ValueError(f"{short_repr(text)} is not {shown_type(base)}" + (f": {hint}" if hint else "")) from exc


def _member(text: str, base: type[enum.Enum]) -> enum.Enum:
    """By name, else by value."""
    if text in base.__members__:
        return base[text]
    for value in (text, *(member.value for member in base if str(member.value) == text)):
        try:
            return base(value)
        except Exception:  # noqa: BLE001, S112 - a user's `_missing_` may raise anything; the next way is tried
            continue
    raise ValueError(f"{short_repr(text)} is none of {shown_type(base)}")


# -- how types are shown -----------------------------------------------------------------------------------------------


def bare_type(python_type: Any) -> tuple[Any, bool]:  # Any: annotations
    """Without Annotated and Optional; and whether None is allowed."""
    if hasattr(python_type, "__metadata__"):
        python_type = typing.get_args(python_type)[0]
    if typing.get_origin(python_type) in (typing.Union, types.UnionType):
        others = [one for one in typing.get_args(python_type) if one is not type(None)]
        if len(others) == 1:
            return bare_type(others[0])[0], True
    return python_type, False


def shown_type(python_type: Any) -> str:  # Any: annotations
    """As help and messages name it: an Enum by its members."""
    base, optional = bare_type(python_type)
    if isinstance(base, type) and issubclass(base, enum.Enum):
        return "|".join(base.__members__)
    return type_name(base) + (" or none" if optional else "")


def shown_default(value: object) -> str:
    """As one would write it: the text of a scalar, the name of an Enum's member."""
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, date):  # a datetime is one
        return value.isoformat()
    if isinstance(value, timedelta):
        return f"{value.total_seconds():.6f}".rstrip("0").rstrip(".") + "s"
    return str(value) if isinstance(value, Decimal) else repr(value)
