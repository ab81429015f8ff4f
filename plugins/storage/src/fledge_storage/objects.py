"""Bytes at URIs of object stores, through obstore: files, folders, ranges; all or nothing in both directions.

In: whole URIs (`s3://bucket/key`). Out: bytes, local files, or a StorageError that says what is wrong without a word of
the credentials. Configuration comes from the environment, as each store's own tools read it (AWS_*, GOOGLE_*, AZURE_*),
and from the names that the platform gives its containers (FLYTE_AWS_*).
"""

from __future__ import annotations

import io
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import obstore
from obstore.store import MemoryStore, from_url

from fledge.errors import StorageError, add_note
from fledge.progress import tracked
from fledge_storage.reasons import MissingError, told_as_storage_error

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ObjectStore, RetryConfig

__all__ = ["ObjectStorage"]

PART_BYTES = 16 * 2**20  # S3 allows 10,000 parts: files up to 156 GiB
_READ_BYTES = 2**20
_LONG_BYTES = 16 * 2**20  # from here on a transfer's progress is reported
_RANGE_BYTES = 2**16  # the least that is fetched of an open file
_FILES_AT_ONCE = 8
_RESUMES = 3
_RETRIES: RetryConfig = {"max_retries": 5, "retry_timeout": timedelta(minutes=2)}
_PLATFORM_NAMES = {
    "FLYTE_AWS_ENDPOINT": "endpoint",
    "FLYTE_AWS_ACCESS_KEY_ID": "access_key_id",
    "FLYTE_AWS_SECRET_ACCESS_KEY": "secret_access_key",
}
Count = Callable[[int], None]


class ObjectStorage:
    """A `fledge.storage.Storage` for every scheme that obstore knows.

    Args:
        retries: How often and how long a request is tried again, as obstore takes it.
        client: Options of the HTTP client (timeouts, proxy), as obstore takes them.
    """

    def __init__(self, retries: RetryConfig | None = None, client: Mapping[str, Any] | None = None) -> None:
        self._retries: RetryConfig = _RETRIES if retries is None else retries
        self._client = dict(client or {})  # Any above: options have a type each
        self._stores: dict[tuple[str, str], ObjectStore] = {}
        self._lock = Lock()

    def exists(self, uri: str) -> bool:
        """Is there an object, or anything below the URI as a folder? StorageError when that cannot be told."""
        with told_as_storage_error(uri):
            store, key = self._find(uri)
            return _head(store, key) is not None or next(_below(store, key), None) is not None

    def read(self, uri: str) -> bytes:
        with told_as_storage_error(uri):
            store, key = self._find(uri)
            return bytes(obstore.get(store, key).bytes())

    def write(self, uri: str, data: bytes) -> None:
        with told_as_storage_error(uri):
            store, key = self._find(uri)
            obstore.put(store, key, data, chunk_size=PART_BYTES)

    def get(self, uri: str, to_path: str) -> None:
        """Copy an object, or all below the URI as a folder, to a local path, which appears when it is complete."""
        target = Path(to_path)
        partial = target.with_name(f".{target.name}.{uuid.uuid4().hex}.partial")
        try:
            with told_as_storage_error(uri):
                store, key = self._find(uri)
                target.parent.mkdir(parents=True, exist_ok=True)
                meta = _head(store, key)
                if meta is not None:
                    with _counted("download", uri, meta["size"]) as count:
                        _download(store, meta, partial, count)
                else:
                    _download_folder(store, key, partial, uri)
                os.replace(partial, target)
        finally:
            _remove(partial)

    def put(self, from_path: str, uri: str) -> None:
        """Copy a local file or folder; after a failure nothing of it stays."""
        with told_as_storage_error(uri):
            store, key = self._find(uri)
            source = Path(from_path)
            if source.is_dir():
                _upload_folder(store, source, key, uri)
            elif source.exists():
                with _counted("upload", uri, source.stat().st_size) as count:
                    _upload(store, source, key, count)
            else:
                raise StorageError(from_path, "does not exist", recoverable=False)

    def list(self, uri: str) -> list[str]:
        """The URIs of all objects at or below the URI, sorted."""
        with told_as_storage_error(uri):
            store, key = self._find(uri)
            if _head(store, key) is not None:
                return [uri]
            root = f"{urlsplit(uri).scheme}://{urlsplit(uri).netloc}"
            return sorted(f"{root}/{meta['path']}" for meta in _files(store, list(_below(store, key)), key))

    def open(self, uri: str) -> io.BufferedReader:
        """The object as a file to read and seek in: only the ranges that are read are fetched."""
        with told_as_storage_error(uri):
            store, key = self._find(uri)
            return io.BufferedReader(_Ranges(store, obstore.head(store, key), uri), _RANGE_BYTES)

    def _find(self, uri: str) -> tuple[ObjectStore, str]:
        """The store of a bucket, made once, and the key in it."""
        scheme, _, rest = uri.partition("://")
        bucket, _, key = rest.partition("/")
        place = scheme.lower(), bucket
        with self._lock:
            store = self._stores.get(place)
            if store is None:
                store = self._stores[place] = self._make(*place, uri)
        return store, key.rstrip("/")

    def _make(self, scheme: str, bucket: str, uri: str) -> ObjectStore:
        if scheme == "memory":
            return MemoryStore()
        if not bucket:
            raise StorageError(uri, f"names no bucket. Write {scheme}://bucket/key", recoverable=False)
        config, client = _environment(scheme), dict(self._client)
        endpoint = config.get("endpoint", os.environ.get("AWS_ENDPOINT_URL", os.environ.get("AWS_ENDPOINT", "")))
        if scheme in ("s3", "s3a") and endpoint.startswith("http://"):
            client.setdefault("allow_http", True)
        make: Callable[..., ObjectStore] = from_url  # its overloads want the config of one known store
        return make(f"{scheme}://{bucket}", config=config, client_options=client, retry_config=self._retries)


