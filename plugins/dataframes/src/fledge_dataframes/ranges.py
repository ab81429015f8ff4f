"""Storage elsewhere as pyarrow sees files: listed, and read by ranges, so that only the wanted columns are fetched.

A storage can do this when it has `list(uri)`, all URIs at or below one, and `open(uri)`, a file to read and seek in
(fledge-storage's have). Where it has not, the whole folder is copied here first.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any, NoReturn, Protocol, runtime_checkable

import pyarrow as pa
import pyarrow.fs as pafs

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["RangeStorage", "file_system"]


@runtime_checkable
class RangeStorage(Protocol):
    """What reading by ranges takes; every failure is a StorageError."""

    def list(self, uri: str) -> list[str]:
        """The URIs of all files at or below the URI; none: an empty list."""
        ...

    def open(self, uri: str) -> IO[bytes]:
        """A file that fetches what is read."""
        ...


def file_system(storage: RangeStorage, uri: str) -> tuple[pafs.FileSystem, str]:
    """A read-only file system over the storage, and the path in it that stands for the URI."""
    scheme, _, path = uri.partition("://")
    return pafs.PyFileSystem(_Handler(storage, scheme)), path.rstrip("/")


class _Handler(pafs.FileSystemHandler):  # type: ignore[misc] # pyarrow has no types
    """Paths are URIs without their scheme, which pyarrow would take for a file system of its own."""

    def __init__(self, storage: RangeStorage, scheme: str) -> None:
        self._storage, self._scheme = storage, scheme

    def get_type_name(self) -> str:
        return f"fledge-{self._scheme}"

    def normalize_path(self, path: str) -> str:
        return path

    def get_file_info(self, paths: Sequence[str]) -> list[pafs.FileInfo]:
        return [self._info(path) for path in paths]

    def get_file_info_selector(self, selector: pafs.FileSelector) -> list[pafs.FileInfo]:
        found = self._storage.list(f"{self._scheme}://{selector.base_dir}")
        return [pafs.FileInfo(uri.partition("://")[2], pafs.FileType.File) for uri in found]

    def open_input_file(self, path: str) -> pa.PythonFile:
        return pa.PythonFile(self._storage.open(f"{self._scheme}://{path}"), mode="r")

    open_input_stream = open_input_file

    def _info(self, path: str) -> pafs.FileInfo:
        uri = f"{self._scheme}://{path}"
        found = self._storage.list(uri)
        if not found:
            return pafs.FileInfo(path, pafs.FileType.NotFound)
        return pafs.FileInfo(path, pafs.FileType.File if found == [uri] else pafs.FileType.Directory)

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:  # Any: arguments of every writing method
        raise NotImplementedError("this file system is for reading")

    create_dir = delete_dir = delete_dir_contents = delete_root_dir_contents = delete_file = _refuse
    move = copy_file = open_output_stream = open_append_stream = _refuse
