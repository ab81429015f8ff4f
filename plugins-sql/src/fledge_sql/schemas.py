"""Declared Python types in, what they mean in SQL out: parameters, tables with their columns, names, and results.

A parameter has one SQL type. A table may declare its columns: `Annotated[pa.Table, kwtypes(a=int)]`, a `pa.Schema` or a
dataclass or TypedDict in its place, or `list[Row]` of such rows. `Identifier` lets an input stand for a name.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import re
import sys
import types
import typing
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from fledge.settings import Secret
from fledge_sql.arrow_types import sql_columns
from fledge_sql.errors import SQLDefinitionError

__all__ = [
    "SCALARS",
    "DeclaredColumn",
    "Identifier",
    "NameInput",
    "Output",
    "ParameterInput",
    "TableInput",
    "declare_input",
    "declare_output",
    "matches",
]

Native = Any  # Any: an annotation may be a class, a generic alias or a union

SCALARS: dict[type, str] = {
    bool: "BOOLEAN",
    int: "BIGINT",
    float: "DOUBLE",
    str: "VARCHAR",
    bytes: "BLOB",
    dt.date: "DATE",
    dt.datetime: "TIMESTAMP WITH TIME ZONE",
    dt.time: "TIME",
    dt.timedelta: "INTERVAL",
    decimal.Decimal: "DECIMAL(38,9)",
    uuid.UUID: "UUID",
}
# What a declared Python type accepts from the engine. A pattern of the whole type.
_INTEGER = r"U?(TINY|SMALL|BIG)?INT(EGER)?|HUGEINT"  # Arrow has no place for the upper half of UHUGEINT
_ACCEPTS: dict[type, str] = {
    bool: "BOOLEAN",
    int: _INTEGER,
    float: "FLOAT|DOUBLE",
    str: r"VARCHAR|UUID|ENUM\(.*\)|JSON",
    bytes: "BLOB",
    dt.date: "DATE",
    dt.datetime: "TIMESTAMP.*",
    dt.time: "TIME(_NS)?",
    dt.timedelta: "INTERVAL",
    decimal.Decimal: rf"DECIMAL\(.*\)|{_INTEGER}",
    uuid.UUID: "UUID",
}
_TABLE_CLASSES = frozenset(
    {
        "pyarrow.lib.Table",
        "pyarrow.lib.RecordBatch",
        "pyarrow.lib.RecordBatchReader",
        "pyarrow._dataset.Dataset",
        "pandas.core.frame.DataFrame",
        "pandas.DataFrame",
        "polars.dataframe.frame.DataFrame",
        "polars.lazyframe.frame.LazyFrame",
    }
)
_FILE_CLASSES = frozenset({"FlyteFile", "FlyteDirectory", "StructuredDataset"})


class Identifier:
    """Marks a `str` input that stands for a table or column name: `Annotated[str, Identifier("carrier", "origin")]`.

    Only the listed names are accepted; each is checked when the task is defined, and put into the text as a quoted
    identifier.
    """

    __slots__ = ("names",)

    def __init__(self, *names: str) -> None:
        if not names or not all(isinstance(name, str) and name and "\0" not in name for name in names):
            raise SQLDefinitionError(
                "Identifier(): list the names that are allowed, as Identifier('carrier', 'origin')"
            )
        self.names = names

    def __repr__(self) -> str:
        return f"Identifier({', '.join(map(repr, self.names))})"


@dataclasses.dataclass(frozen=True)
class DeclaredColumn:
    """A column as the author declared it.

    Attributes:
        name: The column's name.
        sql_type: DuckDB's type; what the empty table of the check gets.
        accepts: A pattern of the types that fit as well; empty: exactly `sql_type`.
    """

    name: str
    sql_type: str
    accepts: str = ""

    def fits(self, sql_type: str) -> bool:
        return matches(self.accepts, sql_type) if self.accepts else sql_type == self.sql_type


@dataclasses.dataclass(frozen=True)
class ParameterInput:
    """A value that is bound. `element_type` is set for a list."""

    name: str
    sql_type: str
    optional: bool
    element_type: str = ""
    secret: bool = False


@dataclasses.dataclass(frozen=True)
class NameInput:
    """A name out of a fixed set."""

    name: str
    allowed: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class TableInput:
    """A table that the query reads by its name. `columns` is None when they are not declared; `row` for list[Row]."""

    name: str
    columns: tuple[DeclaredColumn, ...] | None
    row: type | None = None


@dataclasses.dataclass(frozen=True)
class Output:
    """One declared output.

    Attributes:
        kind: "table", "rows" (a list of dataclasses or dicts), "file" (parquet) or "scalar".
        annotation: The Python type without its metadata.
        columns: Declared columns of a table or of rows; None when they are not declared.
        accepts: For a scalar: a pattern of the SQL types that fit.
        optional: For a scalar: None is allowed.
    """

    name: str
    kind: str
    annotation: Native
    columns: tuple[DeclaredColumn, ...] | None = None
    accepts: str = ""
    optional: bool = False


def matches(pattern: str, sql_type: str) -> bool:
    return re.fullmatch(pattern, sql_type, re.DOTALL) is not None


def declare_input(name: str, annotation: Native) -> ParameterInput | NameInput | TableInput:
    """What an input means to a query.

    Raises:
        SQLDefinitionError: The type has no meaning in SQL.
    """
    plain, metadata = _split(annotation)
    identifiers = [one for one in metadata if isinstance(one, Identifier)]
    if identifiers:
        if plain is not str:
            raise SQLDefinitionError(f"input {name!r}: Identifier goes with str: Annotated[str, {identifiers[0]!r}]")
        return NameInput(name, tuple(dict.fromkeys(n for one in identifiers for n in one.names)))
    row = _row_type(plain)
    if row is not None:
        return TableInput(name, _columns_of(name, row), row)
    if _is_table(plain):
        return TableInput(name, _declared_columns(name, metadata))
    bare, optional = _without_none(plain)
    _refuse_missing_table(f"input {name!r}: a table", "Drop the None, and pass a table without rows", bare)
    metadata = (*metadata, *_split(bare)[1])  # of Annotated[...] | None
    if any(isinstance(one, Identifier) for one in metadata):
        raise SQLDefinitionError(f"input {name!r}: a name is never None. Drop the None beside its Identifier")
    secret = any(one is Secret or isinstance(one, Secret) for one in metadata)
    if _is_row(bare):
        way_out = f"Give its fields one by one, or a table as list[{bare.__name__}]"
        raise SQLDefinitionError(f"input {name!r}: a {bare.__name__} is no parameter. {way_out}")
    sql_type = _arrow_metadata(name, metadata) or sql_type_of(f"input {name!r}", bare)
    element = sql_type[:-2] if sql_type.endswith("[]") else ""
    return ParameterInput(name, sql_type, optional, element, secret)


def declare_output(name: str, annotation: Native) -> Output:
    """What an output takes from a query's result.

    Raises:
        SQLDefinitionError: No result can become this type.
    """
    plain, metadata = _split(annotation)
    row = _row_type(plain)
    if row is not None:
        return Output(name, "rows", row, _columns_of(name, row))
    if _origin(plain) is list and typing.get_args(plain)[0] is dict:
        return Output(name, "rows", dict, None)
    if _is_table(plain):
        files = _file_classes(plain)
        if "FlyteDirectory" in files:
            raise SQLDefinitionError(f"output {name!r}: a query writes one file, no folder. Use FlyteFile")
        kind = "file" if "FlyteFile" in files else "table"
        return Output(name, kind, plain, _declared_columns(name, metadata))
    bare, optional = _without_none(plain)
    _refuse_missing_table(f"output {name!r}: a result", "Drop the None; a result may have no rows", bare)
    return Output(name, "scalar", bare, None, _accepted(f"output {name!r}", bare), optional)


def sql_type_of(where: str, annotation: Native) -> str:
    """DuckDB's type of a Python type."""
    plain, metadata = _split(annotation)
    found = _arrow_metadata(where, metadata)
    if found:
        return found
    bare, _ = _without_none(plain)
    scalar = SCALARS.get(_value_type(bare))
    if scalar is not None:
        return scalar
    if _is_row(bare):
        inner = ", ".join(f'"{column.name}" {column.sql_type}' for column in _columns_of(where, bare))
        return f"STRUCT({inner})"
    origin, arguments = _origin(bare), typing.get_args(bare)
    if origin is list:
        return f"{sql_type_of(where, arguments[0])}[]"
    if origin is dict:
        return f"MAP({sql_type_of(where, arguments[0])}, {sql_type_of(where, arguments[1])})"
    raise SQLDefinitionError(
        f"{where}: type {annotation!r} has no SQL type. Use one of {', '.join(sorted(t.__name__ for t in SCALARS))}, "
        "a list of one, a table, or Annotated[..., pa.int32()] for an exact type"
    )