def _environment(scheme: str) -> dict[str, str]:
    """What the platform's own variables say; obstore reads those of each store by itself."""
    if scheme not in ("s3", "s3a"):
        return {}
    return {option: os.environ[name] for name, option in _PLATFORM_NAMES.items() if os.environ.get(name)}


def _head(store: ObjectStore, key: str) -> ObjectMeta | None:
    if not key:
        return None
    try:
        return obstore.head(store, key)
    except FileNotFoundError:
        return None


def _below(store: ObjectStore, key: str) -> Iterator[ObjectMeta]:
    for page in obstore.list(store, prefix=key or None):
        yield from page


def _files(store: ObjectStore, found: list[ObjectMeta], key: str) -> list[ObjectMeta]:
    """Without the empty objects by which consoles and other tools mark a folder (`data/`), here or further below.

    obstore lists such an object as it would a file (`data`), but finds none when it is asked for that.
    """
    folders, above = set[str](), {key, *(meta["path"].rpartition("/")[0] for meta in found)}
    while above:
        folders |= above
        above = {folder.rpartition("/")[0] for folder in above} - folders
    return [one for one in found if one["size"] or one["path"] not in folders or _head(store, one["path"]) is not None]


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def _counted(what: str, uri: str, size_bytes: int) -> Iterator[Count]:
    """What to tell the bytes that have passed; short transfers are not reported."""
    if size_bytes < _LONG_BYTES:
        yield lambda _: None
        return
    with tracked(f"{what} {uri}", size_bytes, "bytes") as tracker:
        yield tracker.advance


# -- down -------------------------------------------------------------------------------------------------------------


def _download(store: ObjectStore, meta: ObjectMeta, target: Path, count: Count) -> None:
    """One stream; a connection that breaks is taken up again where it broke, if the object is still the same."""
    with target.open("wb") as file:
        for attempt in range(_RESUMES + 1):
            try:
                _stream(store, meta, file, count)
                return
            except obstore.exceptions.GenericError:
                if attempt == _RESUMES:
                    raise


