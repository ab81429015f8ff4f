"""The Python types a column may be declared with: their literal types, and the Arrow types that count as one of them.

`int` stands for any Arrow integer, `str` for any kind of string, `list[int]` for any list of integers, a dataclass or a
mapping for a struct; numpy's types name one Arrow type each. numpy itself is never imported.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from fledge import idl
from fledge.errors import DefinitionError, nearest, type_name
from fledge_dataframes.errors import ColumnMismatch
from fledge_dataframes.libraries import qualified_name

if TYPE_CHECKING:
    from fledge.idl import types as messages
    from fledge_dataframes.pruning import Tree

__all__ = [
    "Kind",
    "canonical",
    "check_kind",
    "columns_of",
    "flat",
    "is_column_class",
    "resolve",
    "same_meaning",
    "set_literal_type",
    "tree_of",
]

Kind = Any  # Any: a column's type is a class, a generic alias (list[int]) or a mapping (a struct's columns)

# Python type -> (name of the simple literal type, names of the accepting tests in pyarrow.types, canonical Arrow type)
_KINDS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "builtins.bool": ("BOOLEAN", ("is_boolean",), "bool"),
    "builtins.int": ("INTEGER", ("is_integer",), "int64"),
    "builtins.float": ("FLOAT", ("is_floating",), "float64"),
    "builtins.str": ("STRING", ("is_string", "is_large_string", "is_string_view"), "string"),
    "builtins.bytes": (
        "BINARY",
        ("is_binary", "is_large_binary", "is_binary_view", "is_fixed_size_binary"),
        "binary",
    ),
    "datetime.datetime": ("DATETIME", ("is_timestamp",), "timestamp[us]"),
    "datetime.date": ("DATETIME", ("is_date",), "date32"),
    "datetime.timedelta": ("DURATION", ("is_duration",), "duration[us]"),
    "numpy.bool": ("BOOLEAN", ("is_boolean",), "bool"),
    "numpy.bool_": ("BOOLEAN", ("is_boolean",), "bool"),
    "numpy.datetime64": ("DATETIME", ("is_timestamp", "is_date"), "timestamp[us]"),
    "numpy.timedelta64": ("DURATION", ("is_duration",), "duration[us]"),
    "numpy.str_": ("STRING", ("is_string", "is_large_string", "is_string_view"), "string"),
    "numpy.bytes_": ("STRING", ("is_binary", "is_large_binary", "is_binary_view", "is_fixed_size_binary"), "binary"),
    "numpy.object_": ("STRING", (), "null"),  # no test: whatever Arrow makes of it
} | {
    f"numpy.{name}": ("FLOAT" if name.startswith("float") else "INTEGER", (f"is_{name}",), name)
    for name in (
        *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
        "float16",
        "float32",
        "float64",
    )
}


def is_column_class(item: object) -> bool:
    return isinstance(item, type) and bool(getattr(item, "__annotations__", None))


def columns_of(kind: Kind) -> Mapping[str, Kind]:
    """Columns by name of a mapping or of a class with annotations."""
    if isinstance(kind, Mapping):
        return kind
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)} if is_dataclass(kind) else hints


def _is_struct(kind: Kind) -> bool:
    return isinstance(kind, Mapping) or (isinstance(kind, type) and is_dataclass(kind))


def flat(columns: Mapping[str, Kind], prefix: str) -> list[tuple[str, Kind]]:
    """A struct's columns are named `outer.inner`, as the message has no nested columns."""
    pairs: list[tuple[str, Kind]] = []
    for name, kind in columns.items():
        pairs += flat(columns_of(kind), f"{prefix}{name}.") if _is_struct(kind) else [(f"{prefix}{name}", kind)]
    return pairs


def tree_of(kind: Kind) -> Tree | None:
    """The fields that a struct is declared with, at every depth; None for what is no struct: all of it."""
    return {name: tree_of(inner) for name, inner in columns_of(kind).items()} if _is_struct(kind) else None


def _container(kind: Kind) -> tuple[str, Kind] | None:
    """("list", element) or ("dict", value) of a generic alias."""
    origin: Kind = typing.get_origin(kind)
    args = typing.get_args(kind)
    if origin is list and len(args) == 1:
        return "list", args[0]
    return ("dict", args[1]) if origin is dict and len(args) == 2 else None


