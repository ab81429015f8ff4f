"""A declared Python type in; out: what turns a value, as pyarrow gives it, into one of that type."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import types
import typing
import uuid
from collections.abc import Callable
from typing import Any

from fledge_sql.errors import QueryError

__all__ = ["free_value", "reader_of", "row_reader"]

Value = Any  # Any: whatever the task declares
Reader = Callable[[Value], Value]
_NONE = type(None)


def reader_of(annotation: Value) -> Reader:
    """The conversion to an annotation; None stays None, whatever is declared.

    It raises OverflowError or ValueError for what Python's type cannot hold, QueryError for an INTERVAL with months.
    """
    convert = _conversion(_bare(annotation))
    if convert is None:
        return _same
    return lambda value: None if value is None else convert(value)


def row_reader(row: type) -> Reader:
    """The conversion of a row, a dict by column, to a dataclass or a TypedDict."""
    readers = {name: reader_of(hint) for name, hint in typing.get_type_hints(row).items()}
    changing = {name: read for name, read in readers.items() if read is not _same}
    make: Value = row if dataclasses.is_dataclass(row) else dict

    def read(value: dict[str, Value]) -> Value:
        for name, convert in changing.items():
            if name in value:
                value[name] = convert(value[name])
        return make(**value)

    return read


def free_value(value: Value) -> Value:
    """A value of a free-form dict: HUGEINT, which Arrow holds as a decimal, is an int."""
    if isinstance(value, decimal.Decimal):
        return int(value)
    if isinstance(value, list):
        return [free_value(item) for item in value]
    if isinstance(value, dict):
        return {key: free_value(item) for key, item in value.items()}
    return value


def _same(value: Value) -> Value:
    return value


def _bare(annotation: Value) -> Value:
    """Without Annotated and without None."""
    origin: Value = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _bare(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        rest = [one for one in typing.get_args(annotation) if one is not _NONE]
        return _bare(rest[0]) if len(rest) == 1 else annotation
    return annotation


def _conversion(bare: Value) -> Reader | None:
    """None: a value needs no conversion."""
    origin: Value = typing.get_origin(bare)
    arguments = typing.get_args(bare)
    if origin is list:
        item = reader_of(arguments[0])
        return None if item is _same else lambda value: [item(one) for one in value]
    if origin is dict:
        key, item = reader_of(arguments[0]), reader_of(arguments[1])
        return lambda value: {key(k): item(v) for k, v in (value.items() if isinstance(value, dict) else value)}
    if dataclasses.is_dataclass(bare) or typing.is_typeddict(bare):
        return row_reader(bare)
    if isinstance(bare, type) and issubclass(bare, enum.Enum):
        return bare
    return _CONVERSIONS.get(bare) if isinstance(bare, typing.Hashable) else None


def _integer(value: Value) -> Value:
    return int(value) if isinstance(value, decimal.Decimal) else value


def _decimal(value: Value) -> Value:
    return decimal.Decimal(value) if isinstance(value, int) else value


def _uuid(value: Value) -> Value:
    return uuid.UUID(value) if isinstance(value, str) else value


def _timedelta(value: Value) -> Value:
    """Arrow's intervals are months, days and nanoseconds."""
    if not hasattr(value, "months"):
        return value
    if value.months:
        raise QueryError("an INTERVAL with months or years has no fixed length; use date arithmetic in the query")
    return dt.timedelta(days=value.days, microseconds=value.nanoseconds / 1000)


def _datetime(value: Value) -> Value:
    """In UTC where there is a zone. Times in nanoseconds come as pandas', where pandas is installed."""
    if getattr(value, "nanosecond", 0):
        raise ValueError("a time with nanoseconds")
    plain = value.to_pydatetime() if hasattr(value, "to_pydatetime") else value
    return plain if plain.tzinfo is None else plain.astimezone(dt.timezone.utc)


_CONVERSIONS: dict[object, Reader] = {
    int: _integer,
    decimal.Decimal: _decimal,
    uuid.UUID: _uuid,
    dt.timedelta: _timedelta,
    dt.datetime: _datetime,
}