def _stream(store: ObjectStore, meta: ObjectMeta, file: io.BufferedWriter, count: Count) -> None:
    if file.tell() == meta["size"]:
        return
    options: dict[str, Any] = {"range": (file.tell(), meta["size"])}  # Any: options have a type each
    if meta["e_tag"]:
        options["if_match"] = meta["e_tag"]
    for chunk in obstore.get(store, meta["path"], options=options).stream(min_chunk_size=_READ_BYTES):  # type: ignore[arg-type] # a TypedDict
        file.write(chunk)
        count(len(chunk))


def _download_folder(store: ObjectStore, key: str, target: Path, uri: str) -> None:
    found = list(_below(store, key))
    if not found:
        raise MissingError(uri, "does not exist: there is no object and nothing below it", recoverable=False)
    files = _files(store, found, key)
    target.mkdir()

    def one(meta: ObjectMeta) -> None:
        path = target / meta["path"].removeprefix(key).lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        _download(store, meta, path, count)

    with _counted("download", uri, sum(meta["size"] for meta in files)) as count:
        _all(one, files)


# -- up ---------------------------------------------------------------------------------------------------------------


def _upload(store: ObjectStore, source: Path, key: str, count: Count) -> None:
    """An object appears when the last part has arrived."""
    size = source.stat().st_size
    if size <= PART_BYTES:
        obstore.put(store, key, source.read_bytes())
        count(size)
        return

    def parts() -> Iterator[bytes]:
        with source.open("rb") as file:
            while data := file.read(_READ_BYTES):
                yield data
                count(len(data))

    obstore.put(store, key, parts(), chunk_size=PART_BYTES)


def _upload_folder(store: ObjectStore, source: Path, key: str, uri: str) -> None:
    files = [path for path in sorted(source.rglob("*")) if path.is_file()]
    if not files:
        reason = f"{source} is an empty folder, which an object store cannot hold. Put a file in it"
        raise StorageError(uri, reason, recoverable=False)
    keys = {path: f"{key}/{path.relative_to(source).as_posix()}".lstrip("/") for path in files}
    done: list[str] = []

    def one(path: Path) -> None:
        _upload(store, path, keys[path], count)
        done.append(keys[path])

    try:
        with _counted("upload", uri, sum(path.stat().st_size for path in files)) as count:
            _all(one, files)
    except BaseException as exc:
        _take_back(store, done, exc)
        raise


def _take_back(store: ObjectStore, keys: list[str], exc: BaseException) -> None:
    try:
        obstore.delete(store, keys)
    except obstore.exceptions.BaseError:
        add_note(exc, f"{len(keys)} objects that had arrived could not be removed again, {keys[0]!r} among them")


def _all(work: Callable[[Any], None], items: list[Any]) -> None:  # Any: paths or objects
    """Several at once; the first failure cancels what has not begun and is raised when the rest has ended."""
    with ThreadPoolExecutor(_FILES_AT_ONCE, thread_name_prefix="fledge-storage") as pool:
        running = [pool.submit(work, item) for item in items]
        try:
            for one in running:
                one.result()
        except BaseException:
            for one in running:
                one.cancel()
            raise


class _Ranges(io.RawIOBase):
    """A readable, seekable file over range requests, all of one version of the object."""

    def __init__(self, store: ObjectStore, meta: ObjectMeta, uri: str) -> None:
        self._store, self._meta, self._uri = store, meta, uri
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def size(self) -> int:
        return self._meta["size"]

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._meta["size"]}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:  # Any: the buffer protocol has a type from Python 3.12 on
        end = min(self._at + len(buffer), self._meta["size"])
        if self._at >= end:
            return 0
        options: dict[str, Any] = {"range": (self._at, end)}  # Any: options have a type each
        if self._meta["e_tag"]:
            options["if_match"] = self._meta["e_tag"]
        with told_as_storage_error(self._uri):
            data = obstore.get(self._store, self._meta["path"], options=options).bytes()  # type: ignore[arg-type] # a TypedDict
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
