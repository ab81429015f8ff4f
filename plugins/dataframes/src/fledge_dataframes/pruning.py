"""Which columns, and which fields of structs in them, are wanted of a table: chosen by name, without a copy.

A tree names what is wanted: `{"month": None, "plane": {"year": None}}`, where None stands for all of a column. A schema
with the same names says the same with types.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from fledge_dataframes.errors import ColumnMismatch

__all__ = ["Tree", "choose", "is_pruned", "leaves", "pruned_schema", "tree_of_names"]

Tree = Mapping[str, Any]  # Any: None or a tree again
Column = Any  # Any: an array or a chunked array; pyarrow brings no types


def pruned_schema(tree: Tree, found: pa.Schema) -> pa.Schema:
    """The fields of `found` that the tree names, in the tree's order; all of them must be there."""
    fields = [found.field(name).with_type(_pruned_type(inner, found.field(name).type)) for name, inner in tree.items()]
    return pa.schema(fields, metadata=found.metadata)


def _pruned_type(tree: Tree | None, found: pa.DataType) -> pa.DataType:
    if tree is None or not pa.types.is_struct(found):
        return found
    fields = [found.field(name) for name in tree]
    return pa.struct([field.with_type(_pruned_type(tree[field.name], field.type)) for field in fields])


def tree_of_names(names: Iterable[str], found: pa.Schema) -> Tree:
    """The tree of names as the message writes them, `plane.year` for a field of a struct.

    Raises:
        ColumnMismatch: One of them is not there.
    """
    tree: dict[str, Any] = {}  # Any: as in a Tree
    for name in names:
        if name in found.names:
            tree[name] = None
            continue
        outer, _, inner = name.partition(".")
        kind = found.field(outer).type if outer in found.names else None
        if kind is None or not inner or not pa.types.is_struct(kind):
            raise ColumnMismatch(name, "what its writer declared", "no such column")
        branch = tree.setdefault(outer, {})
        if branch is not None:
            branch.update(tree_of_names([inner], pa.schema(list(kind))))
    return tree


def is_pruned(wanted: pa.Schema, found: pa.Schema) -> bool:
    """Does `wanted` leave out fields of a struct, or change their order?"""
    return any(wanted.field(name).type != found.field(name).type for name in wanted.names)


def leaves(wanted: pa.Schema, found: pa.Schema) -> list[str]:
    """The dotted paths of what is wanted, as few as say it."""
    paths: list[str] = []
    for field in wanted:
        paths += _leaves(field.name, field.type, found.field(field.name).type)
    return paths


def _leaves(path: str, wanted: pa.DataType, found: pa.DataType) -> list[str]:
    if wanted == found or not pa.types.is_struct(wanted):
        return [path]
    inner = [_leaves(f"{path}.{field.name}", field.type, found.field(field.name).type) for field in wanted]
    return [leaf for paths in inner for leaf in paths]


def choose(table: pa.Table, wanted: pa.Schema) -> pa.Table:
    """The wanted columns and fields, by their names in the wanted order; the types of what stays stay as they are.

    KeyError for one that is not there.
    """
    if wanted.names == table.column_names and not is_pruned(wanted, table.schema):
        return table
    columns = [_chosen(table.column(field.name), field.type) for field in wanted]
    fields = [
        table.schema.field(field.name).with_type(column.type) for field, column in zip(wanted, columns, strict=True)
    ]
    return pa.Table.from_arrays(columns, schema=pa.schema(fields, metadata=table.schema.metadata))


def _chosen(column: Column, wanted: pa.DataType) -> Column:
    if not pa.types.is_struct(wanted) or not pa.types.is_struct(column.type) or column.type == wanted:
        return column
    if isinstance(column, pa.ChunkedArray):
        kind = _chosen(pa.array([], column.type), wanted).type
        return pa.chunked_array([_chosen(chunk, wanted) for chunk in column.chunks], kind)
    parts = [_chosen(column.field(field.name), field.type) for field in wanted]
    fields = [column.type.field(field.name).with_type(part.type) for field, part in zip(wanted, parts, strict=True)]
    return pa.StructArray.from_arrays(parts, fields=fields, mask=column.is_null() if column.null_count else None)
