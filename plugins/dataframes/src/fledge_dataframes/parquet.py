"""Parquet files and folders of them: read by the columns, and the fields of structs, that are asked for.

In: where they lie, as a path of this machine or of a file system over a storage. Out: tables, or batches, with the
Arrow types they had before they were written. `name=value` folders are columns.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from fledge.errors import StorageError
from fledge_dataframes.pruning import choose, is_pruned, leaves
from fledge_dataframes.writing import WHOLE_SCHEMA

__all__ = ["ParquetFolder"]

_ARROW_SCHEMA = b"ARROW:schema"


class ParquetFolder:
    """A parquet file or a folder of them. Opening reads the schema only.

    Args:
        path: Where it lies: on this machine, or in `files`.
        uri: How errors call it.
        files: The file system of the path; None: this machine's.
        types: Of columns that are folders, for which nothing else says their type.

    Raises:
        StorageError: Nothing is there, or it is not parquet.
    """

    def __init__(
        self, path: str, uri: str, files: pafs.FileSystem | None = None, types: Mapping[str, pa.DataType] | None = None
    ) -> None:
        self.uri = uri
        with self._named():
            self._dataset: ds.FileSystemDataset = ds.dataset(path, filesystem=files, format="parquet")
        # From this machine's disk little has to be read ahead, and pyarrow's buffers would grow to the whole file.
        near = {"batch_readahead": 2, "fragment_scan_options": ds.ParquetFragmentScanOptions(pre_buffer=False)}
        self._ahead: Mapping[str, Any] = near if files is None else {}  # Any: keywords of to_batches
        if not self._dataset.files:
            raise StorageError(uri, "holds no parquet file")
        with self._named():
            self.schema: pa.Schema = self._written_schema(
                path if files is not None else os.path.abspath(path), types or {}
            )

    def read(self, wanted: pa.Schema) -> pa.Table:
        """These columns, in this order; `wanted` is `schema`, or made of it by leaving out columns and fields."""
        with self._named():
            if is_pruned(wanted, self.schema):
                table = pa.Table.from_batches(self._pruned_batches(wanted), wanted)
            else:
                table = self._dataset.to_table(columns=self._projection(wanted))
            return _cast(table, wanted)

    def stream(self, wanted: pa.Schema) -> pa.RecordBatchReader:
        """The same, batch by batch: a table larger than memory passes through."""

        def batches() -> Iterator[pa.RecordBatch]:
            with self._named():
                if is_pruned(wanted, self.schema):
                    yield from self._pruned_batches(wanted)
                    return
                for batch in self._dataset.to_batches(columns=self._projection(wanted), **self._ahead):
                    yield from _cast(pa.Table.from_batches([batch]), wanted).to_batches()

        return pa.RecordBatchReader.from_batches(wanted, batches())

    def _projection(self, wanted: pa.Schema) -> dict[str, ds.Expression]:
        """By field, not by name: a name with a dot in it would be taken for a path into a struct."""
        return {name: ds.field(name) for name in wanted.names}

    def _pruned_batches(self, wanted: pa.Schema) -> Iterator[pa.RecordBatch]:
        """File by file: only so the fields of a struct that nobody wants stay unread."""
        paths = leaves(wanted, self.schema)
        for part in self._dataset.get_fragments():
            folders = ds.get_partition_keys(part.partition_expression)
            with pq.ParquetFile(part.path, filesystem=part.filesystem, metadata=part.metadata) as file:
                for batch in file.iter_batches(columns=paths):
                    table = _completed(pa.Table.from_batches([batch]), wanted, folders, file.schema_arrow)
                    yield from _cast(choose(table, wanted), wanted).to_batches()

    def _written_schema(self, path: str, types: Mapping[str, pa.DataType]) -> pa.Schema:
        """Types as they were before parquet, which has no seconds and no date64, and before columns became folders."""
        metadata = next(self._dataset.get_fragments()).metadata.metadata or {}
        written = {field.name: field for field in _schema_in(metadata, _ARROW_SCHEMA) or ()}
        whole = _schema_in(metadata, WHOLE_SCHEMA)
        folders = _folders(self._dataset.files, path)
        if folders:
            known = types if whole is None else dict(zip(whole.names, whole.types, strict=True))
            self._read_folders(path, {name: known.get(name) for name in folders})
        found = self._dataset.schema
        names = whole.names if whole is not None and set(whole.names) == set(found.names) else found.names
        fields = [found.field(name) for name in names]
        fields = [written[one.name] if _is_restorable(written.get(one.name)) else one for one in fields]
        return pa.schema(fields, metadata=found.metadata if whole is None else whole.metadata)

    def _read_folders(self, path: str, types: dict[str, pa.DataType | None]) -> None:
        """Take names of folders as values. They are texts: `01` is read as a number unless a type says otherwise."""
        if None in types.values():
            guessed = self._with_folders(path, ds.HivePartitioning.discover(), None).partitioning.schema
            types = {name: kind or guessed.field(name).type for name, kind in types.items()}
        folders = pa.schema(types.items())
        found = self._dataset.schema
        fields = [field for field in found if field.name not in types]
        schema = pa.schema([*fields, *folders], metadata=found.metadata)
        self._dataset = self._with_folders(path, ds.partitioning(folders, flavor="hive"), schema)

    def _with_folders(
        self, path: str, partitioning: ds.Partitioning | ds.PartitioningFactory, schema: pa.Schema | None
    ) -> ds.FileSystemDataset:
        found = self._dataset
        options = ds.FileSystemFactoryOptions(path, partitioning)
        return ds.FileSystemDatasetFactory(found.filesystem, found.files, found.format, options).finish(schema)

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except StorageError:
            raise
        except FileNotFoundError as exc:
            raise StorageError(self.uri, "does not exist: it has vanished or was never written") from exc
        except KeyError as exc:
            raise StorageError(self.uri, f"cannot be read as parquet: one of its files lacks a field: {exc}") from exc
        except (OSError, pa.ArrowException) as exc:
            raise StorageError(self.uri, f"cannot be read as parquet: {exc}") from exc


def _completed(table: pa.Table, wanted: pa.Schema, folders: Mapping[str, object], found: pa.Schema) -> pa.Table:
    """With the columns that are names of folders, and those that this file, of the schema `found`, has not as nulls."""
    for field in wanted:
        if field.name in table.column_names:
            continue
        if field.name in found.names:  # none of its wanted fields is there
            raise KeyError(f"{field.name}: {field.type}")
        value = pa.scalar(folders.get(field.name), field.type)
        table = table.append_column(field, pa.repeat(value, table.num_rows))
    return table


def _folders(files: Sequence[str], path: str) -> list[str]:
    """The names in `name=value` folders below the path."""
    below = (file.removeprefix(path).split("/")[:-1] for file in files)
    return list(dict.fromkeys(unquote(part.partition("=")[0]) for parts in below for part in parts if "=" in part))


def _schema_in(metadata: Mapping[bytes, bytes], key: bytes) -> pa.Schema | None:
    stored = metadata.get(key)
    return None if stored is None else pa.ipc.read_schema(pa.py_buffer(base64.b64decode(stored)))


def _is_restorable(written: pa.Field | None) -> bool:
    """Not a partition column, and not a dictionary below the top level, which no cast can make."""

    def holds_dictionary(kind: pa.DataType) -> bool:
        return pa.types.is_dictionary(kind) or any(holds_dictionary(kind.field(i).type) for i in range(kind.num_fields))

    if written is None:
        return False
    return not holds_dictionary(written.type.value_type if pa.types.is_dictionary(written.type) else written.type)


def _cast(table: pa.Table, schema: pa.Schema) -> pa.Table:
    for number, field in enumerate(schema):
        if pa.types.is_dictionary(field.type) and not pa.types.is_dictionary(table.schema.field(number).type):
            table = table.set_column(number, field.name, table.column(number).dictionary_encode())
    return table if table.schema.equals(schema, check_metadata=True) else table.cast(schema)