def _accepted(where: str, bare: Native) -> str:
    found = _ACCEPTS.get(_value_type(bare))
    if found is not None:
        return found
    if _origin(bare) is list:
        item, _ = _without_none(_split(typing.get_args(bare)[0])[0])
        return rf"({_accepted(where, item)})\[\d*\]"
    if _origin(bare) is dict:
        return r"MAP\(.*\)|STRUCT\(.*\)"
    if _is_row(bare):
        return r"STRUCT\(.*\)"
    raise SQLDefinitionError(
        f"{where}: a query cannot return {bare!r}. Use pa.Table, another table type, list[Row] with a dataclass Row, "
        f"FlyteFile for parquet, or a scalar: {', '.join(sorted(t.__name__ for t in _ACCEPTS))}"
    )


def _origin(annotation: Native) -> Native:
    return typing.get_origin(annotation)


def _split(annotation: Native) -> tuple[Native, tuple[object, ...]]:
    if _origin(annotation) is typing.Annotated:
        return typing.get_args(annotation)[0], annotation.__metadata__
    return annotation, ()


def _without_none(plain: Native) -> tuple[Native, bool]:
    if _origin(plain) in (typing.Union, types.UnionType):
        rest = [one for one in typing.get_args(plain) if one is not type(None)]
        if len(rest) == 1:
            return rest[0], True
    return plain, False


