"""The type layer's door: Python values to Flyte literals and back, by annotation."""

from fledge.types.annotated import HashMethod, Pickled
from fledge.types.base import TypeRegistry, TypeTransformer
from fledge.types.builtin import builtin_registry
from fledge.types.converter import Converter
from fledge.types.datasets import StructuredDataset
from fledge.types.files import FlyteDirectory, FlyteFile

__all__ = [
    "Converter",
    "FlyteDirectory",
    "FlyteFile",
    "HashMethod",
    "Pickled",
    "StructuredDataset",
    "TypeRegistry",
    "TypeTransformer",
    "builtin_registry",
]
