"""One value, one primitive: int, float, str, bool, None, date, datetime, timedelta, bytes and types written as text.

Values are checked by their exact class: bool is not int, int is not str. An int given for a float becomes that float. A
reader also takes an integral float for an int, as Flyte's console knows no other numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from fledge.types.base import TypeTransformer
from fledge.types.converter import Converter, PlainForm
from fledge.types.mismatch import Mismatch
from fledge.types.wire import read_indirect, simple_type

if TYPE_CHECKING:
    from fledge.idl import literals as pb_literals
    from fledge.storage import StorageRouter
    from fledge.types.base import TypeRegistry

__all__ = ["INT64_MAX", "INT64_MIN", "SCALARS"]

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
_EXACT_FLOAT = 2**53
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MAX_DURATION_S = 315_576_000_000  # what google.protobuf.Duration allows


class ScalarTransformer(TypeTransformer[Any]):  # Any: one class serves all scalar types
    """A scalar type as a table row; `fill_all` and `read_all` are there for the types that come in long lists."""

    def __init__(
        self,
        python_type: type,
        simple: str,
        fill: Callable[..., None],
        read: Callable[..., Any],  # Any: the scalar
        pack: Callable[..., Any],  # Any: a plain value
        unpack: Callable[..., Any],  # Any: the scalar
        schema: dict[str, Any],  # Any: JSON
        *,
        name: str = "",
        fill_all: Callable[..., None] | None = None,
        read_all: Callable[..., list[Any]] | None = None,  # Any: the scalars
    ) -> None:
        super().__init__(name or python_type.__name__, python_type)
        self._simple, self._fill, self._read = simple, fill, read
        classes = (python_type,)
        self._plain = PlainForm(pack, unpack, lambda: dict(schema), classes)
        self._fill_all, self._read_all = fill_all, read_all

    def plain_form(self, python_type: Any, registry: TypeRegistry) -> PlainForm:  # Any: an annotation
        return self._plain

    def compile(self, python_type: Any, registry: TypeRegistry) -> Converter:  # Any: an annotation
        direct, plain = self._read, self._plain

        def read(literal: pb_literals.Literal, storage: StorageRouter) -> object:
            value = direct(literal)
            return read_indirect(literal, storage, python_type, read, plain) if value is _ABSENT else value

        return Converter(
            python_type,
            simple_type(self._simple),
            self._fill,
            read,
            plain=plain,
            classes=(python_type,),
            fill_all=self._fill_all,
            read_all=self._read_all_checked(read),
        )

    def _read_all_checked(self, read: Callable[..., object]) -> Callable[..., list[object]] | None:
        fast = self._read_all
        if fast is None:
            return None

        def read_all(literals: Sequence[pb_literals.Literal], storage: StorageRouter) -> list[object]:
            values = fast(literals)
            return [read(literal, storage) for literal in literals] if values is None else values

        return read_all


_ABSENT: Any = object()  # Any: stands in place of a value. The literal is of another variant


def _defaults_are_set(literals: Sequence[pb_literals.Literal], values: list[Any], kind: str) -> bool:  # Any: scalars
    """A value that is not the default (0, "") is set for sure; the others have to be looked at."""
    return all(
        literal.scalar.primitive.WhichOneof("value") == kind
        for literal, value in zip(literals, values, strict=True)
        if not value
    )


# -- int ---------------------------------------------------------------------------------------------------------------


def _bad_int(value: object) -> Mismatch:
    if type(value) is int:
        return Mismatch(int, value, f"outside of int64, {INT64_MIN} .. {INT64_MAX}")
    return Mismatch(int, value)


def _fill_int(literal: pb_literals.Literal, value: object, storage: StorageRouter) -> None:
    if type(value) is not int or not INT64_MIN <= value <= INT64_MAX:
        raise _bad_int(value)
    literal.scalar.primitive.integer = value


def _fill_ints(add: Callable[[], pb_literals.Literal], values: Iterable[object], storage: StorageRouter) -> None:
    try:
        for value in values:
            if type(value) is not int:
                add()
                raise _bad_int(value)
            add().scalar.primitive.integer = value
    except ValueError:  # protobuf's own range check
        raise _bad_int(value) from None


def _read_int(literal: pb_literals.Literal) -> Any:  # Any: int or _ABSENT
    primitive = literal.scalar.primitive
    value = primitive.integer
    if value:  # not the default: it is set
        return value
    kind = primitive.WhichOneof("value")
    if kind == "integer":
        return value
    return _int_of_float(primitive.float_value) if kind == "float_value" else _ABSENT


def _int_of_float(value: float) -> int:
    if not value.is_integer() or abs(value) > _EXACT_FLOAT:
        raise Mismatch(int, value)
    return int(value)


def _read_ints(literals: Sequence[pb_literals.Literal]) -> list[int] | None:
    values = [literal.scalar.primitive.integer for literal in literals]
    return values if all(values) or _defaults_are_set(literals, values, "integer") else None


def _pack_int(value: object, storage: StorageRouter) -> int:
    if type(value) is not int or not INT64_MIN <= value <= INT64_MAX:
        raise _bad_int(value)
    return value


def _unpack_int(plain: object, storage: StorageRouter) -> int:
    if type(plain) is float:
        return _int_of_float(plain)
    return _pack_int(plain, storage)


# -- float -------------------------------------------------------------------------------------------------------------


def _as_float(value: object) -> float:
    """An int is taken when the float is the same number."""
    if type(value) is not int:
        reason = "convert it with float(...)" if isinstance(value, float) else ""
        raise Mismatch(float, value, reason)
    try:
        found = float(value)
    except OverflowError:
        raise Mismatch(float, value, "too large") from None
    if found != value:
        raise Mismatch(float, value, "no float is exactly this int: convert it with float(...)")
    return found


def _fill_float(literal: pb_literals.Literal, value: object, storage: StorageRouter) -> None:
    literal.scalar.primitive.float_value = value if type(value) is float else _as_float(value)


def _fill_floats(add: Callable[[], pb_literals.Literal], values: Iterable[object], storage: StorageRouter) -> None:
    for value in values:
        primitive = add().scalar.primitive
        primitive.float_value = value if type(value) is float else _as_float(value)


def _read_float(literal: pb_literals.Literal) -> Any:  # Any: float or _ABSENT
    primitive = literal.scalar.primitive
    value = primitive.float_value
    if value:
        return value
    kind = primitive.WhichOneof("value")
    if kind == "float_value":
        return value
    return _as_float(primitive.integer) if kind == "integer" else _ABSENT


def _read_floats(literals: Sequence[pb_literals.Literal]) -> list[float] | None:
    values = [literal.scalar.primitive.float_value for literal in literals]
    return values if all(values) or _defaults_are_set(literals, values, "float_value") else None


def _pack_float(value: object, storage: StorageRouter) -> float:
    return value if type(value) is float else _as_float(value)


# -- str, bool, None ---------------------------------------------------------------------------------------------------


def _fill_str(literal: pb_literals.Literal, value: object, storage: StorageRouter) -> None:
    if type(value) is not str:
        raise Mismatch(str, value)
    try:
        literal.scalar.primitive.string_value = value
    except ValueError as exc:
        raise Mismatch(str, value, "not valid Unicode: it holds a lone surrogate") from exc


def _fill_strs(add: Callable[[], pb_literals.Literal], values: Iterable[object], storage: StorageRouter) -> None:
    for value in values:
        _fill_str(add(), value, storage)


def _read_str(literal: pb_literals.Literal) -> Any:  # Any: str or _ABSENT
    primitive = literal.scalar.primitive
    value = primitive.string_value
    return value if value or primitive.WhichOneof("value") == "string_value" else _ABSENT


def _read_strs(literals: Sequence[pb_literals.Literal]) -> list[str] | None:
    values = [literal.scalar.primitive.string_value for literal in literals]
    return values if all(values) or _defaults_are_set(literals, values, "string_value") else None


def _same(python_type: type) -> Callable[..., Any]:  # Any: a value of python_type
    def check(value: object, storage: StorageRouter) -> object:
        if type(value) is not python_type:
            raise Mismatch(python_type, value)
        return value

    return check


def _fill_bool(literal: pb_literals.Literal, value: object, storage: StorageRouter) -> None:
    if type(value) is not bool:
        raise Mismatch(bool, value)
    literal.scalar.primitive.boolean = value


def _read_bool(literal: pb_literals.Literal) -> Any:  # Any: bool or _ABSENT
    primitive = literal.scalar.primitive
    return primitive.boolean if primitive.boolean or primitive.WhichOneof("value") == "boolean" else _ABSENT


def _fill_none(literal: pb_literals.Literal, value: object, storage: StorageRouter) -> None:
    if value is not None:
        raise Mismatch("None", value)
    literal.scalar.none_type.SetInParent()


def _read_none(literal: pb_literals.Literal) -> Any:  # Any: None or _ABSENT
    return None if literal.scalar.WhichOneof("value") == "none_type" else _ABSENT


# -- date, datetime, timedelta -----------------------------------------------------------------------------------------


def _fill_datetime(literal: pb_literals.Literal, value: object, storage: StorageRouter) -> None:
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


_MIN_S = -62135596800  # 0001-01-01T00:00:00Z
_MAX_S = 253402300799  # 9999-12-31T23:59:59Z


def _read_datetime(literal: pb_literals.Literal) -> Any:  # Any: datetime or _ABSENT
    primitive = literal.scalar.primitive
    if primitive.WhichOneof("value") != "datetime":
        return _ABSENT
    stamp = primitive.datetime
    if not (_MIN_S <= stamp.seconds <= _MAX_S and 0 <= stamp.nanos < 1_000_000_000):
        raise Mismatch(datetime, literal, "not a time of the years 1 .. 9999")
    return _EPOCH + timedelta(seconds=stamp.seconds, microseconds=stamp.nanos // 1000)


def _fill_date(literal: pb_literals.Literal, value: object, storage: StorageRouter) -> None:
    if type(value) is not date:
        raise Mismatch(date, value)
    stamp = literal.scalar.primitive.datetime
    stamp.SetInParent()
    stamp.seconds = (value.toordinal() - _EPOCH.toordinal()) * 86400


def _read_date(literal: pb_literals.Literal) -> Any:  # Any: date or _ABSENT
    found = _read_datetime(literal)
    return found if found is _ABSENT else found.date()


def _fill_timedelta(literal: pb_literals.Literal, value: object, storage: StorageRouter) -> None:
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


def _read_timedelta(literal: pb_literals.Literal) -> Any:  # Any: timedelta or _ABSENT
    primitive = literal.scalar.primitive
    if primitive.WhichOneof("value") != "duration":
        return _ABSENT
    duration = primitive.duration
    if abs(duration.seconds) > _MAX_DURATION_S or abs(duration.nanos) >= 1_000_000_000:
        raise Mismatch(timedelta, literal, "longer than 10,000 years")
    micros = duration.nanos // 1000 if duration.nanos >= 0 else -(-duration.nanos // 1000)
    return timedelta(seconds=duration.seconds, microseconds=micros)


def _pack_timedelta(value: object, storage: StorageRouter) -> object:
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


def _unpack_timedelta(plain: object, storage: StorageRouter) -> timedelta:
    try:
        if type(plain) is list and len(plain) == 3 and all(type(part) is int for part in plain):
            return timedelta(*plain)
        if type(plain) in (int, float):
            return timedelta(seconds=plain)  # type: ignore[arg-type]  # narrowed by `in`
    except (OverflowError, ValueError) as exc:
        raise Mismatch(timedelta, plain, str(exc)) from exc
    raise Mismatch(timedelta, plain)


# -- types written as text ---------------------------------------------------------------------------------------------


def _pack_text(python_type: Any, write: Callable[[Any], str]) -> Callable[..., str]:  # Any: the type and its value
    def pack(value: object, storage: StorageRouter) -> str:
        if type(value) is not python_type:
            raise Mismatch(python_type, value)
        return write(value)

    return pack


def _unpack_text(python_type: Any, parse: Callable[[str], Any]) -> Callable[..., Any]:  # Any: the type and its value
    def unpack(plain: object, storage: StorageRouter) -> object:
        if type(plain) is not str:
            raise Mismatch(python_type, plain)
        try:
            return parse(plain)
        except (ValueError, ArithmeticError) as exc:
            raise Mismatch(python_type, plain, str(exc)) from exc

    return unpack


def _parse_datetime(text: str) -> datetime:
    """Python 3.10 does not know the Z that JSON writers put for UTC."""
    return datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith(("Z", "z")) else text)


class TextTransformer(TypeTransformer[Any]):  # Any: one class serves all types written as text
    """A type whose `str()` says all and whose class reads it: STRING on the wire."""

    def __init__(self, dotted_name: str, schema_format: str) -> None:
        super().__init__(dotted_name.rpartition(".")[2].lower(), dotted_name)
        self._schema = {"type": "string", "format": schema_format}

    def plain_form(self, python_type: Any, registry: TypeRegistry) -> PlainForm:  # Any: an annotation
        parse = getattr(python_type, "fromisoformat", python_type)
        schema, classes = self._schema, (python_type,)
        return PlainForm(_pack_text(python_type, str), _unpack_text(python_type, parse), lambda: dict(schema), classes)

    def compile(self, python_type: Any, registry: TypeRegistry) -> Converter:  # Any: an annotation
        plain = self.plain_form(python_type, registry)

        def fill(literal: pb_literals.Literal, value: object, storage: StorageRouter) -> None:
            literal.scalar.primitive.string_value = plain.pack(value, storage)

        def read(literal: pb_literals.Literal, storage: StorageRouter) -> object:
            text = _read_str(literal)
            if text is _ABSENT:
                return read_indirect(literal, storage, python_type, read, plain)
            return plain.unpack(text, storage)

        return Converter(python_type, simple_type("STRING"), fill, read, plain=plain, classes=(python_type,))


# -- bytes -------------------------------------------------------------------------------------------------------------


class BytesTransformer(TypeTransformer[bytes]):
    """bytes as `scalar.binary` with the tag "bytes": never a pickle."""

    def __init__(self) -> None:
        super().__init__("bytes", bytes)

    def plain_form(self, python_type: Any, registry: TypeRegistry) -> PlainForm:  # Any: an annotation
        return PlainForm(_same(bytes), _same(bytes), lambda: {"type": "string", "format": "base64"}, (bytes,))

    def compile(self, python_type: Any, registry: TypeRegistry) -> Converter:  # Any: an annotation
        plain = self.plain_form(python_type, registry)

        def fill(literal: pb_literals.Literal, value: object, storage: StorageRouter) -> None:
            if type(value) is not bytes:
                raise Mismatch(bytes, value)
            binary = literal.scalar.binary
            binary.value, binary.tag = value, "bytes"

        def read(literal: pb_literals.Literal, storage: StorageRouter) -> object:
            binary = literal.scalar.binary
            if binary.tag == "bytes":
                return binary.value
            return read_indirect(literal, storage, bytes, read, plain)

        return Converter(python_type, simple_type("BINARY"), fill, read, plain=plain, classes=(bytes,))


SCALARS: tuple[TypeTransformer[Any], ...] = (  # Any: of all scalar types
    ScalarTransformer(
        int, "INTEGER", _fill_int, _read_int, _pack_int, _unpack_int, {"type": "integer"},
        fill_all=_fill_ints, read_all=_read_ints,
    ),
    ScalarTransformer(
        float, "FLOAT", _fill_float, _read_float, _pack_float, _pack_float, {"type": "number"},
        fill_all=_fill_floats, read_all=_read_floats,
    ),
    ScalarTransformer(
        str, "STRING", _fill_str, _read_str, _same(str), _same(str), {"type": "string"},
        fill_all=_fill_strs, read_all=_read_strs,
    ),
    ScalarTransformer(bool, "BOOLEAN", _fill_bool, _read_bool, _same(bool), _same(bool), {"type": "boolean"}),
    ScalarTransformer(
        type(None), "NONE", _fill_none, _read_none, _same(type(None)), _same(type(None)), {"type": "null"}, name="none"
    ),
    ScalarTransformer(
        datetime, "DATETIME", _fill_datetime, _read_datetime, _pack_text(datetime, datetime.isoformat),
        _unpack_text(datetime, _parse_datetime), {"type": "string", "format": "date-time"},
    ),
    ScalarTransformer(
        date, "DATETIME", _fill_date, _read_date, _pack_text(date, date.isoformat),
        _unpack_text(date, date.fromisoformat), {"type": "string", "format": "date"},
    ),
    ScalarTransformer(
        timedelta, "DURATION", _fill_timedelta, _read_timedelta, _pack_timedelta, _unpack_timedelta,
        {"type": "number", "format": "time-delta"},
    ),
    BytesTransformer(),
    TextTransformer("decimal.Decimal", "decimal"),
    TextTransformer("uuid.UUID", "uuid"),
    TextTransformer("datetime.time", "time"),
)
