"""A fresh registry with every transformer that comes with fledge."""

from __future__ import annotations

from fledge.types.base import TypeRegistry
from fledge.types.blobs import BLOBS
from fledge.types.choices import EnumTransformer, LiteralTransformer
from fledge.types.scalars import SCALARS
from fledge.types.sequences import DictTransformer, ListTransformer
from fledge.types.structs import (
    DataclassTransformer,
    NamedTupleTransformer,
    SetTransformer,
    TupleTransformer,
    TypedDictTransformer,
)
from fledge.types.times import TIMES
from fledge.types.unions import UnionTransformer

__all__ = ["builtin_registry"]

_TRANSFORMERS = (
    *SCALARS,
    *TIMES,
    *BLOBS,
    EnumTransformer(),
    ListTransformer(),
    DictTransformer(),
    TupleTransformer(),
    SetTransformer(set),
    SetTransformer(frozenset),
)
_FORMS = (
    UnionTransformer(),
    LiteralTransformer(),
    TypedDictTransformer(),
    NamedTupleTransformer(),
    DataclassTransformer(),
)


def builtin_registry() -> TypeRegistry:
    """Each call makes a new one: what a plugin registers in one context is not seen in another."""
    registry = TypeRegistry()
    for transformer in _TRANSFORMERS:
        registry.register(transformer)
    for form in _FORMS:
        registry.register_form(form)
    return registry
