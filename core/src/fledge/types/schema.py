"""JSON schemas of structured values, in the form flytekit writes into a literal type's metadata.

Nested schemas are inlined, unknown properties are refused, keys are described by `propertyNames`; a default stands as
its plain value, a default factory leaves no trace but the field not being required.
"""

from __future__ import annotations

import math
from binascii import b2a_base64
from collections.abc import Mapping
from typing import TYPE_CHECKING

from fledge.storage import StorageRouter
from fledge.types.fields import NO_DEFAULT, Field
from fledge.types.hints import class_of
from fledge.types.kinds import Annotation, Plain
from fledge.types.mismatch import Mismatch

if TYPE_CHECKING:
    from fledge.types.converter import PlainForm

__all__ = ["dataclass_schema", "named_tuple_schema", "typed_dict_schema"]

Schema = dict[str, Plain]


def dataclass_schema(python_type: Annotation, fields: list[Field], forms: Mapping[str, PlainForm]) -> Schema:
    """Fields that no caller gives (`init=False`) are left out, as flytekit does."""
    cls = class_of(python_type)
    return {"type": "object", "title": cls.__name__, **_properties([one for one in fields if one.init], forms)}


def typed_dict_schema(fields: list[Field], forms: Mapping[str, PlainForm]) -> Schema:
    schema = {"type": "object", **_properties(fields, forms)}
    return {**schema, "required": sorted(schema["required"])} if "required" in schema else schema


def named_tuple_schema(fields: list[Field], forms: Mapping[str, PlainForm]) -> Schema:
    items = [_described(field, forms[field.name]) for field in fields]
    return {"type": "array", "prefixItems": items, "maxItems": len(items), "minItems": len(items)}


def _properties(fields: list[Field], forms: Mapping[str, PlainForm]) -> Schema:
    schema: Schema = {"additionalProperties": False}
    if fields:
        schema["properties"] = {field.name: _described(field, forms[field.name]) for field in fields}
    required = [field.name for field in fields if field.required]
    if required:
        schema["required"] = required
    return schema


def _described(field: Field, form: PlainForm) -> Schema:
    schema = dict(form.schema())
    if field.default is not NO_DEFAULT:
        try:
            schema["default"] = _as_json(form.pack(field.default, StorageRouter()))
        except Mismatch:  # a default that is not of the declared type, as in `x: int = None`, is not described
            schema.pop("default", None)
    if field.description:
        schema["description"] = field.description
    return schema


def _as_json(plain: Plain) -> Plain:
    if isinstance(plain, bytes):
        return "".join(b2a_base64(plain[start : start + 57]).decode() for start in range(0, len(plain), 57))
    if isinstance(plain, list):
        return [_as_json(item) for item in plain]
    if isinstance(plain, dict):
        return {str(key): _as_json(value) for key, value in plain.items()}
    if isinstance(plain, float) and not math.isfinite(plain):
        return str(plain)
    return plain
