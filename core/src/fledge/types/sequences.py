"""Lists and dicts: list[T] as a collection, dict[str, T] as a map, other keys and free-form dicts as MessagePack.

Conversions go item by item into the message itself (`add()` and attribute sets); the index or key of a bad item is
found only when there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from typing import TYPE_CHECKING, get_args

from fledge import idl
from fledge.errors import type_name
from fledge.types.base import TypeTransformer
from fledge.types.choices import enum_refusal
from fledge.types.converter import Converter, PlainForm
from fledge.types.freeform import convert_dict, copy_free_dict, is_key, key_from_text
from fledge.types.hints import unwrap
from fledge.types.kinds import Annotation, Plain, Value
from fledge.types.mismatch import Mismatch, key_step
from fledge.types.wire import MSGPACK, decode, msgpack_codec, msgpack_struct_type, read_indirect, unencodable

if TYPE_CHECKING:
    from fledge.idl import literals as pb_literals
    from fledge.idl import types as pb_types
    from fledge.storage import StorageRouter
    from fledge.types.base import TypeRegistry

__all__ = ["DictTransformer", "ListTransformer", "compile_struct", "pack_list", "unpack_list"]


def pack_list(item: PlainForm, values: Iterable[object], storage: StorageRouter) -> list[Value]:
    """Pack each value; the index of one that does not fit joins the path."""
    pack = item.pack
    packed: list[Plain] = []
    try:
        for value in values:
            packed.append(pack(value, storage))  # noqa: PERF401 - the length tells where it failed
    except Mismatch as exc:
        raise exc.inside(f"[{len(packed)}]") from exc.__cause__
    return packed


def unpack_list(item: PlainForm, plain: Iterable[object], storage: StorageRouter) -> list[Value]:
    """Unpack each value; the index of one that does not fit joins the path."""
    unpack = item.unpack
    values: list[Value] = []
    try:
        for value in plain:
            values.append(unpack(value, storage))  # noqa: PERF401 - the length tells where it failed
    except Mismatch as exc:
        raise exc.inside(f"[{len(values)}]") from exc.__cause__
    return values


class ListTransformer(TypeTransformer[list[Value]]):
    """list[T]. A bare `list` is refused: nothing says what is in it."""

    nested_messages = (2, 3)

    def __init__(self) -> None:
        super().__init__("Typed List", list)

    def refusal(self, python_type: Annotation) -> str:
        return "" if get_args(python_type) else "Say what is in it, as list[int]"

    def parts(self, python_type: Annotation) -> Iterable[tuple[str, Annotation]]:
        return (("[]", get_args(python_type)[0]),)

    def plain_form(self, python_type: Annotation, registry: TypeRegistry) -> PlainForm:
        item = registry.plain_form(get_args(python_type)[0])

        def pack(value: object, storage: StorageRouter) -> object:
            if type(value) is not list:
                raise Mismatch(python_type, value)
            return pack_list(item, value, storage)

        def unpack(plain: object, storage: StorageRouter) -> object:
            if type(plain) is not list:
                raise Mismatch(python_type, plain)
            return unpack_list(item, plain, storage)

        return PlainForm(
            pack,
            unpack,
            lambda: {"type": "array", "items": item.schema()},
            (list,),
            lambda value: type(value) is list and all(map(item.fits, value)),
        )

    def compile(self, python_type: Annotation, registry: TypeRegistry) -> Converter:
        item = registry.converter(get_args(python_type)[0])
        fill_all, plain = item.fill_all, _plain_if_all_have(self, python_type, registry, item)
        read_items = _list_reader(item)

        def fill(literal: pb_literals.Literal, value: object, storage: StorageRouter) -> None:
            if type(value) is not list:
                raise Mismatch(python_type, value)
            collection = literal.collection
            if not value:
                collection.SetInParent()
                return
            try:
                fill_all(collection.literals.add, value, storage)
            except Mismatch as exc:
                raise exc.inside(f"[{len(collection.literals) - 1}]") from exc.__cause__

        def read(literal: pb_literals.Literal, storage: StorageRouter) -> object:
            literals = literal.collection.literals
            if literals or literal.WhichOneof("value") == "collection":
                return read_items(literals, storage)
            return read_indirect(literal, storage, python_type, read, plain)

        return Converter(
            python_type,
            lambda: idl.types.LiteralType(collection_type=item.literal_type),
            fill,
            read,
            plain=plain,
            classes=(list,),
            fits=lambda value: type(value) is list and all(map(item.fits, value)),
        )


def _list_reader(item: Converter) -> Callable[..., list[Value]]:
    read, fast = item.read, item.read_all

    def read_each(literals: Iterable[pb_literals.Literal], storage: StorageRouter) -> list[object]:
        values: list[object] = []
        try:
            for literal in literals:
                values.append(read(literal, storage))  # noqa: PERF401 - the length tells where it failed
        except Mismatch as exc:
            raise exc.inside(f"[{len(values)}]") from exc.__cause__
        return values

    def read_fast(literals: Iterable[pb_literals.Literal], storage: StorageRouter) -> list[object]:
        try:
            return fast(literals, storage)  # type: ignore[misc]  # not None: see below
        except Mismatch:
            return read_each(literals, storage)

    return read_each if fast is None else read_fast


def _plain_if_all_have(
    transformer: TypeTransformer[Value],
    python_type: Annotation,
    registry: TypeRegistry,
    *parts: Converter,
) -> PlainForm | None:
    """The plain form of a container, unless something in it has none."""
    if any(part.plain is None for part in parts):
        return None
    return transformer.plain_form(python_type, registry)


class DictTransformer(TypeTransformer[dict[Value, Value]]):
    """dict[str, T] is a Flyte map; with other keys, or as a bare `dict` of free-form data, it is MessagePack."""

    nested_messages = (3, 3)

    def __init__(self) -> None:
        super().__init__("Typed Dict", dict)

    def refusal(self, python_type: Annotation) -> str:
        key = unwrap(get_args(python_type)[0])[0] if get_args(python_type) else str
        if not is_key(key):
            return "Its keys must be str, int, bool, float, date, datetime or an Enum"
        reason = enum_refusal(key) if isinstance(key, type) and issubclass(key, Enum) else ""
        return f"Its keys cannot be {type_name(key)}. {reason}" if reason else ""

    def parts(self, python_type: Annotation) -> Iterable[tuple[str, Annotation]]:
        args = get_args(python_type)
        return (("[]", args[1]),) if args else ()

    def plain_form(self, python_type: Annotation, registry: TypeRegistry) -> PlainForm:
        args = get_args(python_type)
        if not args:
            return PlainForm(copy_free_dict, copy_free_dict, lambda: {"type": "object"}, (dict,))
        key, value = registry.plain_form(args[0]), registry.plain_form(args[1])
        unpack_key = key_from_text(unwrap(args[0])[0], key.unpack)

        def pack(mapping: object, storage: StorageRouter) -> object:
            return convert_dict(mapping, key.pack, value.pack, storage, python_type)

        def unpack(plain: object, storage: StorageRouter) -> object:
            return convert_dict(plain, unpack_key, value.unpack, storage, python_type)

        return PlainForm(
            pack,
            unpack,
            lambda: {"type": "object", "additionalProperties": value.schema(), "propertyNames": key.schema()},
            (dict,),
            lambda mapping: (
                type(mapping) is dict and all(map(key.fits, mapping)) and all(map(value.fits, mapping.values()))
            ),
        )

    def compile(self, python_type: Annotation, registry: TypeRegistry) -> Converter:
        args = get_args(python_type)
        if args and unwrap(args[0])[0] is str:
            return self._compile_map(python_type, registry)
        return compile_struct(python_type, self.plain_form(python_type, registry), msgpack_struct_type)

    def _compile_map(self, python_type: Annotation, registry: TypeRegistry) -> Converter:
        item = registry.converter(get_args(python_type)[1])
        fill_item, read_item = item.fill, item.read
        plain = _plain_if_all_have(self, python_type, registry, item)

        def fill(literal: pb_literals.Literal, value: object, storage: StorageRouter) -> None:
            if type(value) is not dict:
                raise Mismatch(python_type, value)
            if not value:
                literal.map.SetInParent()
                return
            literals, key = literal.map.literals, None
            try:
                for key, item_value in value.items():
                    if type(key) is not str:
                        raise Mismatch("str key", key)  # noqa: TRY301 - its step joins the path below
                    fill_item(literals[key], item_value, storage)
            except Mismatch as exc:
                raise exc.inside(key_step(key)) from exc.__cause__
            except ValueError as exc:  # protobuf refuses the key
                reason = "not valid Unicode: it holds a lone surrogate"
                raise Mismatch("str key", key, reason).inside(key_step(key)) from exc

        def read(literal: pb_literals.Literal, storage: StorageRouter) -> object:
            literals = literal.map.literals
            if not literals and literal.WhichOneof("value") != "map":
                return read_indirect(literal, storage, python_type, read, plain)
            values, key = {}, None
            try:
                for key, item_literal in literals.items():
                    values[key] = read_item(item_literal, storage)
            except Mismatch as exc:
                raise exc.inside(key_step(key)) from exc.__cause__
            return values

        return Converter(
            python_type,
            lambda: idl.types.LiteralType(map_value_type=item.literal_type),
            fill,
            read,
            plain=plain,
            classes=(dict,),
            fits=lambda value: type(value) is dict and all(map(item.fits, value.values())),
        )


def compile_struct(
    python_type: Annotation,
    plain: PlainForm,
    literal_type: Callable[[], pb_types.LiteralType],
) -> Converter:
    """A converter of a type that travels as MessagePack: its plain form packed."""
    pack, unpack = plain.pack, plain.unpack

    def fill(literal: pb_literals.Literal, value: object, storage: StorageRouter) -> None:
        packed, binary = pack(value, storage), literal.scalar.binary
        try:
            binary.value = msgpack_codec()[0](packed)
        except (UnicodeEncodeError, OverflowError) as exc:
            raise unencodable(exc, packed) from exc
        binary.tag = MSGPACK

    def read(literal: pb_literals.Literal, storage: StorageRouter) -> object:
        binary = literal.scalar.binary
        if binary.tag == MSGPACK:
            return unpack(decode(binary.value, python_type, literal), storage)
        return read_indirect(literal, storage, python_type, read, plain)

    return Converter(python_type, literal_type, fill, read, plain=plain, classes=plain.classes, fits=plain.fits)
