"""What an annotation says about a frame's columns: the message's columns, and the check of a frame against them.

`Annotated[pa.Table, kwtypes(month=int)]` names the columns that are read, `Annotated[pa.Table, pa.schema(...)]` also
fixes their Arrow types, a string names the file format and `PartitionedBy("month")` the columns that become folders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from fledge import idl
from fledge.errors import DefinitionError, nearest
from fledge.types.mismatch import Mismatch
from fledge_dataframes.csv_files import is_text
from fledge_dataframes.errors import ColumnMismatch
from fledge_dataframes.kinds import (
    Kind,
    canonical,
    check_kind,
    columns_of,
    flat,
    is_column_class,
    resolve,
    same_meaning,
    set_literal_type,
    tree_of,
)
from fledge_dataframes.libraries import qualified_name, refuse_doubles
from fledge_dataframes.partitioning import PartitionedBy, check_partitions
from fledge_dataframes.pruning import pruned_schema

if TYPE_CHECKING:
    from fledge.idl import types as messages

__all__ = ["PARQUET", "WRITTEN_FORMATS", "Declared", "declared"]

PARQUET = "parquet"
WRITTEN_FORMATS = (PARQUET, "csv")


@dataclass(frozen=True)
class Declared:
    """Columns by name (none: every column), the file format ("" when not given), the Arrow schema, what is folders."""

    columns: Mapping[str, Kind]
    format: str = ""
    schema: pa.Schema | None = None
    partitions: tuple[str, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Nothing is said about the columns."""
        return not self.columns and self.schema is None

    @property
    def takes_all(self) -> bool:
        """Whatever parquet can store fits."""
        return self.is_plain and not self.partitions and self.format in ("", PARQUET)

    def wanted(self, found: pa.Schema) -> pa.Schema:
        """What to read, checked: ColumnMismatch for a column that is missing, doubled or of another type.

        Of a declared struct only the declared fields are wanted; an Arrow schema means the whole of its types.
        """
        refuse_doubles(found.names)
        if self.is_plain:
            return found
        for name in self._wanted:
            self._resolved(name, found)
        return pruned_schema({name: tree_of(self.columns.get(name)) for name in self._wanted}, found)

    def types(self) -> dict[str, pa.DataType]:
        """The Arrow types by which texts are read as columns (of CSV, of names of folders), as far as they are said."""
        said = {name: canonical(kind) for name, kind in self.columns.items()}
        # A moment's text says by itself whether it has a zone.
        said = {name: kind for name, kind in said.items() if not pa.types.is_timestamp(kind)}
        said.update((field.name, field.type) for field in self.schema or ())
        return {name: kind for name, kind in said.items() if is_text(kind) and not pa.types.is_null(kind)}

    def refuse_unstorable(self, schema: pa.Schema, num_rows: int) -> None:
        """ColumnMismatch for a column that the format has no place for.

        A local run must not accept what a cluster cannot.
        """
        can_store = is_text if self.format == "csv" else _fits_parquet
        for field in schema:
            if not can_store(field.type):
                expected = f"a type that {self.format or PARQUET} can store"
                raise ColumnMismatch(field.name, expected, field.type, "cast it first")
        if num_rows and not schema.names:
            raise Mismatch("a frame with columns", schema, f"its {num_rows} rows would be lost in a file")
        check_partitions(self.partitions, schema)

    def fit(self, table: pa.Table) -> pa.Table:
        """The table with its declared columns checked; only columns without a type of their own are changed.

        An empty or all-null column of pandas has Arrow's type `null`: it gets the declared one. With an Arrow schema,
        the kind of string, bytes or list becomes the declared one.
        """
        refuse_doubles(table.column_names)
        for name in self._wanted:
            number, kind = table.schema.get_field_index(name), self._resolved(name, table.schema)
            found = table.schema.field(number)
            if kind != found.type:
                column = table.column(number).cast(kind)
                table = table.set_column(number, pa.field(name, kind, metadata=found.metadata), column)
            self._refuse_nulls(table.column(number), name)
        return table

    def to_message(self) -> messages.StructuredDatasetType:
        message = idl.types.StructuredDatasetType(format=self.format)
        for name, kind in flat(self.columns, ""):
            column = message.columns.add()
            column.name = name
            set_literal_type(column.literal_type, kind)
        if self.schema is not None:
            message.external_schema_type = "arrow"
            message.external_schema_bytes = self.schema.to_string().encode()
        return message

    @property
    def _wanted(self) -> list[str]:
        return list(dict.fromkeys([*self.columns, *(self.schema.names if self.schema is not None else ())]))

    def _field(self, name: str) -> pa.Field | None:
        return self.schema.field(name) if self.schema is not None and name in self.schema.names else None

    def _resolved(self, name: str, found: pa.Schema) -> pa.DataType:
        """The type this column shall have in the task."""
        number, exact = found.get_field_index(name), self._field(name)
        if number < 0:
            expected = exact.type if exact is not None else canonical(self.columns[name])
            raise ColumnMismatch(name, expected, "no such column" + nearest(name, found.names))
        kind = found.field(number).type
        if name in self.columns:
            kind = resolve(self.columns[name], kind, name)
        if exact is None:
            return kind
        if not same_meaning(exact.type, kind):
            raise ColumnMismatch(name, exact.type, kind)
        return exact.type

    def _refuse_nulls(self, column: pa.ChunkedArray, name: str) -> None:
        exact = self._field(name)
        if exact is not None and not exact.nullable and column.null_count:
            nulls = f"{column.null_count} null{'s' if column.null_count > 1 else ''}"
            raise ColumnMismatch(name, f"{exact.type} not null", nulls)


def declared(metadata: Sequence[object]) -> Declared:
    """Read the metadata of an `Annotated` frame type: a text is the format; a hash method is not ours.

    Raises:
        DefinitionError: Two formats, sets of columns or schemas; a column whose type has no literal type; CSV in
            partitions.
    """
    columns: Mapping[str, Kind] | None = None
    format_: str | None = None
    schema: pa.Schema | None = None
    partitions: PartitionedBy | None = None
    for item in metadata:
        if isinstance(item, str):
            format_ = _only("format", format_, item)
        elif qualified_name(type(item)) == "pyarrow.lib.Schema":
            schema = _only("Arrow schema", schema, item)
        elif isinstance(item, PartitionedBy):
            partitions = _only("PartitionedBy", partitions, item)
        elif isinstance(item, Mapping) or is_column_class(item):
            columns = columns_of(_only("set of columns", columns, item))
    for name, kind in flat(columns or {}, ""):
        check_kind(kind, name)
    if partitions is not None and format_ not in (None, PARQUET):
        raise DefinitionError(f"{partitions!r} is for parquet, not for {format_!r}. Leave one of them out")
    return Declared(columns or {}, format_ or "", schema, partitions.columns if partitions is not None else ())


def _fits_parquet(kind: pa.DataType) -> bool:
    is_a = pa.types
    if is_a.is_interval(kind) or is_a.is_union(kind) or is_a.is_run_end_encoded(kind):
        return False
    if is_a.is_struct(kind) and not kind.num_fields:
        return False
    return all(_fits_parquet(kind.field(number).type) for number in range(kind.num_fields))


def _only(what: str, first: Kind, second: Kind) -> Kind:
    if first is not None:
        raise DefinitionError(f"there is a second {what}, {second!r}, beside {first!r}. Keep one of them")
    return second
