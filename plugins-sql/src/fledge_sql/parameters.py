"""A Python value in, the value that is bound to its declared SQL type out; never rounded, never part of a message."""

from __future__ import annotations

import datetime as dt
import decimal
import enum

from fledge_sql.errors import ParameterError
from fledge_sql.schemas import SCALARS, ParameterInput

__all__ = ["to_parameter"]


def to_parameter(declared: ParameterInput, value: object) -> object:
    """A value as it is bound.

    Raises:
        ParameterError: It is None without Optional, or does not fit the SQL type. The value is never part of the text.
    """
    if value is None:
        if declared.optional:
            return None
        raise ParameterError(declared.name, declared.sql_type, "None, but the input is not Optional")
    return _fitting(declared, declared.sql_type, value)


def _fitting(declared: ParameterInput, sql_type: str, value: object) -> object:
    if value is None:
        return None
    if sql_type.endswith("[]"):
        if not isinstance(value, (list, tuple)):
            raise ParameterError(declared.name, declared.sql_type, f"a list is needed, got {type(value).__name__}")
        return [_fitting(declared, sql_type[:-2], item) for item in value]
    if isinstance(value, enum.Enum):
        value = value.value
    if sql_type == "TIMESTAMP" and isinstance(value, dt.datetime) and value.tzinfo is not None:
        return value.astimezone(dt.timezone.utc).replace(tzinfo=None)
    if sql_type == "TIMESTAMP WITH TIME ZONE" and isinstance(value, dt.datetime) and value.tzinfo is None:
        return value.replace(tzinfo=dt.timezone.utc)
    reason = _misfit(sql_type, value)
    if reason:
        raise ParameterError(declared.name, declared.sql_type, reason)
    return value


_INTEGER_BITS = {"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64, "HUGEINT": 128}


def _misfit(sql_type: str, value: object) -> str:
    """Why a value would be refused or changed by the engine; empty when it fits."""
    name = sql_type.removeprefix("U") if sql_type != "UUID" else sql_type
    bits = _INTEGER_BITS.get(name)
    if bits is not None:
        if isinstance(value, bool) or not isinstance(value, int):
            return f"a whole number is needed, got {type(value).__name__}"
        low, high = (0, 2**bits) if sql_type.startswith("U") else (-(2 ** (bits - 1)), 2 ** (bits - 1))
        wider = "" if bits == 128 else "; declare a wider type, as Annotated[int, pa.decimal128(38)]"
        return "" if low <= value < high else f"out of range, {low} to {high - 1}{wider}"
    if sql_type.startswith("DECIMAL("):
        return _decimal_misfit(sql_type, value)
    if sql_type == "VARCHAR" and isinstance(value, str) and not _is_unicode(value):
        return "the text holds lone surrogates, which are not characters"
    wanted = next((python for python, sql in SCALARS.items() if sql == sql_type), None)
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return ""
    if wanted is None:
        return _time_misfit(sql_type, value)
    if not isinstance(value, wanted):
        return f"{wanted.__name__} is needed, got {type(value).__name__}"
    if wanted is dt.time and isinstance(value, dt.time) and value.tzinfo is not None:
        return "a time of day with a zone, which TIME cannot hold"
    return ""


_SMALLEST_MICROSECONDS = {"TIMESTAMP_S": 1_000_000, "TIMESTAMP_MS": 1000}


def _time_misfit(sql_type: str, value: object) -> str:
    smallest = _SMALLEST_MICROSECONDS.get(sql_type)
    if smallest is None:
        return ""
    if not isinstance(value, dt.datetime):
        return f"datetime is needed, got {type(value).__name__}"
    return "the time has more digits than this type holds" if value.microsecond % smallest else ""


def _decimal_misfit(sql_type: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, decimal.Decimal)):
        return f"Decimal is needed, got {type(value).__name__}"
    width, scale = (int(part) for part in sql_type[len("DECIMAL(") : -1].split(","))
    number = decimal.Decimal(value)
    if not number.is_finite():
        return "NaN and infinities are not decimal numbers"
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    while exponent < 0 and digits[-1:] == (0,):
        digits, exponent = digits[:-1], exponent + 1
    if -exponent > scale:
        return (
            f"more than {scale} digits after the point; declare the scale, as Annotated[Decimal, pa.decimal128(38, 12)]"
        )
    return "" if len(digits) + exponent <= width - scale or not any(digits) else "too many digits before the point"


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
