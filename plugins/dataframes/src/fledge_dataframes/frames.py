"""Where a frame is: alive in this run, in parquet files, or on its way between the two.

Flows in: a frame of any library, or the URI of one. Flows out: the URI of one, or a table with the columns that were
asked for. Inside a local run a frame stays the object it is; it is written only when it leaves the process.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from fledge.errors import LiveValueError, StorageError
from fledge.storage import LIVE_SCHEME, scheme_of
from fledge.types.mismatch import Mismatch
from fledge_dataframes.columns import Declared, refuse_unstorable
from fledge_dataframes.errors import ColumnMismatch
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
from fledge_dataframes.parquet import ParquetFolder, write_parquet
from fledge_dataframes.ranges import RangeStorage, file_system

if TYPE_CHECKING:
    from fledge.idl import literals
    from fledge.storage import StorageRouter

__all__ = ["read_frame", "write_frame"]


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

    def write(self, path: str) -> None:
        write_parquet(self.table(), path)


def write_frame(value: Frame, cls: type, declared: Declared, storage: StorageRouter, uri: str = "") -> str:
    """Keep a frame alive, or write it: to `uri` when one is given, else where there is no live store. Returns its URI.

    Raises:
        Mismatch: It is no frame (`cls` was expected).
        ColumnMismatch: A declared column is missing or of another type, two have one name, one cannot be stored.
        StorageError: It cannot be written.
    """
    if not is_frame(value):
        raise Mismatch(cls, value, "frames of pyarrow, pandas, polars and what else has __arrow_c_stream__ fit")
    live = None if uri else storage.live
    if live is None and _is_reader(value):
        return _store(_checked_stream(value, declared), storage, uri)
    library = library_of(type(value))
    table = None
    if library is None or not (declared.is_plain and library.is_sound(value)):
        table = declared.fit(to_arrow(value))
        refuse_unstorable(table.schema, table.num_rows)
    if live is None:
        return _store(to_arrow(value) if table is None else table, storage, uri)
    if library is None or library is TABLE or not library.keeps:
        kept = _LiveFrame(table, TABLE, table)
    else:
        kept = _LiveFrame(library.snapshot(value), library, table)
    return live.put(kept, _write_live, _hash_live)


def _write_live(kept: Any, path: str) -> None:  # Any: the live store holds values of any kind
    kept.write(path)


def _hash_live(kept: Any) -> str:  # Any: as above
    return content_hash(kept.table())


def read_frame(
    dataset: literals.StructuredDataset, class_name: str, declared: Declared, storage: StorageRouter
) -> Frame:
    """The frame of a dataset as the wanted class ("pandas.DataFrame"), with the declared columns only.

    Where the reader declares none, those that the writer declared are read.

    Raises:
        ColumnMismatch: A declared column is missing or of another type.
        StorageError: There is nothing, or no parquet.
        LiveValueError: The frame lived in a run that has ended.
    """
    wanted, kind, uri = BY_PUBLIC_NAME[class_name], dataset.metadata.structured_dataset_type, dataset.uri
    stored = [column.name for column in kind.columns] if declared.is_plain else []
    if scheme_of(uri) == LIVE_SCHEME:
        return _read_live(uri, wanted, declared, stored, storage)
    format_ = kind.format
    if format_ not in ("", "parquet"):
        raise StorageError(uri, f"is stored as {format_}; only parquet is read. Write it as parquet")
    folder = _open_folder(uri, storage)
    names = _names(declared, stored, folder.schema, wanted)
    if wanted.is_stream:
        return _fit_stream(folder.stream(names), declared)
    return wanted.from_arrow(declared.fit(folder.read(names)))


def _open_folder(uri: str, storage: StorageRouter) -> ParquetFolder:
    """By ranges where the storage has them; otherwise a copy on this machine."""
    if scheme_of(uri) not in ("", "file"):
        remote = storage.for_uri(uri)
        if isinstance(remote, RangeStorage):
            files, path = file_system(remote, uri)
            return ParquetFolder(path, uri, files)
    return ParquetFolder(storage.local_path(uri), uri)


def _read_live(uri: str, wanted: Library, declared: Declared, stored: Sequence[str], storage: StorageRouter) -> Frame:
    if storage.live is None:
        raise LiveValueError(uri, "this frame lived in a local run, which this place is no part of. Write it out first")
    kept = storage.live.get(uri)
    if not isinstance(kept, _LiveFrame):
        raise LiveValueError(uri, f"holds no frame but a {type(kept).__name__}")
    if kept.library is wanted and declared.is_plain and not stored:
        return kept.frame()
    table = kept.table()
    names = _names(declared, stored, table.schema, wanted)
    return wanted.from_arrow(declared.fit(table if names == table.column_names else table.select(names)))


def _names(declared: Declared, stored: Sequence[str], found: pa.Schema, wanted: Library) -> list[str]:
    names = declared.names(found)
    if stored:
        names = [name if name in found.names else name.partition(".")[0] for name in stored]
        for name in names:
            if name not in found.names:
                raise ColumnMismatch(name, "what its writer declared", "no such column")
    return list(dict.fromkeys([*names, *_index_of(found, wanted)]))


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


def _checked_stream(reader: pa.RecordBatchReader, declared: Declared) -> pa.RecordBatchReader:
    refuse_doubles(reader.schema.names)
    refuse_unstorable(reader.schema, 0)
    return _fit_stream(reader, declared)


def _fit_stream(reader: pa.RecordBatchReader, declared: Declared) -> pa.RecordBatchReader:
    """The reader with `declared.fit` applied to every batch as it passes."""
    if declared.is_plain:
        return reader
    schema = declared.fit(reader.schema.empty_table()).schema
    batches = (batch for found in reader for batch in declared.fit(pa.Table.from_batches([found])).to_batches())
    return pa.RecordBatchReader.from_batches(schema, batches)


def _store(data: pa.Table | pa.RecordBatchReader, storage: StorageRouter, uri: str) -> str:
    uri = uri or storage.new_uri()
    if scheme_of(uri) in ("", "file"):
        write_parquet(data, storage.local_path(uri))
        return uri
    with tempfile.TemporaryDirectory(prefix="fledge-") as folder:
        path = os.path.join(folder, "data")
        write_parquet(data, path)
        storage.put(path, uri)
    return uri
