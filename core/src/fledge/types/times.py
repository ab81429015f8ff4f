"""Times, and types written as text: date, datetime, timedelta, time, Decimal, UUID.

A datetime travels as an instant: it comes back in UTC, and a naive one counts as UTC, as in flytekit. Inside structured
values it is ISO text and keeps its zone.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING

from fledge.types.base import TypeTransformer
from fledge.types.converter import Converter, PlainForm
from fledge.types.kinds import Value
from fledge.types.mismatch import Mismatch
from fledge.types.scalars import ABSENT, ScalarTransformer, read_str
from fledge.types.wire import read_indirect, simple_type

if TYPE_CHECKING:
    from fledge.idl import literals as pb_literals
    from fledge.storage import StorageRouter
    from fledge.types.base import TypeRegistry
    from fledge.types.kinds import Annotation

__all__ = ["TIMES", "parse_datetime"]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MIN_S = -62135596800  # 0001-01-01T00:00:00Z
_MAX_S = 253402300799  # 9999-12-31T23:59:59Z
_MAX_DURATION_S = 315_576_000_000  # what google.protobuf.Duration allows


# -- date, datetime, timedelta -----------------------------------------------------------------------------------------


def _fill_datetime(literal: pb_literals.Literal, value: object, _: StorageRouter) -> None:
    """A naive datetime counts as UTC, as in flytekit."""
    if type(value) is not datetime:
        raise Mismatch(datetime, value)
    try:
        since = (value if value.tzinfo is not None else value.replace(tzinfo=timezone.utc)) - _EPOCH
    except Exception as exc:  # a user's tzinfo may raise anything
        raise Mismatch(datetime, value, f"its time zone fails: {exc}") from exc
    seconds = since.days * 86400 + since.seconds
    if not _MIN_S <= seconds <= _MAX_S:
        raise Mismatch(datetime, value, "its year in UTC is outside of 1 .. 9999")
    stamp = literal.scalar.primitive.datetime
    stamp.SetInParent()
    stamp.seconds, stamp.nanos = seconds, since.microseconds * 1000


def _read_datetime(literal: pb_literals.Literal) -> Value:
    primitive = literal.scalar.primitive
    if primitive.WhichOneof("value") != "datetime":
        return ABSENT
    stamp = primitive.datetime
    if not (_MIN_S <= stamp.seconds <= _MAX_S and 0 <= stamp.nanos < 1_000_000_000):
        raise Mismatch(datetime, literal, "not a time of the years 1 .. 9999")
    return _EPOCH + timedelta(seconds=stamp.seconds, microseconds=stamp.nanos // 1000)


def _fill_date(literal: pb_literals.Literal, value: object, _: StorageRouter) -> None:
    if type(value) is not date:
        raise Mismatch(date, value)
    stamp = literal.scalar.primitive.datetime
    stamp.SetInParent()
    stamp.seconds = (value.toordinal() - _EPOCH.toordinal()) * 86400


def _read_date(literal: pb_literals.Literal) -> Value:
    found = _read_datetime(literal)
    return found if found is ABSENT else found.date()


def _fill_timedelta(literal: pb_literals.Literal, value: object, _: StorageRouter) -> None:
    """Seconds and nanoseconds of a protobuf Duration have the same sign."""
    if type(value) is not timedelta:
        raise Mismatch(timedelta, value)
    seconds, micros = value.days * 86400 + value.seconds, value.microseconds
    if seconds < 0 and micros:
        seconds, micros = seconds + 1, micros - 1_000_000
    if abs(seconds) > _MAX_DURATION_S:
        raise Mismatch(timedelta, value, "longer than 10,000 years")
    duration = literal.scalar.primitive.duration
    duration.SetInParent()
    duration.seconds, duration.nanos = seconds, micros * 1000


def _read_timedelta(literal: pb_literals.Literal) -> Value:
    primitive = literal.scalar.primitive
    if primitive.WhichOneof("value") != "duration":
        return ABSENT
    duration = primitive.duration
    if abs(duration.seconds) > _MAX_DURATION_S or abs(duration.nanos) >= 1_000_000_000:
        raise Mismatch(timedelta, literal, "longer than 10,000 years")
    micros = duration.nanos // 1000 if duration.nanos >= 0 else -(-duration.nanos // 1000)
    return timedelta(seconds=duration.seconds, microseconds=micros)


def _pack_timedelta(value: object, _: StorageRouter) -> object:
    """Seconds as a float; where a float cannot hold it to the microsecond, days, seconds and microseconds."""
    if type(value) is not timedelta:
        raise Mismatch(timedelta, value)
    seconds = value.total_seconds()
    try:
        if timedelta(seconds=seconds) == value:
            return seconds
    except OverflowError:  # rounding a value at the very end of the range
        return [value.days, value.seconds, value.microseconds]
    return [value.days, value.seconds, value.microseconds]


def _unpack_timedelta(plain: object, _: StorageRouter) -> timedelta:
    try:
        if type(plain) is list and len(plain) == 3 and all(type(part) is int for part in plain):
            return timedelta(*plain)
        if type(plain) in (int, float):
            return timedelta(seconds=plain)  # type: ignore[arg-type]  # narrowed by `in`
    except (OverflowError, ValueError) as exc:
        raise Mismatch(timedelta, plain, str(exc)) from exc
    raise Mismatch(timedelta, plain)


# -- types written as text ---------------------------------------------------------------------------------------------


def _pack_text(python_type: Annotation, write: Callable[[Value], str]) -> Callable[..., str]:
    def pack(value: object, _: StorageRouter) -> str:
        if type(value) is not python_type:
            raise Mismatch(python_type, value)
        return write(value)

    return pack


def _unpack_text(python_type: Annotation, parse: Callable[[str], Value]) -> Callable[..., Value]:
    def unpack(plain: object, _: StorageRouter) -> object:
        if type(plain) is not str:
            raise Mismatch(python_type, plain)
        try:
            return parse(plain)
        except (ValueError, ArithmeticError) as exc:
            raise Mismatch(python_type, plain, str(exc)) from exc

    return unpack


def parse_datetime(text: str) -> datetime:
    """ISO text. Python 3.10 knows neither the Z that JSON writers put for UTC nor a fraction of, say, nine digits."""
    if sys.version_info < (3, 11):
        import re  # noqa: PLC0415 - newer Pythons do without

        text = re.sub(r"(?<=:\d\d)[.,](\d+)", lambda found: f".{found[1][:6]:0<6}", text)
    return datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith(("Z", "z")) else text)


class TextTransformer(TypeTransformer[Value]):
    """A type whose `str()` says all and whose class reads it: STRING on the wire."""

    def __init__(self, dotted_name: str, schema_format: str) -> None:
        super().__init__(dotted_name.rpartition(".")[2].lower(), dotted_name)
        self._schema = {"type": "string", "format": schema_format}

    def plain_form(self, python_type: Annotation, registry: TypeRegistry) -> PlainForm:  # noqa: ARG002 - given by the base class
        parse = getattr(python_type, "fromisoformat", None) or python_type
        schema, classes = self._schema, (python_type,)
        return PlainForm(_pack_text(python_type, str), _unpack_text(python_type, parse), lambda: dict(schema), classes)

    def compile(self, python_type: Annotation, registry: TypeRegistry) -> Converter:
        plain = self.plain_form(python_type, registry)

        def fill(literal: pb_literals.Literal, value: object, storage: StorageRouter) -> None:
            literal.scalar.primitive.string_value = plain.pack(value, storage)

        def read(literal: pb_literals.Literal, storage: StorageRouter) -> object:
            text = read_str(literal)
            if text is ABSENT:
                return read_indirect(literal, storage, python_type, read, plain)
            return plain.unpack(text, storage)

        return Converter(python_type, simple_type("STRING"), fill, read, plain=plain, classes=(python_type,))


TIMES: tuple[TypeTransformer[Value], ...] = (
    ScalarTransformer(
        datetime,
        "DATETIME",
        _fill_datetime,
        _read_datetime,
        _pack_text(datetime, datetime.isoformat),
        _unpack_text(datetime, parse_datetime),
        {"type": "string", "format": "date-time"},
    ),
    ScalarTransformer(
        date,
        "DATETIME",
        _fill_date,
        _read_date,
        _pack_text(date, date.isoformat),
        _unpack_text(date, date.fromisoformat),
        {"type": "string", "format": "date"},
    ),
    ScalarTransformer(
        timedelta,
        "DURATION",
        _fill_timedelta,
        _read_timedelta,
        _pack_timedelta,
        _unpack_timedelta,
        {"type": "number", "format": "time-delta"},
    ),
    TextTransformer("decimal.Decimal", "decimal"),
    TextTransformer("uuid.UUID", "uuid"),
    TextTransformer("datetime.time", "time"),
)
