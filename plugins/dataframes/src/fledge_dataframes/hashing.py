"""A hash of what a table holds: names, types and values, whatever batches it is split into."""

from __future__ import annotations

import hashlib

import pyarrow as pa

__all__ = ["content_hash"]


class _Sink:
    """A file that keeps the hash of what is written to it."""

    closed = False

    def __init__(self) -> None:
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""


def content_hash(table: pa.Table) -> str:
    """SHA-256 of the Arrow stream of the table in one batch, without its schema's metadata.

    Equal tables give equal hashes in every process; a table without nulls may differ from an equal one that carries an
    empty null mask, which costs a cache hit and no correctness.
    """
    whole = table.replace_schema_metadata(None).combine_chunks()
    sink = _Sink()
    with pa.ipc.new_stream(pa.PythonFile(sink, mode="w"), whole.schema) as writer:
        writer.write_table(whole)
    return sink.digest.hexdigest()
