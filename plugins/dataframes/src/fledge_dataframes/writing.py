"""Frames to files: a folder that appears when it is complete, on this machine or in a storage elsewhere.

In: a table, or a reader that is taken batch by batch. Out: a folder with one parquet file `00000` (the incumbent's
layout), one of `name=value` folders, or one with a file `.csv`.
"""

from __future__ import annotations

import base64
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from fledge.errors import StorageError
from fledge.storage import scheme_of
from fledge_dataframes.csv_files import write_csv
from fledge_dataframes.errors import ColumnMismatch
from fledge_dataframes.ranges import RangeStorage

if TYPE_CHECKING:
    from fledge.storage import StorageRouter

__all__ = ["FILE_NAME", "WHOLE_SCHEMA", "store", "write_folder"]

FILE_NAME = "00000"
WHOLE_SCHEMA = b"fledge:schema"  # key in a partitioned file's metadata: the schema with the columns that are folders
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"  # the folder of rows whose column is null
_MANY = 2**31 - 1
Data = Any  # Any: pa.Table | pa.RecordBatchReader; pyarrow brings no types


def store(data: Data, storage: StorageRouter, uri: str, format_: str, partitions: Sequence[str]) -> str:
    """Write to `uri`, or to a new one below the raw prefix; returns it.

    Raises:
        StorageError: It cannot be written, or there are other files already, which would become part of the frame.
    """
    is_given, uri = bool(uri), uri or storage.new_uri()
    if scheme_of(uri) in ("", "file"):
        write_folder(data, storage.local_path(uri), format_, partitions)
        return uri
    with tempfile.TemporaryDirectory(prefix="fledge-") as folder:
        path = os.path.join(folder, "data")
        write_folder(data, path, format_, partitions)
        remote = storage.for_uri(uri)
        if is_given and isinstance(remote, RangeStorage):
            _refuse_others(uri, {found.removeprefix(uri).lstrip("/") for found in remote.list(uri)}, _files(path))
        storage.put(path, uri)
    return uri


def write_folder(data: Data, path: str, format_: str = "parquet", partitions: Sequence[str] = ()) -> None:
    """Write a table, or a reader batch by batch, as the folder `path`, which appears only when it is complete.

    Raises:
        StorageError: The disk refuses, or the folder holds other files.
        ColumnMismatch: A column to partition by holds a text that no folder can be named by.
        pyarrow.ArrowException: The data hold a type that the format has no place for.
    """
    with _appearing(path) as folder:
        if format_ == "csv":
            write_csv(data, folder)
        elif partitions:
            _write_partitioned(data, folder, partitions)
        else:
            _write_parquet(data, folder)


def _write_parquet(data: Data, folder: str) -> None:
    file = os.path.join(folder, FILE_NAME)
    if isinstance(data, pa.Table):
        pq.write_table(data, file)
        return
    with pq.ParquetWriter(file, data.schema) as writer:
        for batch in data:
            writer.write_batch(batch)


def _write_partitioned(data: Data, folder: str, partitions: Sequence[str]) -> None:
    """Folders named by values; a frame without rows, which has no values, becomes a plain file."""
    schema = data.schema
    whole = base64.b64encode(schema.serialize().to_pybytes())
    marked = schema.with_metadata({**(schema.metadata or {}), WHOLE_SCHEMA: whole})
    reader = data.to_reader() if isinstance(data, pa.Table) else data
    is_empty = True

    def checked() -> Iterator[pa.RecordBatch]:
        nonlocal is_empty
        for batch in reader:
            is_empty = is_empty and not batch.num_rows
            _refuse_bad_names(batch, partitions)
            yield pa.RecordBatch.from_arrays(batch.columns, schema=marked)

    ds.write_dataset(
        pa.RecordBatchReader.from_batches(marked, checked()),
        folder,
        format="parquet",
        partitioning=ds.partitioning(pa.schema([schema.field(name) for name in partitions]), flavor="hive"),
        basename_template="{i}.parquet",
        use_threads=False,  # rows keep their order in each folder
        max_partitions=_MANY,
    )
    if is_empty:
        _write_parquet(schema.empty_table(), folder)


def _refuse_bad_names(batch: pa.RecordBatch, partitions: Sequence[str]) -> None:
    """Texts that would come back as null, or cut off."""
    for name in partitions:
        column = batch.column(batch.schema.get_field_index(name))
        if not pa.types.is_string(column.type) and not pa.types.is_large_string(column.type):
            continue
        is_bad = pc.or_(pc.equal(column, pa.scalar(_NO_VALUE, column.type)), pc.match_substring(column, "\0"))
        if pc.any(is_bad).as_py():
            bad = column.filter(is_bad)[0].as_py()
            raise ColumnMismatch(name, "values that can name folders", repr(bad), "it would come back as another")


@contextmanager
def _appearing(path: str) -> Iterator[str]:
    """A folder beside `path`, which takes its place at the end and is removed after a failure."""
    parent, name = os.path.split(os.path.abspath(path))
    partial = os.path.join(parent, f".{name}.{uuid.uuid4().hex}.partial")
    try:
        os.makedirs(partial)
        yield partial
        _take_place(partial, path)
    except StorageError:
        raise
    except OSError as exc:
        raise StorageError(path, f"cannot be written: {exc.strerror or exc}") from exc
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _take_place(partial: str, path: str) -> None:
    """Another attempt of a task may find what the last one wrote: only files of the same names are replaced."""
    if not os.path.isdir(path):
        os.replace(partial, path)
        return
    _refuse_others(path, _files(path), _files(partial))
    old = f"{partial}.old"
    os.replace(path, old)
    try:
        os.replace(partial, path)
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _refuse_others(uri: str, found: set[str], written: set[str]) -> None:
    others = sorted(found - written)
    if others:
        reason = f"holds {others[0]!r}, which would become part of the frame. Choose an empty place, or remove it"
        raise StorageError(uri, reason, recoverable=False)


def _files(folder: str) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file()}
