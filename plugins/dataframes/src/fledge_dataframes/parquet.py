"""Tables in a local folder of parquet files: written whole or not at all, read by the columns that are asked for.

Frames go out as one file `00000` in a folder, the layout of the incumbent. Read is any parquet file, or any folder of
them, with `name=value` folders as partition columns.
"""

from __future__ import annotations

import base64
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from fledge.errors import StorageError

__all__ = ["FILE_NAME", "ParquetFolder", "write_parquet"]

FILE_NAME = "00000"
_ARROW_SCHEMA = b"ARROW:schema"


def write_parquet(data: pa.Table | pa.RecordBatchReader, path: str) -> None:
    """Write a table, or a reader batch by batch, as the folder `path`, which appears only when it is complete.

    Raises:
        StorageError: The disk refuses.
        pyarrow.ArrowException: The data hold a type that parquet has no place for.
    """
    with _appearing(path) as folder:
        file = os.path.join(folder, FILE_NAME)
        if isinstance(data, pa.Table):
            pq.write_table(data, file)
        else:
            with pq.ParquetWriter(file, data.schema) as writer:
                for batch in data:
                    writer.write_batch(batch)


@contextmanager
def _appearing(path: str) -> Iterator[str]:
    """A folder beside `path`, renamed to `path` at the end and removed after a failure."""
    parent, name = os.path.split(os.path.abspath(path))
    partial = os.path.join(parent, f".{name}.{uuid.uuid4().hex}.partial")
    try:
        os.makedirs(partial)
        yield partial
        os.replace(partial, path)
    except OSError as exc:
        raise StorageError(path, f"cannot be written: {exc.strerror or exc}") from exc
    finally:
        shutil.rmtree(partial, ignore_errors=True)


class ParquetFolder:
    """A parquet file or a folder of them. Opening reads the schema only.

    Args:
        path: Where it lies: on this machine, or in `files`.
        uri: How errors call it.
        files: The file system of the path; None: this machine's.

    Raises:
        StorageError: Nothing is there, or it is not parquet.
    """

    def __init__(self, path: str, uri: str, files: pafs.FileSystem | None = None) -> None:
        self.uri = uri
        with self._named():
            self._dataset: ds.FileSystemDataset = ds.dataset(
                path, filesystem=files, format="parquet", partitioning="hive"
            )
        if not self._dataset.files:
            raise StorageError(uri, "holds no parquet file")
        with self._named():
            self.schema: pa.Schema = self._written_schema()

    def read(self, columns: Sequence[str]) -> pa.Table:
        """These columns, in this order, with the Arrow types they had before they were written."""
        with self._named():
            table = self._dataset.to_table(columns=self._projection(columns))
        return _cast(table, self._schema_of(columns))

    def stream(self, columns: Sequence[str]) -> pa.RecordBatchReader:
        """The same, batch by batch: a table larger than memory passes through."""
        schema = self._schema_of(columns)
        batches = self._dataset.to_batches(columns=self._projection(columns))

        def restored() -> Iterator[pa.RecordBatch]:
            with self._named():
                for batch in batches:
                    yield from _cast(pa.Table.from_batches([batch]), schema).to_batches()

        return pa.RecordBatchReader.from_batches(schema, restored())

    def _schema_of(self, columns: Sequence[str]) -> pa.Schema:
        return pa.schema([self.schema.field(name) for name in columns], metadata=self.schema.metadata)

    def _projection(self, columns: Sequence[str]) -> dict[str, ds.Expression]:
        """By field, not by name: a name with a dot in it would be taken for a path into a struct."""
        return {name: ds.field(name) for name in columns}

    def _written_schema(self) -> pa.Schema:
        """Types as they were before parquet, which has no seconds and no date64."""
        found = self._dataset.schema
        stored = (next(self._dataset.get_fragments()).metadata.metadata or {}).get(_ARROW_SCHEMA)
        if stored is None:
            return found
        written = {field.name: field for field in pa.ipc.read_schema(pa.py_buffer(base64.b64decode(stored)))}
        fields = [written[field.name] if _is_restorable(written.get(field.name)) else field for field in found]
        return pa.schema(fields, metadata=found.metadata)

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except StorageError:
            raise
        except FileNotFoundError as exc:
            raise StorageError(self.uri, "does not exist: it has vanished or was never written") from exc
        except (OSError, pa.ArrowException) as exc:
            raise StorageError(self.uri, f"cannot be read as parquet: {exc}") from exc


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
