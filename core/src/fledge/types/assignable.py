"""Whether a value of one Flyte type may be bound to an input of another: what the platform will say at registration.

Source of the rule: the casts of flytepropeller's compiler (validators/typing.go). Where it compares JSON schemas of
structured values, this asks less: every property that the target requires has to be there, of the same JSON type.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fledge import idl

if TYPE_CHECKING:
    from fledge.idl import types

__all__ = ["is_assignable", "type_at"]

_IGNORED = ("structure", "metadata", "annotation")
_WITHIN = {
    "collection_type": "a list, whose steps are whole numbers",
    "map_value_type": "a dict, whose steps are str",
    "union_type": "a union, into which Flyte does not look",
}


def is_assignable(source: types.LiteralType, target: types.LiteralType) -> bool:
    """Whether every value of `source` can be an input declared as `target`."""
    if source.HasField("union_type") and len(source.union_type.variants) == 1:
        source = source.union_type.variants[0]
    kind = target.WhichOneof("type")
    if kind == "union_type":
        return _fits_union(source, target.union_type)
    if kind == "collection_type":
        inner = source.collection_type if source.HasField("collection_type") else None
        return inner is not None and (_is_none(inner) or is_assignable(inner, target.collection_type))
    if kind == "map_value_type":
        inner = source.map_value_type if source.HasField("map_value_type") else None
        return inner is not None and (_is_none(inner) or is_assignable(inner, target.map_value_type))
    if kind == "blob":
        formats = {source.blob.format, target.blob.format}
        return source.HasField("blob") and ("" in formats or len(formats) == 1)
    if kind == "structured_dataset_type":
        has_columns = source.HasField("structured_dataset_type") and _has_columns(
            source.structured_dataset_type, target.structured_dataset_type
        )
        return has_columns or _is_none(source)
    return _fits_exactly(source, target)


def _fits_union(source: types.LiteralType, target: types.UnionType) -> bool:
    """Each variant of a union needs its place; anything else needs exactly one, so that the choice is clear."""
    if source.HasField("union_type"):
        return all(any(is_assignable(one, other) for other in target.variants) for one in source.union_type.variants)
    return any(is_assignable(source, one) for one in target.variants)


def _fits_exactly(source: types.LiteralType, target: types.LiteralType) -> bool:
    simple = idl.types.SimpleType
    if source.HasField("enum_type") and target.simple == simple.STRING:
        return True
    if target.HasField("enum_type") and source.simple == simple.STRING:
        return True
    if source.structure.tag and source.structure.tag != target.structure.tag:
        return False
    if source.simple == simple.STRUCT and target.simple == simple.STRUCT:
        return _has_properties(source, target)
    return _bare(source) == _bare(target)


def _has_columns(source: types.StructuredDatasetType, target: types.StructuredDatasetType) -> bool:
    """A subset of the columns is enough; who names none takes and gives all."""
    formats = {one.format.lower() for one in (source, target)}
    if "" not in formats and len(formats) > 1:
        return False
    given = {column.name: column.literal_type for column in source.columns}
    return (
        not given
        or not target.columns
        or all(
            column.name in given and is_assignable(given[column.name], column.literal_type) for column in target.columns
        )
    )


def _has_properties(source: types.LiteralType, target: types.LiteralType) -> bool:
    if not source.HasField("metadata") or not target.HasField("metadata"):
        return True  # not every SDK writes the schema
    given, wanted = _of_schema(source, "properties"), _of_schema(target, "properties")
    if given is None or wanted is None:
        return True
    required = _of_schema(target, "required") or ()
    return all(name in given and _get(given[name], "type") == _get(wanted[name], "type") for name in required)


def _of_schema(one: types.LiteralType, key: str) -> Any:  # Any: JSON; None: not there
    return _get(one.metadata if one.HasField("metadata") else None, key)


def _get(schema: Any, key: str) -> Any:  # Any: JSON
    return schema[key] if schema is not None and key in schema else None


def _is_none(one: types.LiteralType) -> bool:
    return one.HasField("simple") and one.simple == idl.types.SimpleType.NONE


def _bare(one: types.LiteralType) -> types.LiteralType:
    bare = idl.types.LiteralType()
    bare.CopyFrom(one)
    for name in _IGNORED:
        bare.ClearField(name)
    return bare


def type_at(one: types.LiteralType, steps: Sequence[str | int]) -> types.LiteralType | None:
    """The type that a path leads to; None where only the value knows, inside structured values.

    Raises:
        LookupError: A step leads nowhere; its arguments are the number of the step and what is there.
    """
    for number, step in enumerate(steps):
        kind = one.WhichOneof("type")
        if kind == "collection_type" and isinstance(step, int):
            one = one.collection_type
        elif kind == "map_value_type" and isinstance(step, str):
            one = one.map_value_type
        elif kind == "simple" and one.simple == idl.types.SimpleType.STRUCT:
            _check_property(one, number, step)
            return None
        else:
            raise LookupError(number, _WITHIN.get(kind or "", "a value with nothing inside"))
    return one


def _check_property(one: types.LiteralType, number: int, step: str | int) -> None:
    known = _of_schema(one, "properties")
    is_closed = known is not None and _of_schema(one, "additionalProperties") is False
    if is_closed and step not in known:
        raise LookupError(number, f"a structured value with {', '.join(sorted(known)) or 'no fields'}")
