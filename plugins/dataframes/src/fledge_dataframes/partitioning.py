"""Frames as folders of folders: `Annotated[pa.Table, PartitionedBy("year", "month")]`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from fledge.errors import DefinitionError, nearest
from fledge_dataframes.errors import ColumnMismatch

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["PartitionedBy", "check_partitions"]

_TESTS = ("is_integer", "is_string", "is_large_string", "is_boolean", "is_date32")


class PartitionedBy:
    """For annotations of outputs: one folder `name=value` for each value of these columns, from the outermost in.

    Whoever reads the frame gets the columns back, and reads only what it asks for. The order of rows is kept in each
    folder only.

    Raises:
        DefinitionError: No column, or one twice.
    """

    def __init__(self, *columns: str) -> None:
        if not columns or len(set(columns)) < len(columns) or not all(isinstance(name, str) for name in columns):
            raise DefinitionError(f"PartitionedBy{columns!r}: name one or more columns, each once")
        self.columns = columns

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PartitionedBy) and other.columns == self.columns

    def __hash__(self) -> int:
        return hash(self.columns)

    def __repr__(self) -> str:
        return f"PartitionedBy({', '.join(map(repr, self.columns))})"


def check_partitions(columns: Sequence[str], found: pa.Schema) -> None:
    """ColumnMismatch for a column that is not there, or whose values are no good names for folders."""
    for name in columns:
        if name not in found.names:
            raise ColumnMismatch(name, "a column to partition by", "no such column" + nearest(name, found.names))
        kind = found.field(name).type
        if not any(getattr(pa.types, test)(kind) for test in _TESTS):
            expected = "integers, texts, booleans or dates to partition by"
            raise ColumnMismatch(name, expected, kind, "cast it first")
    if columns and len(columns) == len(found.names):
        raise ColumnMismatch(columns[0], "a column beside those to partition by", "no other one")
