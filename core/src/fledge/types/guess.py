"""Flyte types back to annotations, for interfaces that only exist as messages."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

from fledge import idl
from fledge.errors import UnsupportedTypeError
from fledge.types.annotated import Pickled
from fledge.types.datasets import StructuredDataset
from fledge.types.files import FlyteDirectory, FlyteFile, handle_class

if TYPE_CHECKING:
    from fledge.idl import types as pb_types
    from fledge.types.kinds import Annotation

__all__ = ["guess_python_type"]

_SIMPLE: dict[str, Annotation] = {
    "NONE": type(None),
    "INTEGER": int,
    "FLOAT": float,
    "STRING": str,
    "BOOLEAN": bool,
    "DATETIME": datetime,
    "DURATION": timedelta,
    "BINARY": bytes,
    "STRUCT": dict,
}


def guess_python_type(literal_type: pb_types.LiteralType) -> Annotation:
    """An annotation that reads values of this Flyte type: dates come back as datetime, structured values as dict.

    Raises:
        UnsupportedTypeError: no annotation of the core does.
    """
    kind = literal_type.WhichOneof("type")
    if kind == "simple":
        return _guess_simple(literal_type)
    if kind == "collection_type":
        return list[guess_python_type(literal_type.collection_type)]  # type: ignore[misc]  # made at run time
    if kind == "map_value_type":
        return dict[str, guess_python_type(literal_type.map_value_type)]  # type: ignore[misc]  # made at run time
    if kind == "union_type":
        return Union[tuple(map(guess_python_type, literal_type.union_type.variants))]  # noqa: UP007 - made at run time
    if kind == "enum_type":
        return Literal[tuple(literal_type.enum_type.values)]  # made at run time
    if kind == "blob":
        return _guess_blob(literal_type.blob)
    if kind == "structured_dataset_type":
        return StructuredDataset
    raise UnsupportedTypeError("value", literal_type, "No Python type is known for it")


def _guess_blob(blob: pb_types.BlobType) -> Annotation:
    if blob.format == "PythonPickle":
        return Annotated[Any, Pickled]
    handle = FlyteDirectory if blob.dimensionality == idl.types.BlobType.MULTIPART else FlyteFile
    return handle_class(handle, blob.format)


def _guess_simple(literal_type: pb_types.LiteralType) -> Annotation:
    listed = literal_type.annotation.annotations.fields
    simple = idl.types.SimpleType.Name(literal_type.simple)
    found = _SIMPLE.get(simple)
    if found is None:
        raise UnsupportedTypeError("value", simple, "No Python type is known for it")
    if "literal_values" in listed:
        values = [getattr(value, str(value.WhichOneof("kind"))) for value in listed["literal_values"].list_value.values]
        return Literal[tuple(found(value) for value in values)]  # made at run time
    return found
