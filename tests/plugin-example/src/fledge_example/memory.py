"""`mem://` URIs: bytes kept in this process."""

from __future__ import annotations

from pathlib import Path

from fledge.errors import StorageError

__all__ = ["MemoryStorage"]


class MemoryStorage:
    """Files only; a URI is a key."""

    def __init__(self) -> None:
        self._files: dict[str, bytes] = {}

    def exists(self, uri: str) -> bool:
        return uri in self._files

    def read(self, uri: str) -> bytes:
        if uri not in self._files:
            raise StorageError(uri, "does not exist")
        return self._files[uri]

    def write(self, uri: str, data: bytes) -> None:
        self._files[uri] = data

    def get(self, uri: str, to_path: str) -> None:
        target = Path(to_path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(self.read(uri))

    def put(self, from_path: str, uri: str) -> None:
        self.write(uri, Path(from_path).read_bytes())
