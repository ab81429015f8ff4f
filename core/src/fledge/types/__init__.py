"""The type layer's door: Python values to Flyte literals and back, by annotation."""

from fledge.types.annotated import HashMethod, Pickled
from fledge.types.base import TypeRegistry, TypeTransformer
from fledge.types.builtin import builtin_registry
from fledge.types.converter import Converter

__all__ = [
    "Converter",
    "HashMethod",
    "Pickled",
    "TypeRegistry",
    "TypeTransformer",
    "builtin_registry",
]
