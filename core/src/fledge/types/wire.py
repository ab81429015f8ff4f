"""The forms in which a value may reach a reader besides its own: MessagePack, an old Struct, an offloaded literal.

In: a literal of a variant the reader did not expect. Out: the value, when the literal carries it in one of these forms,
else a Mismatch. msgspec is loaded when the first structured value is packed or unpacked.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from fledge import idl
from fledge.types.mismatch import Mismatch

if TYPE_CHECKING:
    from google.protobuf import struct_pb2

    from fledge.idl import literals as pb_literals
    from fledge.idl import types as pb_types
    from fledge.storage import StorageRouter
    from fledge.types.converter import PlainForm
    from fledge.types.kinds import Plain

__all__ = [
    "MSGPACK",
    "decode",
    "msgpack_codec",
    "msgpack_struct_type",
    "read_indirect",
    "read_uri",
    "simple_type",
    "unencodable",
]

MSGPACK = "msgpack"


@cache
def msgpack_codec() -> tuple[Callable[[Plain], bytes], Callable[[bytes], Plain]]:
    """Plain values to bytes, and back."""
    from msgspec import msgpack  # noqa: PLC0415 - only structured values need it

    return msgpack.Encoder().encode, msgpack.Decoder().decode


def unencodable(error: UnicodeEncodeError | OverflowError, plain: object) -> Mismatch:
    """Why plain values are no MessagePack: text that is not valid Unicode, or an integer beyond 64 bits."""
    if isinstance(error, UnicodeEncodeError):
        return Mismatch("text", error.object, f"not valid Unicode: {error.reason}")
    return Mismatch("integers of 64 bits", plain, str(error))


def decode(data: bytes, expected: object, literal: pb_literals.Literal) -> Plain:
    """The plain value of a `scalar.binary` literal with tag "msgpack", out of its bytes."""
    try:
        return msgpack_codec()[1](data)
    except Exception as exc:  # whatever bytes from outside make msgspec raise: they are not the value we expect
        raise Mismatch(expected, literal, f"the MessagePack bytes cannot be read: {exc}") from exc


def simple_type(name: str) -> Callable[[], pb_types.LiteralType]:
    """A function that makes `LiteralType(simple=name)`."""
    return lambda: idl.types.LiteralType(simple=name)


def msgpack_struct_type() -> pb_types.LiteralType:
    """A STRUCT type marked as traveling in MessagePack, as Flyte 1.14 and later do."""
    made = idl.types.LiteralType(simple=idl.types.SimpleType.STRUCT)
    inner = made.annotation.annotations.fields["cache-key-metadata"].struct_value
    inner.fields["serialization-format"].string_value = MSGPACK
    return made


def read_indirect(
    literal: pb_literals.Literal,
    storage: StorageRouter,
    expected: object,
    read: Callable[[pb_literals.Literal, StorageRouter], Plain],
    plain: PlainForm | None,
) -> Plain:
    """Read what the direct form could not: call it when the literal is of another variant."""
    variant = literal.WhichOneof("value")
    if variant == "offloaded_metadata":
        inner = _load(literal, storage, expected)
        if inner.WhichOneof("value") != "offloaded_metadata":
            return read(inner, storage)
    elif variant == "scalar":
        variant = literal.scalar.WhichOneof("value")
        if variant == "primitive":
            variant = literal.scalar.primitive.WhichOneof("value")
        elif plain is not None and variant == "binary" and literal.scalar.binary.tag == MSGPACK:
            return plain.unpack(decode(literal.scalar.binary.value, expected, literal), storage)
        elif plain is not None and variant == "generic":
            return plain.unpack(_struct_to_plain(literal.scalar.generic), storage)
    raise Mismatch(expected, literal, f"the literal holds {variant or 'nothing'}")


def _load(literal: pb_literals.Literal, storage: StorageRouter, expected: object) -> pb_literals.Literal:
    data = read_uri(literal.offloaded_metadata.uri, literal, expected, storage)
    try:
        return idl.literals.Literal.FromString(data)
    except Exception as exc:  # protobuf's implementations raise different classes for bytes that are no message
        raise Mismatch(expected, literal, f"the offloaded literal cannot be read: {exc}") from exc


def read_uri(uri: str, literal: pb_literals.Literal, expected: object, storage: StorageRouter) -> bytes:
    """The bytes at a URI that came in a literal. StorageError when they cannot be had, Mismatch when it is no URI."""
    try:
        return storage.read(uri)
    except ValueError as exc:  # what Python says to a path with a null byte in it
        raise Mismatch(expected, literal, f"not a URI: {exc}") from exc


def _struct_to_plain(struct: struct_pb2.Struct) -> dict[str, Plain]:
    return {key: _value_to_plain(value) for key, value in struct.fields.items()}


def _value_to_plain(value: struct_pb2.Value) -> Plain:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return _struct_to_plain(value.struct_value)
    if kind == "list_value":
        return [_value_to_plain(item) for item in value.list_value.values]
    return None if kind in ("null_value", None) else getattr(value, kind)
