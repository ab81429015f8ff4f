"""Bytes at a URI: the `Storage` protocol, local files, and the router that picks a storage by scheme.

Core knows local files. Every other scheme (`s3://`, `gs://`, ...) comes from a plugin, as a factory that is called when
the scheme is first used. Values that live only inside one local run (Arrow tables between two tasks) sit in the
router's `LiveStore` under `fledge-live:///<uuid>`; `materialize` writes them out before anything leaves the process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple, Protocol

from fledge.errors import LiveValueError, StorageError
from fledge.lazy import lazy

if TYPE_CHECKING:
    import pathlib
    import shutil
    import tempfile
    import weakref
    from urllib import parse

    from fledge import providers
    from fledge.idl import literals
else:
    pathlib = lazy("pathlib")
    shutil = lazy("shutil")
    tempfile = lazy("tempfile")
    weakref = lazy("weakref")
    parse = lazy("urllib.parse")
    providers = lazy("fledge.providers")

__all__ = [
    "LIVE_SCHEME",
    "LiveStore",
    "LocalStorage",
    "Storage",
    "StorageRouter",
    "leaves",
    "materialize",
    "path_of",
    "scheme_of",
]

LIVE_SCHEME = "fledge-live"


class Storage(Protocol):
    """Where bytes of one scheme live. URIs are whole (`s3://bucket/key`); every failure is a StorageError."""

    def exists(self, uri: str) -> bool:
        """Is there a file or a folder?"""
        ...

    def read(self, uri: str) -> bytes:
        """The whole file."""
        ...

    def write(self, uri: str, data: bytes) -> None:
        """All or nothing: a reader never sees half of the file."""
        ...

    def get(self, uri: str, to_path: str) -> None:
        """Copy a file or a folder from the storage to a local path that does not exist yet."""
        ...

    def put(self, from_path: str, uri: str) -> None:
        """Copy a local file or folder to the storage."""
        ...


def _new_id() -> str:
    return os.urandom(16).hex()


def scheme_of(uri: str) -> str:
    """`s3` for `s3://...`; empty for a plain path."""
    head, separator, _ = uri.partition("://")
    return head.lower() if separator else ""


def path_of(uri: str) -> str:
    """The local path of a plain path or a `file://` URI. StorageError for the URI of another machine's file."""
    if scheme_of(uri) != "file":
        return uri
    parts = parse.urlsplit(uri)
    if parts.netloc not in ("", "localhost"):
        way_out = "Write file:/// and the whole path, or the path alone"
        raise StorageError(uri, f"names the machine {parts.netloc!r}. {way_out}", recoverable=False)
    path = parse.unquote(parts.path)
    return path[1:] if os.path.splitdrive(path[1:])[0] else path  # file:///C:/data on Windows


class LocalStorage:
    """Files and folders of this machine, as plain paths or `file://` URIs."""

    def exists(self, uri: str) -> bool:
        return os.path.exists(path_of(uri))

    def read(self, uri: str) -> bytes:
        try:
            with open(path_of(uri), "rb") as file:
                return file.read()
        except StorageError:
            raise
        except (OSError, ValueError) as exc:  # ValueError: a zero byte in the name
            raise StorageError(uri, f"cannot be read: {_reason(exc)}") from exc

    def write(self, uri: str, data: bytes) -> None:
        with _Replacing(path_of(uri), uri) as partial, open(partial, "wb") as file:
            file.write(data)

    def get(self, uri: str, to_path: str) -> None:
        _copy(path_of(uri), to_path, uri)

    def put(self, from_path: str, uri: str) -> None:
        _copy(from_path, path_of(uri), uri)


