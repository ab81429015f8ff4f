"""Unions: the exact run-time type first, then the declared order; the chosen variant is stored and obeyed.

As a literal, the variant is stored as its Flyte type with the transformer's name as tag. Where two variants have the
same Flyte type (two classes of one name and shape), the name of the Python type goes into the literal's metadata.
Inside structured values, the plain value stands alone, as flytekit writes it, unless a reader would take it for
another variant: then it is wrapped together with the variant's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, get_args

from fledge import idl
from fledge.errors import type_name
from fledge.types.base import TypeForm
from fledge.types.converter import Converter, PlainForm
from fledge.types.hints import is_union
from fledge.types.mismatch import Mismatch
from fledge.types.wire import read_indirect

if TYPE_CHECKING:
    from fledge.idl import literals as pb_literals
    from fledge.idl import types as pb_types
    from fledge.storage import StorageRouter
    from fledge.types.base import TypeRegistry
    from fledge.types.kinds import Annotation, Plain, Value

__all__ = ["UnionTransformer"]

VARIANT_KEY = "fledge.variant"
_PRIMITIVES = {"integer": int, "float_value": float, "boolean": bool, "string_value": str}


class UnionTransformer(TypeForm):
    """`Union[...]`, `Optional[...]` and `X | Y`."""

    nested_messages = (3, 5)

    def __init__(self) -> None:
        super().__init__("Typed Union")

    def matches(self, python_type: Annotation) -> bool:
        return is_union(python_type)

    def parts(self, python_type: Annotation) -> Iterable[tuple[str, Annotation]]:
        return [("", arg) for arg in get_args(python_type)]

    def plain_form(self, python_type: Annotation, registry: TypeRegistry) -> PlainForm:
        return _PlainUnion(python_type, registry).form()

    def compile(self, python_type: Annotation, registry: TypeRegistry) -> Converter:
        union = _LiteralUnion(python_type, registry)
        has_plain = all(variant.plain is not None for variant in union.variants)
        union.plain = self.plain_form(python_type, registry) if has_plain else None
        return Converter(
            python_type,
            union.literal_type,
            union.fill,
            union.read,
            plain=union.plain,
            classes=tuple(union.candidates),
            fits=lambda value: any(variant.fits(value) for variant in union.variants),
        )


def _by_class(classes: Iterable[tuple[type, ...]]) -> tuple[dict[type, list[int]], dict[type, int]]:
    """Which variants have values of a class, and which is the only one."""
    several: dict[type, list[int]] = {}
    for index, variant_classes in enumerate(classes):
        for cls in variant_classes:
            several.setdefault(cls, []).append(index)
    return several, {cls: found[0] for cls, found in several.items() if len(found) == 1}


def _order(
    value: object, candidates: dict[type, list[int]], variants: Sequence[Converter | PlainForm]
) -> Iterator[int]:
    """Which variants to try: exactly this type at every depth, then of this class, then all others."""
    same_class = candidates.get(type(value), [])
    exact = [index for index in same_class if variants[index].fits(value)]
    yield from exact
    yield from (index for index in same_class if index not in exact)
    yield from (index for index in range(len(variants)) if index not in same_class)


class _LiteralUnion:
    """The variants of one union as literals."""

    def __init__(self, python_type: Annotation, registry: TypeRegistry) -> None:
        self.python_type = python_type
        args = get_args(python_type)
        self.variants = [registry.converter(arg) for arg in args]
        self.names = [type_name(arg) for arg in args]
        self.tags = [registry.find(arg)[0].name for arg in args]
        self.types = [_tagged(variant.literal_type, tag) for variant, tag in zip(self.variants, self.tags, strict=True)]
        self.candidates, self.only = _by_class(variant.classes for variant in self.variants)
        self.fills = [variant.fill for variant in self.variants]
        self.plain: PlainForm | None = None
        self.by_type: dict[bytes, list[int]] = {}
        for index, made in enumerate(self.types):
            self.by_type.setdefault(made.SerializeToString(deterministic=True), []).append(index)
        self.only_tag = {tag: index for index, tag in enumerate(self.tags) if self.tags.count(tag) == 1}
        self.reads = [variant.read for variant in self.variants]
        self.alike = {index for group in self.by_type.values() if len(group) > 1 for index in group}

    def literal_type(self) -> pb_types.LiteralType:
        return idl.types.LiteralType(union_type=idl.types.UnionType(variants=self.types))

    # -- writing --------------------------------------------------------------------------------------------------

    def fill(self, literal: pb_literals.Literal, value: object, storage: StorageRouter) -> None:
        index = self.only.get(type(value))
        if index is not None:
            self._fill_variant(index, literal, value, storage)
            return
        for index in _order(value, self.candidates, self.variants):
            try:
                self._fill_variant(index, literal, value, storage)
            except Mismatch:
                literal.Clear()
            else:
                return
        raise Mismatch(self.python_type, value)

    def _fill_variant(self, index: int, literal: pb_literals.Literal, value: object, storage: StorageRouter) -> None:
        union = literal.scalar.union
        union.type.CopyFrom(self.types[index])
        self.fills[index](union.value, value, storage)
        if index in self.alike:
            literal.metadata[VARIANT_KEY] = self.names[index]

    # -- reading --------------------------------------------------------------------------------------------------

    def read(self, literal: pb_literals.Literal, storage: StorageRouter) -> Value:
        union = literal.scalar.union
        index = self.only_tag.get(union.type.structure.tag)
        if index is not None:  # its own reader tells whether the rest of the type is right
            return self.reads[index](union.value, storage)
        if literal.scalar.WhichOneof("value") != "union":
            return self._read_bare(literal, storage)
        found = self.by_type.get(union.type.SerializeToString(deterministic=True))
        if found is None:
            return self._read_first(self._like(union.type), union.value, storage)
        if len(found) > 1 and VARIANT_KEY in literal.metadata:
            name = literal.metadata[VARIANT_KEY]
            found = [index for index in found if self.names[index] == name] or found
        if len(found) == 1:
            return self.reads[found[0]](union.value, storage)
        return self._read_first(found, union.value, storage)

    def _like(self, stored: pb_types.LiteralType) -> list[int]:
        """Variants of the stored type, whatever their schema and annotations say: another SDK wrote it."""
        tag, essence = stored.structure.tag, _essence(stored)
        known = [index for index in range(len(self.variants)) if tag in ("", self.tags[index])]
        return [index for index in known if _essence(self.types[index]) == essence]

    def _read_bare(self, literal: pb_literals.Literal, storage: StorageRouter) -> Value:
        """A literal without a stored variant, as a default or an attribute of a structured value may be."""
        try:
            return read_indirect(literal, storage, self.python_type, self.read, self.plain)
        except Mismatch as exc:
            if exc.steps or exc.value is not literal:
                raise
        kind = _PRIMITIVES.get(literal.scalar.primitive.WhichOneof("value") or "")
        exact = [index for index, variant in enumerate(self.variants) if kind in variant.classes]
        return self._read_first(exact + [i for i in range(len(self.variants)) if i not in exact], literal, storage)

    def _read_first(self, order: list[int], literal: pb_literals.Literal, storage: StorageRouter) -> Value:
        for index in order:
            try:
                return self.reads[index](literal, storage)
            except Mismatch:
                continue
        raise Mismatch(self.python_type, literal)


def _tagged(literal_type: pb_types.LiteralType, tag: str) -> pb_types.LiteralType:
    made = idl.types.LiteralType()
    made.CopyFrom(literal_type)
    made.ClearField("structure")
    made.structure.tag = tag
    return made


def _essence(literal_type: pb_types.LiteralType) -> pb_types.LiteralType:
    """The type without schema, annotation and tags, at every depth."""
    made = idl.types.LiteralType()
    made.CopyFrom(literal_type)
    _strip(made)
    return made


def _strip(literal_type: pb_types.LiteralType) -> None:
    for field in ("metadata", "annotation", "structure"):
        literal_type.ClearField(field)
    kind = literal_type.WhichOneof("type")
    if kind == "collection_type":
        _strip(literal_type.collection_type)
    elif kind == "map_value_type":
        _strip(literal_type.map_value_type)
    elif kind == "union_type":
        for variant in literal_type.union_type.variants:
            _strip(variant)


# -- inside structured values ------------------------------------------------------------------------------------------

_WRAPPED = {"__variant__", "value"}


class _PlainUnion:
    """The variants of one union inside a structured value."""

    def __init__(self, python_type: Annotation, registry: TypeRegistry) -> None:
        self.python_type = python_type
        args = get_args(python_type)
        self.forms = [registry.plain_form(arg) for arg in args]
        self.names = [type_name(arg) for arg in args]
        self.candidates, self.only = _by_class(form.classes for form in self.forms)
        self.none = self.only.get(type(None))
        self.is_optional = self.none is not None and len(args) == 2

    def form(self) -> PlainForm:
        pack, unpack = self._optional() if self.is_optional else (self.pack, self.unpack)
        classes = tuple(self.candidates)
        return PlainForm(
            pack,
            unpack,
            lambda: {"anyOf": [form.schema() for form in self.forms]},
            classes,
            lambda value: any(form.fits(value) for form in self.forms),
        )

    def _optional(self) -> tuple[Callable[..., Value], Callable[..., Value]]:
        (inner,) = (form for index, form in enumerate(self.forms) if index != self.none)
        pack, unpack = inner.pack, inner.unpack
        return (
            lambda value, storage: None if value is None else pack(value, storage),
            lambda plain, storage: None if plain is None else unpack(plain, storage),
        )

    def pack(self, value: object, storage: StorageRouter) -> Value:
        index = self.only.get(type(value))
        if index is not None:
            return self._mark(index, self.forms[index].pack(value, storage), storage)
        for index in _order(value, self.candidates, self.forms):
            try:
                plain = self.forms[index].pack(value, storage)
            except Mismatch:
                continue
            return self._mark(index, plain, storage)
        raise Mismatch(self.python_type, value)

    def _mark(self, index: int, plain: Plain, storage: StorageRouter) -> Value:
        """The plain value as it is when a reader finds the variant by itself; else with its name."""
        looks_wrapped = type(plain) is dict and plain.keys() == _WRAPPED
        if not looks_wrapped and self._choose(plain, storage)[0] == index:
            return plain
        return {"__variant__": self.names[index], "value": plain}

    def unpack(self, plain: Plain, storage: StorageRouter) -> Value:
        if type(plain) is dict and plain.keys() == _WRAPPED and plain["__variant__"] in self.names:
            return self.forms[self.names.index(plain["__variant__"])].unpack(plain["value"], storage)
        index, value = self._choose(plain, storage)
        if index is None:
            raise Mismatch(self.python_type, plain, self._reasons(plain, storage))
        return value

    def _reasons(self, plain: Plain, storage: StorageRouter) -> str:
        """Why no variant takes it: of those that it resembles, where it stops to do so."""
        found = []
        for name, form in zip(self.names, self.forms, strict=True):
            try:
                form.unpack(plain, storage)
            except Mismatch as exc:
                if exc.steps:
                    found.append(str(exc.error(name)))
                elif exc.reason:
                    found.append(f"{name}: {exc.reason}")
        return "; ".join(found)

    def _choose(self, plain: Plain, storage: StorageRouter) -> tuple[int | None, Value]:
        """The first variant that takes it: those with values of exactly this class before the others, for numbers."""
        exact = self.candidates.get(type(plain), []) if type(plain) in (int, float, bool, type(None)) else []
        for index in [*exact, *(i for i in range(len(self.forms)) if i not in exact)]:
            try:
                return index, self.forms[index].unpack(plain, storage)
            except Mismatch:
                continue
        return None, None
