"""One value, one primitive: int, float, str, bool, None and bytes.

Values are checked by their exact class: bool is not int, int is not str. An int given for a float becomes that float. A
reader also takes an integral float for an int, as Flyte's console knows no other numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from fledge.types.base import TypeTransformer
from fledge.types.converter import Converter, PlainForm
from fledge.types.kinds import Annotation, Plain, Value
from fledge.types.mismatch import Mismatch
from fledge.types.wire import read_indirect, simple_type

if TYPE_CHECKING:
    from fledge.idl import literals as pb_literals
    from fledge.storage import StorageRouter
    from fledge.types.base import TypeRegistry

__all__ = ["ABSENT", "INT64_MAX", "INT64_MIN", "SCALARS", "ScalarTransformer", "read_str"]

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
_EXACT_FLOAT = 2**53


class ScalarTransformer(TypeTransformer[Value]):
    """A scalar type as a table row.

    `fill_all` and `read_all` are there for the types that come in long lists; `quick(read)` is `read` with a short cut
    for values that are not the default, as those are set for sure; `as_is`: values are their own plain form.
    """

    def __init__(
        self,
        python_type: type,
        simple: str,
        fill: Callable[..., None],
        read: Callable[..., Value],
        pack: Callable[..., Value],
        unpack: Callable[..., Value],
        schema: dict[str, Plain],
        *,
        name: str = "",
        fill_all: Callable[..., None] | None = None,
        read_all: Callable[..., list[Value] | None] | None = None,
        quick: Callable[[Callable[..., Value]], Callable[..., Value]] = lambda read: read,
        as_is: bool = False,
    ) -> None:
        super().__init__(name or python_type.__name__, python_type)
        self._simple, self._fill, self._read = simple, fill, read
        classes = (python_type,)
        self._plain = PlainForm(pack, unpack, lambda: dict(schema), classes, as_is=python_type if as_is else None)
        self._fill_all, self._read_all, self._quick = fill_all, read_all, quick

    def plain_form(self, python_type: Annotation, registry: TypeRegistry) -> PlainForm:  # noqa: ARG002 - given by the base class
        return self._plain

    def compile(self, python_type: Annotation, registry: TypeRegistry) -> Converter:  # noqa: ARG002 - given by the base class
        direct, plain = self._read, self._plain

        def read(literal: pb_literals.Literal, storage: StorageRouter) -> object:
            value = direct(literal)
            return read_indirect(literal, storage, python_type, read, plain) if value is ABSENT else value

        return Converter(
            python_type,
            simple_type(self._simple),
            self._fill,
            self._quick(read),
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


ABSENT: Value = object()


def _defaults_are_set(literals: Sequence[pb_literals.Literal], values: list[Value], kind: str) -> bool:
    """A value that is not the default (0, "") is set for sure; each of the others has to be looked at."""
    at, default = -1, type(values[0])()
    try:
        while True:
            at = values.index(default, at + 1)
            if literals[at].scalar.primitive.WhichOneof("value") != kind:
                return False
    except ValueError:  # no other default
        return True


# -- int ---------------------------------------------------------------------------------------------------------------


def _bad_int(value: object) -> Mismatch:
    if type(value) is int:
        return Mismatch(int, value, f"outside of int64, {INT64_MIN} .. {INT64_MAX}")
    return Mismatch(int, value)


def _fill_int(literal: pb_literals.Literal, value: object, _: StorageRouter) -> None:
    if type(value) is not int:
        raise _bad_int(value)
    try:
        literal.scalar.primitive.integer = value
    except ValueError:  # protobuf's own range check
        raise _bad_int(value) from None


def _fill_ints(add: Callable[[], pb_literals.Literal], values: Iterable[object], _: StorageRouter) -> None:
    value: object = None
    try:
        for value in values:
            if type(value) is not int:
                add()
                raise _bad_int(value)
            add().scalar.primitive.integer = value
    except ValueError:  # protobuf's own range check
        raise _bad_int(value) from None


def _read_int(literal: pb_literals.Literal) -> Value:
    primitive = literal.scalar.primitive
    value = primitive.integer
    if value:  # not the default: it is set
        return value
    kind = primitive.WhichOneof("value")
    if kind == "integer":
        return value
    return _int_of_float(primitive.float_value) if kind == "float_value" else ABSENT


def _quick_int(read: Callable[..., Value]) -> Callable[..., Value]:
    return lambda literal, storage: literal.scalar.primitive.integer or read(literal, storage)


def _int_of_float(value: float) -> int:
    if not value.is_integer() or abs(value) > _EXACT_FLOAT:
        raise Mismatch(int, value)
    return int(value)


def _read_ints(literals: Sequence[pb_literals.Literal]) -> list[int] | None:
    values = [literal.scalar.primitive.integer for literal in literals]
    return values if all(values) or _defaults_are_set(literals, values, "integer") else None


def _pack_int(value: object, _: StorageRouter) -> int:
    if type(value) is not int or not INT64_MIN <= value <= INT64_MAX:
        raise _bad_int(value)
    return value


def _unpack_int(plain: object, _: StorageRouter) -> int:
    if type(plain) is int and INT64_MIN <= plain <= INT64_MAX:
        return plain
    if type(plain) is float:
        return _int_of_float(plain)
    raise _bad_int(plain)


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


def _fill_float(literal: pb_literals.Literal, value: object, _: StorageRouter) -> None:
    literal.scalar.primitive.float_value = value if type(value) is float else _as_float(value)


def _fill_floats(add: Callable[[], pb_literals.Literal], values: Iterable[object], _: StorageRouter) -> None:
    for value in values:
        primitive = add().scalar.primitive
        primitive.float_value = value if type(value) is float else _as_float(value)


def _read_float(literal: pb_literals.Literal) -> Value:
    primitive = literal.scalar.primitive
    value = primitive.float_value
    if value:
        return value
    kind = primitive.WhichOneof("value")
    if kind == "float_value":
        return value
    return _as_float(primitive.integer) if kind == "integer" else ABSENT


def _quick_float(read: Callable[..., Value]) -> Callable[..., Value]:
    return lambda literal, storage: literal.scalar.primitive.float_value or read(literal, storage)


def _read_floats(literals: Sequence[pb_literals.Literal]) -> list[float] | None:
    values = [literal.scalar.primitive.float_value for literal in literals]
    return values if all(values) or _defaults_are_set(literals, values, "float_value") else None


def _pack_float(value: object, _: StorageRouter) -> float:
    return value if type(value) is float else _as_float(value)


# -- str, bool, None ---------------------------------------------------------------------------------------------------


def _fill_str(literal: pb_literals.Literal, value: object, _: StorageRouter) -> None:
    if type(value) is not str:
        raise Mismatch(str, value)
    try:
        literal.scalar.primitive.string_value = value
    except ValueError as exc:
        raise Mismatch(str, value, "not valid Unicode: it holds a lone surrogate") from exc


def _fill_strs(add: Callable[[], pb_literals.Literal], values: Iterable[object], _: StorageRouter) -> None:
    for value in values:
        _fill_str(add(), value, _)


def read_str(literal: pb_literals.Literal) -> Value:
    primitive = literal.scalar.primitive
    value = primitive.string_value
    return value if value or primitive.WhichOneof("value") == "string_value" else ABSENT


def _quick_str(read: Callable[..., Value]) -> Callable[..., Value]:
    return lambda literal, storage: literal.scalar.primitive.string_value or read(literal, storage)


def _read_strs(literals: Sequence[pb_literals.Literal]) -> list[str] | None:
    values = [literal.scalar.primitive.string_value for literal in literals]
    return values if all(values) or _defaults_are_set(literals, values, "string_value") else None


def _same(python_type: type) -> Callable[..., Value]:
    def check(value: object, _: StorageRouter) -> object:
        if type(value) is not python_type:
            raise Mismatch(python_type, value)
        return value

    return check


def _fill_bool(literal: pb_literals.Literal, value: object, _: StorageRouter) -> None:
    if type(value) is not bool:
        raise Mismatch(bool, value)
    literal.scalar.primitive.boolean = value


def _read_bool(literal: pb_literals.Literal) -> Value:
    primitive = literal.scalar.primitive
    return primitive.boolean if primitive.boolean or primitive.WhichOneof("value") == "boolean" else ABSENT


def _fill_none(literal: pb_literals.Literal, value: object, _: StorageRouter) -> None:
    if value is not None:
        raise Mismatch("None", value)
    literal.scalar.none_type.SetInParent()


def _read_none(literal: pb_literals.Literal) -> Value:
    return None if literal.scalar.WhichOneof("value") == "none_type" else ABSENT


# -- bytes -------------------------------------------------------------------------------------------------------------


class BytesTransformer(TypeTransformer[bytes]):
    """bytes as `scalar.binary` with the tag "bytes": never a pickle."""

    def __init__(self) -> None:
        super().__init__("bytes", bytes)

    def plain_form(self, python_type: Annotation, registry: TypeRegistry) -> PlainForm:  # noqa: ARG002 - given by the base class
        return PlainForm(_same(bytes), _same(bytes), lambda: {"type": "string", "format": "base64"}, (bytes,))

    def compile(self, python_type: Annotation, registry: TypeRegistry) -> Converter:
        plain = self.plain_form(python_type, registry)

        def fill(literal: pb_literals.Literal, value: object, _: StorageRouter) -> None:
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


SCALARS: tuple[TypeTransformer[Value], ...] = (
    ScalarTransformer(
        int,
        "INTEGER",
        _fill_int,
        _read_int,
        _pack_int,
        _unpack_int,
        {"type": "integer"},
        fill_all=_fill_ints,
        read_all=_read_ints,
        quick=_quick_int,
    ),
    ScalarTransformer(
        float,
        "FLOAT",
        _fill_float,
        _read_float,
        _pack_float,
        _pack_float,
        {"type": "number"},
        fill_all=_fill_floats,
        read_all=_read_floats,
        quick=_quick_float,
        as_is=True,
    ),
    ScalarTransformer(
        str,
        "STRING",
        _fill_str,
        read_str,
        _same(str),
        _same(str),
        {"type": "string"},
        fill_all=_fill_strs,
        read_all=_read_strs,
        quick=_quick_str,
        as_is=True,
    ),
    ScalarTransformer(
        bool, "BOOLEAN", _fill_bool, _read_bool, _same(bool), _same(bool), {"type": "boolean"}, as_is=True
    ),
    ScalarTransformer(
        type(None), "NONE", _fill_none, _read_none, _same(type(None)), _same(type(None)), {"type": "null"}, name="none"
    ),
    BytesTransformer(),
)
