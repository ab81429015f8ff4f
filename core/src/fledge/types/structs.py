"""Values with named fields - dataclasses, TypedDict, NamedTuple - and what only lives inside them: tuples and sets.

Each becomes a plain dict (NamedTuple: a list) in declared order, packed as MessagePack. A dataclass carries its JSON
schema and the Flyte types of its fields in the literal type. Values have exactly the declared class, so that what comes
back is what went in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, get_args

from fledge.errors import nearest
from fledge.types.base import TypeForm, TypeTransformer
from fledge.types.converter import Converter, PlainForm
from fledge.types.fields import Field, dataclass_fields, lost_init_var, named_tuple_fields, typed_dict_fields
from fledge.types.hints import class_of
from fledge.types.kinds import Annotation, Plain, Value
from fledge.types.mismatch import Mismatch
from fledge.types.schema import dataclass_schema, named_tuple_schema, typed_dict_schema
from fledge.types.sequences import compile_struct, pack_list, unpack_list
from fledge.types.wire import msgpack_struct_type

if TYPE_CHECKING:
    from fledge.idl import types as pb_types
    from fledge.storage import StorageRouter
    from fledge.types.base import TypeRegistry

__all__ = [
    "DataclassTransformer",
    "NamedTupleTransformer",
    "SetTransformer",
    "TupleTransformer",
    "TypedDictTransformer",
]


class _StructTransformer(TypeForm):
    """Named fields, by a function that lists them."""

    is_struct = True
    nested_messages = (6, 6)

    def __init__(self, name: str, fields: Callable[[Annotation], list[Field]]) -> None:
        super().__init__(name)
        self._fields = fields

    def parts(self, python_type: Annotation) -> Iterable[tuple[str, Annotation]]:
        return [(f".{field.name}", field.annotation) for field in self._fields(python_type)]

    def literal_type(self, python_type: Annotation, registry: TypeRegistry) -> pb_types.LiteralType:  # noqa: ARG002 - given by the base class
        return msgpack_struct_type()

    def compile(self, python_type: Annotation, registry: TypeRegistry) -> Converter:
        plain = registry.plain_form(python_type)
        return compile_struct(python_type, plain, lambda: self.literal_type(python_type, registry))

    def _forms(self, python_type: Annotation, registry: TypeRegistry) -> dict[str, PlainForm]:
        return {field.name: registry.plain_form(field.annotation) for field in self._fields(python_type)}


def _pack_fields(
    value: Mapping[str, Value],
    forms: Mapping[str, PlainForm],
    storage: StorageRouter,
) -> dict[str, Plain]:
    packed, name = {}, ""
    try:
        for name, form in forms.items():
            if name in value:
                packed[name] = form.pack(value[name], storage)
    except Mismatch as exc:
        raise exc.inside(f".{name}") from exc.__cause__
    return packed


def _unpacker(
    python_type: Annotation, fields: list[Field], forms: Mapping[str, PlainForm], make: Callable[..., Value]
) -> Callable[..., Value]:
    """From a plain dict to `make(**values)`: a required field must be there, unknown ones are left out."""
    steps = [(one.name, forms[one.name].as_is, forms[one.name].unpack, one.required) for one in fields]

    def unpack(plain: object, storage: StorageRouter) -> object:
        if type(plain) is not dict:
            raise Mismatch(python_type, plain)
        values, name = {}, ""
        try:
            for name, as_is, unpack_field, required in steps:
                if name in plain:
                    value = plain[name]
                    values[name] = value if type(value) is as_is else unpack_field(value, storage)
                elif required:
                    raise Mismatch(python_type, plain, f"field {name!r} is missing")  # noqa: TRY301 - its step joins the path below
        except Mismatch as exc:
            raise (exc if exc.value is plain else exc.inside(f".{name}")) from exc.__cause__
        try:
            return make(**values)
        except Exception as exc:  # a user's __init__ or __post_init__ may raise anything
            name = class_of(python_type).__name__
            raise Mismatch(python_type, plain, f"{name}(...): {type(exc).__name__}: {exc}") from exc

    return unpack


def _known_only(python_type: Annotation, names: Iterable[str], unpack: Callable[..., Value]) -> Callable[..., Value]:
    """`unpack` for what people write: a field that the type does not have is a typing error."""
    known = list(names)

    def unpack_known(plain: object, storage: StorageRouter) -> object:
        if type(plain) is dict and (unknown := plain.keys() - known):
            word = min(unknown, key=repr)
            hint = nearest(str(word), known) or "."
            raise Mismatch(python_type, plain, f"it has no field {word!r}{hint} Its fields: {', '.join(known)}")
        return unpack(plain, storage)

    return unpack_known


class DataclassTransformer(_StructTransformer):
    """Dataclasses: frozen, with slots, inherited, generic (`Box[int]`)."""

    def __init__(self) -> None:
        super().__init__("Object-Dataclass-Transformer", dataclass_fields)

    def matches(self, python_type: Annotation) -> bool:
        return hasattr(class_of(python_type), "__dataclass_fields__")

    def refusal(self, python_type: Annotation) -> str:
        name = lost_init_var(class_of(python_type))
        return f"Its InitVar {name!r} cannot be got back from a value: give it a default" if name else ""

    def literal_type(self, python_type: Annotation, registry: TypeRegistry) -> pb_types.LiteralType:
        fields = self._fields(python_type)
        made = msgpack_struct_type()
        made.metadata.update(dataclass_schema(python_type, fields, self._forms(python_type, registry)))
        made.structure.SetInParent()
        for field in fields:
            if registry.has_literal_form(field.annotation):
                made.structure.dataclass_type[field.name].CopyFrom(registry.literal_type(field.annotation))
        return made

    def plain_form(self, python_type: Annotation, registry: TypeRegistry) -> PlainForm:
        fields, forms = self._fields(python_type), self._forms(python_type, registry)
        cls = class_of(python_type)
        packs = [(name, form.as_is, form.pack) for name, form in forms.items()]
        late = [field.name for field in fields if not field.init]

        def pack(value: object, storage: StorageRouter) -> object:
            if type(value) is not cls:
                reason = "a subclass would come back as its base" if isinstance(value, cls) else ""
                raise Mismatch(python_type, value, reason)
            packed, name = {}, ""
            try:
                for name, as_is, pack_field in packs:
                    field = getattr(value, name)
                    packed[name] = field if type(field) is as_is else pack_field(field, storage)
            except Mismatch as exc:
                raise exc.inside(f".{name}") from exc.__cause__
            except AttributeError as exc:
                raise Mismatch(python_type, value, f"its field {name!r} is not set") from exc
            return packed

        def make(**values: Value) -> object:
            after = [(name, values.pop(name)) for name in late if name in values]
            made = cls(**values)
            for name, value in after:
                object.__setattr__(made, name, value)
            return made

        unpack = _unpacker(python_type, fields, forms, make if late else cls)
        if registry.refuses_unknown_fields:
            unpack = _known_only(python_type, forms, unpack)

        def fits(value: object) -> bool:
            return type(value) is cls and all(form.fits(getattr(value, name, None)) for name, form in forms.items())

        return PlainForm(pack, unpack, lambda: dataclass_schema(python_type, fields, forms), (cls,), fits)


class TypedDictTransformer(_StructTransformer):
    """TypedDict classes: dicts with known keys, of which some may be left out."""

    def __init__(self) -> None:
        super().__init__("Typed Dict", typed_dict_fields)

    def matches(self, python_type: Annotation) -> bool:
        return hasattr(class_of(python_type), "__required_keys__")

    def plain_form(self, python_type: Annotation, registry: TypeRegistry) -> PlainForm:
        fields, forms = self._fields(python_type), self._forms(python_type, registry)
        required = {field.name for field in fields if field.required}

        def pack(value: object, storage: StorageRouter) -> object:
            if type(value) is not dict:
                raise Mismatch(python_type, value)
            missing, unknown = required - value.keys(), value.keys() - forms.keys()
            if missing or unknown:
                what = "missing" if missing else "unknown"
                raise Mismatch(python_type, value, f"{what} key {min(missing or unknown, key=repr)!r}")
            return _pack_fields(value, forms, storage)

        def fits(value: object) -> bool:
            known = type(value) is dict and required <= value.keys() <= forms.keys()
            return known and all(forms[key].fits(item) for key, item in value.items())  # type: ignore[attr-defined]  # a dict

        unpack = _unpacker(python_type, fields, forms, dict)
        if registry.refuses_unknown_fields:
            unpack = _known_only(python_type, forms, unpack)
        return PlainForm(pack, unpack, lambda: typed_dict_schema(fields, forms), (dict,), fits)


class NamedTupleTransformer(_StructTransformer):
    """NamedTuple classes as values: a list on the wire."""

    def __init__(self) -> None:
        super().__init__("Named Tuple", named_tuple_fields)

    def matches(self, python_type: Annotation) -> bool:
        cls = class_of(python_type)
        return isinstance(cls, type) and issubclass(cls, tuple) and hasattr(cls, "_fields")

    def literal_type(self, python_type: Annotation, registry: TypeRegistry) -> pb_types.LiteralType:
        made = msgpack_struct_type()
        schema = self.plain_form(python_type, registry).schema()
        made.metadata.update({"title": class_of(python_type).__name__, **schema})
        return made

    def plain_form(self, python_type: Annotation, registry: TypeRegistry) -> PlainForm:
        fields, forms, cls = self._fields(python_type), self._forms(python_type, registry), class_of(python_type)
        unpack_named = _unpacker(python_type, fields, forms, cls)

        def pack(value: object, storage: StorageRouter) -> object:
            if type(value) is not cls:
                raise Mismatch(python_type, value)
            return list(_pack_fields(value._asdict(), forms, storage).values())  # type: ignore[attr-defined]  # of cls

        def unpack(plain: object, storage: StorageRouter) -> object:
            if type(plain) is not list or len(plain) > len(fields):
                raise Mismatch(python_type, plain)
            named = dict(zip(forms, plain, strict=False))
            try:
                return unpack_named(named, storage)
            except Mismatch as exc:
                raise (Mismatch(python_type, plain, exc.reason) if exc.value is named else exc) from exc.__cause__

        def fits(value: object) -> bool:
            return type(value) is cls and _all_fit(forms.values(), value)

        return PlainForm(pack, unpack, lambda: named_tuple_schema(fields, forms), (cls,), fits)


# -- only inside structured values -------------------------------------------------------------------------------------


class TupleTransformer(TypeTransformer[tuple[Value, ...]]):
    """tuple[A, B] and tuple[A, ...] inside structured values; Flyte itself has no tuples."""

    has_literal_form = False
    nested_messages = (5, 5)

    def __init__(self) -> None:
        super().__init__("tuple", tuple)

    def refusal(self, python_type: Annotation) -> str:
        return "Say what is in it, as tuple[int, str] or tuple[int, ...]" if python_type is tuple else ""

    def parts(self, python_type: Annotation) -> Iterable[tuple[str, Annotation]]:
        return [("[]", arg) for arg in _tuple_args(python_type) if arg is not Ellipsis]

    def plain_form(self, python_type: Annotation, registry: TypeRegistry) -> PlainForm:
        args = _tuple_args(python_type)
        if len(args) == 2 and args[1] is Ellipsis:
            return _many(tuple, python_type, registry.plain_form(args[0]), {})
        forms = [registry.plain_form(arg) for arg in args]

        def pack(value: object, storage: StorageRouter) -> object:
            if type(value) is not tuple or len(value) != len(forms):
                raise Mismatch(python_type, value)
            return _each(forms, value, "pack", storage)

        def unpack(plain: object, storage: StorageRouter) -> object:
            if type(plain) is not list or len(plain) != len(forms):
                raise Mismatch(python_type, plain)
            return tuple(_each(forms, plain, "unpack", storage))

        def schema() -> dict[str, Plain]:
            if not forms:
                return {"type": "array", "maxItems": 0}
            items, count = [form.schema() for form in forms], len(forms)
            return {"type": "array", "prefixItems": items, "maxItems": count, "minItems": count}

        def fits(value: object) -> bool:
            return type(value) is tuple and len(value) == len(forms) and _all_fit(forms, value)

        return PlainForm(pack, unpack, schema, (tuple,), fits)


def _all_fit(forms: Iterable[PlainForm], values: Value) -> bool:
    return all(form.fits(value) for form, value in zip(forms, values, strict=True))


def _tuple_args(python_type: Annotation) -> tuple[Value, ...]:
    """Python 3.10 gives ((),) for tuple[()]."""
    args = get_args(python_type)
    return () if args == ((),) else args


def _each(forms: list[PlainForm], values: Iterable[object], way: str, storage: StorageRouter) -> list[Value]:
    made: list[Value] = []
    try:
        for form, value in zip(forms, values, strict=True):
            made.append(getattr(form, way)(value, storage))
    except Mismatch as exc:
        raise exc.inside(f"[{len(made)}]") from exc.__cause__
    return made


class SetTransformer(TypeTransformer[Value]):
    """set[T] or frozenset[T] inside structured values: a sorted list."""

    has_literal_form = False
    nested_messages = (3, 3)

    def __init__(self, kind: type) -> None:
        super().__init__(kind.__name__, kind)
        self._kind = kind

    def refusal(self, python_type: Annotation) -> str:
        return "" if get_args(python_type) else f"As a field, say what is in it: {self.name}[int]; else use list[...]"

    def parts(self, python_type: Annotation) -> Iterable[tuple[str, Annotation]]:
        return [("[]", arg) for arg in get_args(python_type)]

    def plain_form(self, python_type: Annotation, registry: TypeRegistry) -> PlainForm:
        item = registry.plain_form(get_args(python_type)[0])
        return _many(self._kind, python_type, item, {"uniqueItems": True})


def _many(kind: Annotation, python_type: Annotation, item: PlainForm, extra: dict[str, Annotation]) -> PlainForm:
    """Any number of items of one type as a list; sets are sorted, so that equal sets give equal bytes."""

    def pack(value: object, storage: StorageRouter) -> object:
        if type(value) is not kind:
            raise Mismatch(python_type, value)
        packed = pack_list(item, value, storage)  # type: ignore[arg-type]  # kind can be walked
        if kind is tuple:
            return packed
        try:
            return sorted(packed)
        except TypeError:  # items of several types
            return sorted(packed, key=repr)

    def unpack(plain: object, storage: StorageRouter) -> object:
        if type(plain) is not list:
            raise Mismatch(python_type, plain)
        values = unpack_list(item, plain, storage)
        try:
            return kind(values)
        except TypeError as exc:
            raise Mismatch(python_type, plain, str(exc)) from exc

    return PlainForm(
        pack,
        unpack,
        lambda: {"type": "array", "items": item.schema(), **extra},
        (kind,),
        lambda value: type(value) is kind and all(map(item.fits, value)),
    )
