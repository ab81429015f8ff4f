"""Tables in a local folder of CSV files, for those who ask for the format: `Annotated[pa.Table, "csv"]`.

A frame goes out as one file `.csv` in a folder, the layout of the incumbent. Text has no types: columns are read as
they are declared, and else as what their text looks like. An empty cell is null and `""` the empty text.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import pyarrow as pa
from pyarrow import csv

from fledge.errors import StorageError
from fledge_dataframes.errors import ColumnMismatch
from fledge_dataframes.libraries import refuse_doubles

__all__ = ["CSV_NAME", "CsvFolder", "is_text", "write_csv"]

CSV_NAME = ".csv"
R = TypeVar("R")
_HOLDS = ("null", "boolean", "integer", "floating", "decimal", "string", "large_string", "date", "timestamp", "time")


def is_text(kind: pa.DataType) -> bool:
    """Can text hold values of this type, and give them back? No bytes, no nested values, no large unsigned numbers."""
    if pa.types.is_dictionary(kind):
        return is_text(kind.value_type)
    return kind != pa.uint64() and any(getattr(pa.types, f"is_{name}")(kind) for name in _HOLDS)


def write_csv(data: pa.Table | pa.RecordBatchReader, folder: str) -> None:
    """Write the file of a table, or of a reader batch by batch, into an empty folder."""
    with csv.CSVWriter(os.path.join(folder, CSV_NAME), data.schema) as writer:
        if isinstance(data, pa.Table):
            writer.write_table(data)
        else:
            for batch in data:
                writer.write_batch(batch)


class CsvFolder:
    """A CSV file or a folder of them, with one header. Opening reads the header only.

    Args:
        path: Where it lies, on this machine.
        uri: How errors call it.

    Raises:
        StorageError: Nothing is there, or it has no header.
        ColumnMismatch: Two columns have one name.
    """

    def __init__(self, path: str, uri: str) -> None:
        self.uri = uri
        self._files = _files_in(path, uri)
        with self._named():
            self.names = self._header(self._files[0])
        refuse_doubles(self.names)

    def read(self, types: Mapping[str, pa.DataType]) -> pa.Table:
        """All columns, those in `types` as these; ColumnMismatch for text that is none of its type."""
        tables = [self._opened(csv.read_csv, file, types) for file in self._files]
        with self._named():
            return pa.concat_tables(tables, promote_options="permissive")  # integers here, decimals there

    def stream(self, types: Mapping[str, pa.DataType]) -> pa.RecordBatchReader:
        """The same, block by block; the first block decides how a column without a type is read."""
        first = self._opened(csv.open_csv, self._files[0], types)
        settled = dict(zip(first.schema.names, first.schema.types, strict=True))

        def batches() -> Iterator[pa.RecordBatch]:
            for number, file in enumerate(self._files):
                reader = first if number == 0 else self._opened(csv.open_csv, file, settled)
                with self._named(settled):
                    yield from reader

        return pa.RecordBatchReader.from_batches(first.schema, batches())

    def _opened(self, way: Callable[..., R], file: str, types: Mapping[str, pa.DataType]) -> R:
        """With `read_csv` the table, with `open_csv` a reader."""
        with self._named(types):
            return way(
                file,
                parse_options=csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=len(self.names) > 1),
                convert_options=csv.ConvertOptions(
                    column_types=dict(types),
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            )

    @staticmethod
    def _header(file: str) -> list[str]:
        found: list[str] = csv.open_csv(file, parse_options=csv.ParseOptions(newlines_in_values=True)).schema.names
        return found

    @contextmanager
    def _named(self, types: Mapping[str, pa.DataType] | None = None) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as exc:
            raise StorageError(self.uri, "does not exist: it has vanished or was never written") from exc
        except (OSError, pa.ArrowException) as exc:
            number = re.match(r"In CSV column #(\d+): (.*)", str(exc), re.DOTALL)
            if number is None or types is None:
                raise StorageError(self.uri, f"cannot be read as csv: {exc}") from exc
            name = self.names[int(number[1])]
            raise ColumnMismatch(name, types.get(name, "one type in all rows"), "other text", number[2]) from exc


def _files_in(path: str, uri: str) -> list[str]:
    """The file itself; `.csv` of a folder; or all files of a folder that are not hidden, by name."""
    if not os.path.isdir(path):
        return [path]
    if os.path.isfile(os.path.join(path, CSV_NAME)):
        return [os.path.join(path, CSV_NAME)]
    names = [name for name in sorted(os.listdir(path)) if not name.startswith((".", "_"))]
    if not names:
        raise StorageError(uri, "holds no csv file")
    return [os.path.join(path, name) for name in names]