def _refuse_missing_table(what: str, way_out: str, bare: Native) -> None:
    plain = _split(bare)[0]
    if _is_table(plain) or _row_type(plain) is not None:
        raise SQLDefinitionError(f"{what} is never None. {way_out}")


def _value_type(bare: Native) -> Native:
    """The class that values of an annotation have: of an enum its values', of Literal["a", "b"] that of "a"."""
    if _origin(bare) is typing.Literal:
        kinds = {type(value) for value in typing.get_args(bare)}
        return kinds.pop() if len(kinds) == 1 else bare
    if isinstance(bare, type) and issubclass(bare, enum.Enum):
        kinds = {type(member.value) for member in bare}
        return kinds.pop() if len(kinds) == 1 else bare
    return bare if isinstance(bare, typing.Hashable) else None


def _is_table(plain: Native) -> bool:
    if not isinstance(plain, type):
        origin = _origin(plain)
        return isinstance(origin, type) and _is_table(origin)
    names = {f"{base.__module__}.{base.__qualname__}" for base in plain.__mro__}
    return bool(names & _TABLE_CLASSES or _file_classes(plain)) or hasattr(plain, "__arrow_c_stream__")


def _file_classes(plain: Native) -> frozenset[str]:
    """Which of fledge's handles a class is, or derives from."""
    bases = getattr(plain, "__mro__", ())
    return _FILE_CLASSES & {base.__name__ for base in bases if base.__module__.startswith("fledge")}


def _is_row(annotation: Native) -> bool:
    return isinstance(annotation, type) and (dataclasses.is_dataclass(annotation) or typing.is_typeddict(annotation))


def _row_type(plain: Native) -> type | None:
    """Row for list[Row]."""
    if _origin(plain) is list:
        (item,) = typing.get_args(plain)
        if _is_row(item):
            return typing.cast("type", item)
    return None


def _declared_columns(name: str, metadata: Iterable[object]) -> tuple[DeclaredColumn, ...] | None:
    """The columns that the metadata of an Annotated table declares; None when it declares none."""
    for one in metadata:
        if isinstance(one, Mapping):
            return _columns_of(name, one)
        if _is_row(one):
            return _columns_of(name, one)
        if type(one).__module__.startswith("pyarrow") and hasattr(one, "empty_table"):
            return _columns_of_schema(name, one)
    return None


def _columns_of(name: str, declared: Native) -> tuple[DeclaredColumn, ...]:
    fields: Mapping[str, Native] = declared if isinstance(declared, Mapping) else _fields(declared)
    return tuple(_column(f"{name}.{field}", field, annotation) for field, annotation in fields.items())


def _fields(row: type) -> dict[str, Native]:
    module = sys.modules.get(row.__module__)
    hints = typing.get_type_hints(row, globalns=getattr(module, "__dict__", None), include_extras=True)
    if dataclasses.is_dataclass(row):
        return {field.name: hints[field.name] for field in dataclasses.fields(row)}
    return hints


def _column(where: str, field: str, annotation: Native) -> DeclaredColumn:
    plain, metadata = _split(annotation)
    if _is_arrow_type(plain):
        return DeclaredColumn(field, arrow_sql_type(where, plain))
    exact = _arrow_metadata(where, metadata)
    if exact:
        return DeclaredColumn(field, exact)
    bare, _ = _without_none(plain)
    sql_type = sql_type_of(f"column {where}", bare)
    if bare is dt.datetime:
        sql_type = "TIMESTAMP"  # what most files and frames hold; a column with a zone fits as well
    return DeclaredColumn(field, sql_type, _accepted(f"column {where}", bare))


def _is_arrow_type(value: object) -> bool:
    return type(value).__module__.startswith("pyarrow") and hasattr(value, "num_fields") and not hasattr(value, "names")


def _arrow_metadata(where: str, metadata: Iterable[object]) -> str:
    """The SQL type that a pyarrow type in an Annotated asks for; empty without one."""
    return next((arrow_sql_type(where, one) for one in metadata if _is_arrow_type(one)), "")


def arrow_sql_type(where: str, arrow_type: Any) -> str:  # Any: pyarrow has no types of its own
    import pyarrow as pa  # noqa: PLC0415 - heavy; here an Arrow type is at hand, so it is loaded already

    return _columns_of_schema(where, pa.schema([("value", arrow_type)]))[0].sql_type


def _columns_of_schema(where: str, schema: Any) -> tuple[DeclaredColumn, ...]:  # Any: pyarrow has no types of its own
    """Columns of a pa.Schema, in the types DuckDB itself gives them."""
    return tuple(DeclaredColumn(column.name, column.sql_type) for column in sql_columns(where, schema))
