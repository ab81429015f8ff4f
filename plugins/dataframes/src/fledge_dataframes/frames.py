"""Where a frame is: alive in this run, in files, or on its way between the two.

Flows in: a frame of any library, or the URI of one. Flows out: the URI of one, or a table with the columns that were
asked for. Inside a local run a frame stays the object it is; it is written only when it leaves the process.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from fledge import idl
from fledge.errors import LiveValueError, StorageError
from fledge.storage import LIVE_SCHEME, scheme_of
from fledge.types.mismatch import Mismatch
from fledge_dataframes.columns import PARQUET, Declared
from fledge_dataframes.csv_files import CsvFolder
from fledge_dataframes.hashing import content_hash
from fledge_dataframes.libraries import (
    BY_PUBLIC_NAME,
    TABLE,
    Frame,
    Library,
    is_frame,
    library_of,
    refuse_doubles,
    to_arrow,
)
from fledge_dataframes.parquet import ParquetFolder
from fledge_dataframes.pruning import choose, pruned_schema, tree_of_names
from fledge_dataframes.ranges import RangeStorage, file_system
from fledge_dataframes.writing import store, write_folder

if TYPE_CHECKING:
    from fledge.idl import literals
    from fledge.storage import StorageRouter

__all__ = ["read_frame", "write_frame"]

LIVE_READER_BYTES = 16 * 2**20  # what a reader may hold and still be kept in memory inside a local run


class _LiveFrame:
    """A frame as it was when a task gave it away; the table made of it is kept for the next reader."""

    __slots__ = ("_frame", "_table", "library")

    def __init__(self, frame: Frame, library: Library, table: pa.Table | None) -> None:
        self._frame, self._table, self.library = frame, table, library

    def frame(self) -> Frame:
        return self.library.snapshot(self._frame)

    def table(self) -> pa.Table:
        if self._table is None:
            self._table = self.library.to_arrow(self._frame)
        return self._table


def write_frame(value: Frame, cls: type, declared: Declared, storage: StorageRouter, uri: str = "") -> str:
    """Keep a frame alive, or write it: to `uri` when one is given, else where there is no live store. Returns its URI.

    A reader that holds more than LIVE_READER_BYTES is always written: who gives one does not want to hold it whole.

    Raises:
        Mismatch: It is no frame (`cls` was expected).
        ColumnMismatch: A declared column is missing or of another type, two have one name, one cannot be stored.
        StorageError: It cannot be written.
    """
    if not is_frame(value):
        raise Mismatch(cls, value, "frames of pyarrow, pandas, polars and what else has __arrow_c_stream__ fit")
    live = None if uri else storage.live
    if live is not None and _is_reader(value):
        value = _begun(value)
    if _is_reader(value):
        return _store(_checked_stream(value, declared), storage, uri, declared)
    library = library_of(type(value))
    table = None
    if library is None or not (declared.takes_all and library.is_sound(value)):
        table = declared.fit(to_arrow(value))
        declared.refuse_unstorable(table.schema, table.num_rows)
    if live is None:
        return _store(to_arrow(value) if table is None else table, storage, uri, declared)
    if library is None or library is TABLE or not library.keeps:
        kept = _LiveFrame(table, TABLE, table)
    else:
        kept = _LiveFrame(library.snapshot(value), library, table)
    return live.put(kept, partial(_write_live, declared), _hash_live)


def _store(data: pa.Table | pa.RecordBatchReader, storage: StorageRouter, uri: str, declared: Declared) -> str:
    return store(data, storage, uri, declared.format or PARQUET, declared.partitions)


def _write_live(declared: Declared, kept: Any, path: str) -> None:  # Any: the live store holds values of any kind
    write_folder(kept.table(), path, declared.format or PARQUET, declared.partitions)


def _hash_live(kept: Any) -> str:  # Any: as above
    return content_hash(kept.table())


def read_frame(
    dataset: literals.StructuredDataset, class_name: str, declared: Declared, storage: StorageRouter
) -> Frame:
    """The frame of a dataset as the wanted class ("pandas.DataFrame"), with the declared columns only.

    Where the reader declares none, those that the writer declared are read.

    Raises:
        ColumnMismatch: A declared column is missing or of another type.
        StorageError: There is nothing, or nothing of the dataset's format; a format that is not read.
        LiveValueError: The frame lived in a run that has ended.
    """
    wanted, kind, uri = BY_PUBLIC_NAME[class_name], dataset.metadata.structured_dataset_type, dataset.uri
    stored = [column.name for column in kind.columns] if declared.is_plain else []
    if scheme_of(uri) == LIVE_SCHEME:
        return _read_live(uri, wanted, declared, stored, storage)
    if kind.format == "csv":
        types = {**_simple_types(kind.columns if stored else ()), **declared.types()}
        return _read_csv(CsvFolder(storage.local_path(uri), uri), wanted, declared, stored, types)
    if kind.format not in ("", PARQUET):
        raise StorageError(uri, f"is stored as {kind.format}; parquet and csv are read. Write it as one of them")
    folder = _open_folder(uri, storage, declared.types())
    schema = _wanted_schema(declared, stored, folder.schema, wanted)
    if wanted.is_stream:
        return _fit_stream(folder.stream(schema), declared)
    return wanted.from_arrow(declared.fit(folder.read(schema)))


def _read_csv(
    folder: CsvFolder, wanted: Library, declared: Declared, stored: Sequence[str], types: dict[str, pa.DataType]
) -> Frame:
    if wanted.is_stream:
        reader = folder.stream(types)
        schema = _wanted_schema(declared, stored, reader.schema, wanted)
        chosen = (batch for found in reader for batch in choose(pa.Table.from_batches([found]), schema).to_batches())
        return _fit_stream(pa.RecordBatchReader.from_batches(schema, chosen), declared)
    table = folder.read(types)
    return wanted.from_arrow(declared.fit(choose(table, _wanted_schema(declared, stored, table.schema, wanted))))


def _simple_types(columns: Iterable[Any]) -> dict[str, pa.DataType]:  # Any: columns of the message
    """What the writer said of columns, for text, which says nothing itself."""
    simple = idl.types.SimpleType
    known = {
        simple.INTEGER: pa.int64(),
        simple.FLOAT: pa.float64(),
        simple.STRING: pa.string(),
        simple.BOOLEAN: pa.bool_(),
    }
    return {column.name: known[column.literal_type.simple] for column in columns if column.literal_type.simple in known}


def _open_folder(uri: str, storage: StorageRouter, types: dict[str, pa.DataType]) -> ParquetFolder:
    """By ranges where the storage has them; otherwise a copy on this machine."""
    if scheme_of(uri) not in ("", "file"):
        remote = storage.for_uri(uri)
        if isinstance(remote, RangeStorage):
            files, path = file_system(remote, uri)
            return ParquetFolder(path, uri, files, types)
    return ParquetFolder(storage.local_path(uri), uri, types=types)


def _read_live(uri: str, wanted: Library, declared: Declared, stored: Sequence[str], storage: StorageRouter) -> Frame:
    if storage.live is None:
        raise LiveValueError(uri, "this frame lived in a local run, which this place is no part of. Write it out first")
    kept = storage.live.get(uri)
    if not isinstance(kept, _LiveFrame):
        raise LiveValueError(uri, f"holds no frame but a {type(kept).__name__}")
    if kept.library is wanted and declared.is_plain and not stored:
        return kept.frame()
    table = kept.table()
    return wanted.from_arrow(declared.fit(choose(table, _wanted_schema(declared, stored, table.schema, wanted))))


def _wanted_schema(declared: Declared, stored: Sequence[str], found: pa.Schema, wanted: Library) -> pa.Schema:
    schema = declared.wanted(found)
    if stored:
        schema = pruned_schema(tree_of_names(stored, found), found)
    for name in _index_of(found, wanted):
        if name not in schema.names:
            schema = schema.append(found.field(name))
    return schema


def _index_of(schema: pa.Schema, wanted: Library) -> list[str]:
    """The columns that hold the row labels of a pandas frame; only pandas is given them unasked."""
    stored = (schema.metadata or {}).get(b"pandas")
    if stored is None or wanted.public_name != "pandas.DataFrame":
        return []
    labels = json.loads(stored).get("index_columns", [])
    return [name for name in labels if isinstance(name, str) and name in schema.names]


def _is_reader(value: Frame) -> bool:
    library = library_of(type(value))
    return library is not None and library.is_stream


def _begun(reader: pa.RecordBatchReader) -> pa.Table | pa.RecordBatchReader:
    """A table when it is small; else a reader of what was read by then and of the rest."""
    batches, size_bytes = [], 0
    for batch in reader:
        batches.append(batch)
        size_bytes += batch.nbytes
        if size_bytes > LIVE_READER_BYTES:
            first = (batches.pop(0) for _ in range(len(batches)))  # let go as they pass
            return pa.RecordBatchReader.from_batches(reader.schema, itertools.chain(first, reader))
    return pa.Table.from_batches(batches, reader.schema)


def _checked_stream(reader: pa.RecordBatchReader, declared: Declared) -> pa.RecordBatchReader:
    refuse_doubles(reader.schema.names)
    declared.refuse_unstorable(reader.schema, 0)
    return _fit_stream(reader, declared)


def _fit_stream(reader: pa.RecordBatchReader, declared: Declared) -> pa.RecordBatchReader:
    """The reader with `declared.fit` applied to every batch as it passes."""
    if declared.is_plain:
        return reader
    schema = declared.fit(reader.schema.empty_table()).schema
    batches = (batch for found in reader for batch in declared.fit(pa.Table.from_batches([found])).to_batches())
    return pa.RecordBatchReader.from_batches(schema, batches)
