"""A fresh registry with every transformer that comes with fledge."""

from __future__ import annotations

from fledge.types.base import TypeRegistry
from fledge.types.scalars import SCALARS
from fledge.types.sequences import DictTransformer, ListTransformer

__all__ = ["builtin_registry"]


def builtin_registry() -> TypeRegistry:
    """Each call makes a new one: what a plugin registers in one context is not seen in another."""
    registry = TypeRegistry()
    for transformer in (*SCALARS, ListTransformer(), DictTransformer()):
        registry.register(transformer)
    return registry