class _Replacing:
    """A name beside `path` to write to; renamed over it on success, removed on failure."""

    def __init__(self, path: str, uri: str) -> None:
        self.path, self.uri = os.path.dirname(os.path.join(path, "")), uri  # without a slash at the end
        self.folder, name = os.path.split(self.path)
        self.partial = os.path.join(self.folder, f".{name}.{_new_id()}.partial")

    def __enter__(self) -> str:
        try:
            os.makedirs(self.folder or os.curdir, exist_ok=True)
        except (OSError, ValueError) as exc:
            raise StorageError(self.uri, f"cannot be written: {_reason(exc)}") from exc
        return self.partial

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            if error is None:
                if os.path.isdir(self.partial) and os.path.isdir(self.path):
                    shutil.rmtree(self.path)
                os.replace(self.partial, self.path)
        except OSError as exc:
            error = exc
        if error is not None:
            _remove(self.partial)
        if isinstance(error, (OSError, ValueError)) and not isinstance(error, StorageError):
            raise StorageError(self.uri, f"cannot be written: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def _copy(source: str, target: str, uri: str) -> None:
    if not os.path.exists(source):
        raise StorageError(source, "does not exist")
    with _Replacing(target, uri) as partial:
        if os.path.isdir(source):
            shutil.copytree(source, partial)
        else:
            shutil.copyfile(source, partial)


def _remove(path: str) -> None:
    if os.path.isdir(path):
        shutil.rmtree(path, ignore_errors=True)
    elif os.path.exists(path):
        os.remove(path)


class _LiveValue(NamedTuple):
    value: object
    write: Callable[[object, str], None]
    digest: Callable[[object], str] | None


class LiveStore:
    """Values of one outermost run, by URI, each with the function that writes it out when it leaves the process."""

    def __init__(self) -> None:
        self._values: dict[str, _LiveValue] = {}

    def put(
        self,
        value: object,
        write: Callable[[object, str], None],
        digest: Callable[[object], str] | None = None,
    ) -> str:
        """Keep a value and return its URI.

        Args:
            write: `write(value, local_path)` is called at most once per materialization.
            digest: `digest(value)` is a hash of the content, for cache keys; None: the value cannot be cached on.
        """
        uri = f"{LIVE_SCHEME}:///{_new_id()}"
        self._values[uri] = _LiveValue(value, write, digest)
        return uri

    def get(self, uri: str) -> object:
        return self._entry(uri).value

    def save(self, uri: str, path: str) -> None:
        entry = self._entry(uri)
        entry.write(entry.value, path)

    def digest(self, uri: str) -> str | None:
        """A hash of the value's content; None when its type has none."""
        entry = self._entry(uri)
        return entry.digest(entry.value) if entry.digest is not None else None

    def _entry(self, uri: str) -> _LiveValue:
        try:
            return self._values[uri]
        except KeyError:
            reason = "this value lived in a run that has ended. Take the value the task returned instead of its literal"
            raise LiveValueError(uri, reason) from None


class StorageRouter:
    """The storage a converter is handed: picks the right one by scheme and knows where new data go.

    Args:
        raw_prefix: Folder or URI prefix for new data. None: a folder of this process, made on first use and removed
            when the process ends.
        factories: Scheme -> factory, as plugins register them.
        live: Where values of the running local run are kept; None where every value has to be written out.
        keep_local: True in local runs: a file that is on this machine already stays where it is and is not copied.
        scratch: Folder that will be removed with the run: files in it are copied out even with `keep_local`.
        load: Called before an unknown scheme is given up: plugins may not have registered theirs yet.
    """

    def __init__(
        self,
        raw_prefix: str | None = None,
        factories: Mapping[str, Callable[[], Storage]] | None = None,
        live: LiveStore | None = None,
        keep_local: bool = True,
        scratch: Callable[[], str | None] = lambda: None,
        load: Callable[[], None] = lambda: None,
    ) -> None:
        self._raw_prefix = raw_prefix
        self._factories = factories if factories is not None else {}
        self._storages: dict[str, Storage] = {"": LocalStorage()}
        self._storages["file"] = self._storages[""]
        self.live = live
        self.keep_local = keep_local
        self._scratch = scratch
        self._load = load

    def with_(
        self,
        *,
        raw_prefix: str | None = None,
        live: LiveStore | None = None,
        keep_local: bool | None = None,
        scratch: Callable[[], str | None] | None = None,
    ) -> StorageRouter:
        """A router of the same storages; what is not given stays, except `live`, which is always replaced."""
        other = object.__new__(type(self))
        fields = other.__dict__  # each call of a task makes two routers: a dict's items are set faster than attributes
        fields.update(self.__dict__)
        fields["live"] = live
        if raw_prefix is not None:
            fields["_raw_prefix"] = raw_prefix
        if keep_local is not None:
            fields["keep_local"] = keep_local
        if scratch is not None:
            fields["_scratch"] = scratch
        return other

    @property
    def raw_prefix(self) -> str:
        if self._raw_prefix is None:
            self._raw_prefix = _process_folder()
        return self._raw_prefix

    def for_uri(self, uri: str) -> Storage:
        """The storage of a URI's scheme. StorageError when no plugin brings it; names the package when it is known."""
        scheme = scheme_of(uri)
        found = self._storages.get(scheme)
        if found is None:
            if scheme not in self._factories:
                self._load()
            factory = self._factories.get(scheme)
            if factory is None:
                package = providers.FOR_SCHEMES.get(scheme)
                way_out = f"pip install {package}" if package else "install the plugin that brings this scheme"
                raise StorageError(uri, f"no storage for scheme {scheme!r}. {way_out}", recoverable=False)
            found = self._storages.setdefault(scheme, factory())  # another thread may have made one meanwhile
        return found

    def exists(self, uri: str) -> bool:
        return self.for_uri(uri).exists(uri)

    def read(self, uri: str) -> bytes:
        return self.for_uri(uri).read(uri)

    def write(self, uri: str, data: bytes) -> None:
        self.for_uri(uri).write(uri, data)

    def get(self, uri: str, to_path: str) -> None:
        self.for_uri(uri).get(uri, to_path)

    def put(self, from_path: str, uri: str) -> None:
        self.for_uri(uri).put(from_path, uri)

    def new_uri(self, name: str = "") -> str:
        """A URI below the raw prefix that nobody else has; `name` is its last part."""
        unique = f"{self.raw_prefix.rstrip('/')}/{_new_id()}"
        return f"{unique}/{name}" if name else unique

    def publish(self, local_path: str) -> str:
        """Make a local file or folder last beyond the run and return its URI; see `keep_local` and `scratch`."""
        path = os.path.abspath(local_path)
        scratch = self._scratch()
        inside = os.path.join(os.path.realpath(scratch), "") if scratch is not None else None
        temporary = inside is not None and os.path.realpath(path).startswith(inside)
        if self.keep_local and not temporary:
            return path
        uri = self.new_uri(os.path.basename(path))
        self.put(path, uri)
        return uri

    def local_path(self, uri: str) -> str:
        """A local path that holds the URI's bytes: the file itself when it is local, a downloaded copy otherwise."""
        if scheme_of(uri) in ("", "file"):
            return str(pathlib.Path(path_of(uri)))
        name = uri.rstrip("/").rsplit("/", 1)[-1]
        target = os.path.join(self._scratch() or _process_folder(), _new_id(), name)
        self.get(uri, target)
        return target


_folders: list[tempfile.TemporaryDirectory[str]] = []


def _process_folder() -> str:
    """The folder, removed at exit by its own finalizer. Two threads may each make one: both stay until then."""
    if not _folders or not os.path.isdir(_folders[0].name):
        _folders.insert(0, tempfile.TemporaryDirectory(prefix="fledge-"))
    return _folders[0].name


def _forget_folder_in_child() -> None:
    """A forked child must not remove its parent's folder when it exits."""
    for folder in _folders:
        finalizer = getattr(folder, "_finalizer", None)
        if isinstance(finalizer, weakref.finalize):
            finalizer.detach()
    _folders.clear()


os.register_at_fork(after_in_child=_forget_folder_in_child) if hasattr(os, "register_at_fork") else None


def materialize(literal_map: literals.LiteralMap, storage: StorageRouter) -> literals.LiteralMap:
    """The same map with every live value written below the raw prefix; the map itself when it holds none."""
    if not any(_live_literals(literal) for literal in literal_map.literals.values()):
        return literal_map
    if storage.live is None:
        raise LiveValueError(f"{LIVE_SCHEME}:///", "a live value reached a place that has no live store")
    copy = type(literal_map)()
    copy.CopyFrom(literal_map)
    written: dict[str, str] = {}
    for literal in copy.literals.values():
        for found in _live_literals(literal):
            dataset = found.scalar.structured_dataset
            if dataset.uri not in written:
                written[dataset.uri] = _write_out(dataset.uri, storage)
            dataset.uri = written[dataset.uri]
    return copy


def _write_out(live_uri: str, storage: StorageRouter) -> str:
    assert storage.live is not None
    uri = storage.new_uri("data")
    if scheme_of(uri) in ("", "file"):
        storage.live.save(live_uri, path_of(uri))
    else:
        with tempfile.TemporaryDirectory(prefix="fledge-") as folder:
            path = os.path.join(folder, "data")
            storage.live.save(live_uri, path)
            storage.put(path, uri)
    return uri


def _live_literals(literal: literals.Literal) -> list[literals.Literal]:
    """Every literal at any depth whose structured dataset is live."""
    return [
        found
        for found in leaves(literal)
        if found.HasField("scalar")
        and found.scalar.HasField("structured_dataset")
        and found.scalar.structured_dataset.uri.startswith(f"{LIVE_SCHEME}:")
    ]


def leaves(literal: literals.Literal) -> Iterator[literals.Literal]:
    """Every literal at any depth that holds no other."""
    kind = literal.WhichOneof("value")
    if kind == "collection":
        for item in literal.collection.literals:
            yield from leaves(item)
    elif kind == "map":
        for item in literal.map.literals.values():
            yield from leaves(item)
    elif kind == "scalar" and literal.scalar.WhichOneof("value") == "union":
        yield from leaves(literal.scalar.union.value)
    else:
        yield literal