def _simple(kind: Kind) -> tuple[str, tuple[str, ...], str] | None:
    return _KINDS.get(qualified_name(kind)) if isinstance(kind, type) and typing.get_origin(kind) is None else None


def check_kind(kind: Kind, column: str) -> None:
    inner = _container(kind)
    if inner is not None:
        check_kind(inner[1], column)
    elif _simple(kind) is None:
        known = ", ".join(name.removeprefix("builtins.") for name in _KINDS if not name.startswith("numpy"))
        raise DefinitionError(
            f"column {column!r} cannot be of type {type_name(kind)}: a column is {known}, a list or a dict of one, or "
            "a dataclass. For any other type declare an Arrow schema: Annotated[pa.Table, pa.schema(...)]"
        )


def set_literal_type(message: messages.LiteralType, kind: Kind) -> None:
    inner, simple = _container(kind), _simple(kind)
    if inner is not None:
        set_literal_type(message.collection_type if inner[0] == "list" else message.map_value_type, inner[1])
    elif simple is not None:
        message.CopyFrom(idl.types.LiteralType(simple=simple[0]))


def canonical(kind: Kind) -> pa.DataType:
    if _is_struct(kind):
        return pa.struct([(name, canonical(inner)) for name, inner in columns_of(kind).items()])
    container = _container(kind)
    if container is not None:
        inner = canonical(container[1])
        return pa.list_(inner) if container[0] == "list" else pa.map_(pa.string(), inner)
    simple = _simple(kind)
    return pa.type_for_alias(simple[2] if simple is not None else "null")


def resolve(kind: Kind, found: pa.DataType, column: str) -> pa.DataType:
    """The type a column shall have: its own, with the declared one where it has none. ColumnMismatch otherwise."""
    is_a = pa.types
    if is_a.is_null(found):
        return canonical(kind)
    if is_a.is_dictionary(found):
        resolve(kind, found.value_type, column)
        return found
    if _is_struct(kind):
        return _resolve_struct(columns_of(kind), found, column, canonical(kind))
    container = _container(kind)
    if container is None:
        _, tests, name = _simple(kind) or ("", (), "")
        if tests and not any(getattr(is_a, test)(found) for test in tests):
            raise ColumnMismatch(column, pa.type_for_alias(name), found)
        return found
    if container[0] == "list" and (_is_list(found) or is_a.is_fixed_size_list(found)):
        inner = resolve(container[1], found.value_type, f"{column}[]")
        return found if inner == found.value_type else pa.list_(inner)
    if container[0] == "dict" and is_a.is_map(found):
        inner = resolve(container[1], found.item_type, f"{column}[]")
        return found if inner == found.item_type else pa.map_(found.key_type, inner)
    if container[0] == "dict" and is_a.is_struct(found):
        names = [found.field(i).name for i in range(found.num_fields)]
        return _resolve_struct(dict.fromkeys(names, container[1]), found, column, found)
    raise ColumnMismatch(column, canonical(kind), found)


def _resolve_struct(kinds: Mapping[str, Kind], found: pa.DataType, column: str, expected: pa.DataType) -> pa.DataType:
    if not pa.types.is_struct(found):
        raise ColumnMismatch(column, expected, found)
    fields_ = [found.field(i) for i in range(found.num_fields)]
    for name, kind in kinds.items():
        if found.get_field_index(name) < 0:
            known = nearest(name, [field.name for field in fields_])
            raise ColumnMismatch(f"{column}.{name}", canonical(kind), f"no such field{known}")
    return pa.struct(
        [
            field.with_type(resolve(kinds[field.name], field.type, f"{column}.{field.name}"))
            if field.name in kinds
            else field
            for field in fields_
        ]
    )


def _is_list(kind: pa.DataType) -> bool:
    return any(
        getattr(pa.types, test)(kind) for test in ("is_list", "is_large_list", "is_list_view", "is_large_list_view")
    )


def same_meaning(exact: pa.DataType, found: pa.DataType) -> bool:
    """Equal, or different only in how lengths are stored, which libraries choose for themselves; `null` fits all."""
    if exact == found or pa.types.is_null(found):
        return True
    for test in _KINDS["builtins.str"][1], _KINDS["builtins.bytes"][1][:3]:
        if all(any(getattr(pa.types, name)(kind) for name in test) for kind in (exact, found)):
            return True
    return _is_list(exact) and _is_list(found) and same_meaning(exact.value_type, found.value_type)
