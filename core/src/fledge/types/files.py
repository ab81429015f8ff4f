"""FlyteFile and FlyteDirectory: handles on bytes that are here or elsewhere and come when they are needed.

A handle keeps the URI or path it was made with. `os.fspath(handle)`, `open(handle)`, `handle.path` and
`handle.download()` give a local path and download once, if they must; making, comparing and printing a handle reads
nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeAlias, TypeVar, get_args, get_origin

from fledge.errors import DefinitionError
from fledge.lazy import lazy
from fledge.storage import StorageRouter, scheme_of
from fledge.types.current import context_of_caller
from fledge.types.model_fields import InModels

__all__ = ["FlyteDirectory", "FlyteFile", "RemoteHandle", "handle_class"]

Handle: TypeAlias = "RemoteHandle[Any]"  # Any: of any format
H = TypeVar("H", bound=Handle)
if TYPE_CHECKING:
    import pathlib
    import tempfile

    from typing_extensions import TypeVar as _TypeVar  # type checkers bring it along

    from fledge.types.kinds import Plain

    F = _TypeVar("F", default=str)

    class _Formatted(Generic[F]):
        """Type checkers see a generic class with a default: FlyteFile, FlyteFile[Literal["csv"]]."""
else:
    pathlib = lazy("pathlib")
    tempfile = lazy("tempfile")
    F = TypeVar("F")

    class _Formatted:
        """At run time the brackets make a class: see `__class_getitem__` below."""

        def __class_getitem__(cls, item: object) -> type:
            return cls


_specific: dict[tuple[type, str], type[Any]] = {}  # Any: a handle class. (class, format) -> class


def _storage_source() -> StorageRouter:
    """Where handles that users make find their storage."""
    return context_of_caller().storage


class RemoteHandle(os.PathLike[str], InModels, _Formatted[F]):
    """What a file and a directory have in common.

    Args:
        path: Local path or URI.
        remote_path: Where the bytes go when the handle leaves the task; None: a new place below the raw prefix, False:
            nowhere, the path is passed on as it is.
        metadata: Text that travels with the literal.
    """

    format: ClassVar[str] = ""

    def __init__(
        self,
        path: str | os.PathLike[str],
        remote_path: str | os.PathLike[str] | bool | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        self._source: str = path.uri if isinstance(path, RemoteHandle) else os.fspath(path)
        self.remote_path = remote_path
        self.metadata = dict(metadata) if metadata else None
        self._storage: StorageRouter | None = None
        self._local = None if self.is_remote else _local(self._source)

    if not TYPE_CHECKING:

        def __class_getitem__(cls, item: object) -> type:
            """`FlyteFile["csv"]`, for type checkers `FlyteFile[Literal["csv"]]`: the same class each time."""
            if item is F:
                return cls
            text = get_args(item)[0] if get_origin(item) is Literal else getattr(item, "__name__", item)
            if not isinstance(text, str) or isinstance(item, type):
                name = cls.__name__
                raise DefinitionError(f'{name}[...] takes a format as text, as {name}["csv"], not {item!r}')
            return handle_class(cls, text.strip().lstrip("~").lstrip("."))

    @classmethod
    def extension(cls) -> str:
        """The format in brackets; empty for none."""
        return cls.format

    @classmethod
    def from_source(cls: type[H], source: str | os.PathLike[str]) -> H:  # noqa: PYI019 - Self is new in Python 3.11
        """A handle on something that is already where it should stay."""
        return cls(source, remote_path=False)

    @classmethod
    def _from_plain(cls: type[H], plain: Plain) -> H:  # noqa: PYI019 - as above
        """A path, or `{"path": ..., "metadata": ...}`."""
        return (
            cls(plain) if isinstance(plain, (str, os.PathLike)) else cls(plain["path"], metadata=plain.get("metadata"))
        )

    def _to_plain(self) -> Plain:
        return {"path": self._source, "metadata": self.metadata} if self.metadata else {"path": self._source}

    @classmethod
    def _plain_schema(cls) -> dict[str, Plain]:
        path = {"anyOf": [{"type": "string"}, {"format": "path", "type": "string"}], "default": None, "title": "Path"}
        return {"properties": {"path": path}, "title": _base(cls).__name__, "type": "object"}

    @property
    def uri(self) -> str:
        """The URI or path this handle was made with."""
        return self._source

    @property
    def is_remote(self) -> bool:
        return scheme_of(self._source) not in ("", "file")

    @property
    def remote_source(self) -> str | None:
        """The URI when the bytes are elsewhere, else None."""
        return self._source if self.is_remote else None

    @property
    def downloaded(self) -> bool:
        return self.is_remote and self._local is not None

    @property
    def path(self) -> str:
        """A local path; downloads on first use."""
        return self.__fspath__()

    def download(self) -> str:
        """Download now, if it is not here yet; the local path. StorageError when it cannot be had."""
        return self.__fspath__()

    def __fspath__(self) -> str:
        if self._local is None:
            self._local = self._router().local_path(self._source)
        return self._local

    def _router(self) -> StorageRouter:
        return self._storage if self._storage is not None else _storage_source()

    def bind(self: H, storage: StorageRouter) -> H:  # noqa: PYI019 - Self is new in Python 3.11
        """Download from this storage; done for every handle that comes out of a literal."""
        self._storage = storage
        return self

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RemoteHandle):
            return NotImplemented
        return (type(self), self._source, self.metadata) == (type(other), other.uri, other.metadata)

    def __hash__(self) -> int:
        return hash(self._source)

    def __str__(self) -> str:
        return self._source

    def __repr__(self) -> str:
        return f"{type(self).__qualname__}({self._source!r})"

    def __getstate__(self) -> dict[str, Any]:  # Any: attributes
        """A handle that is copied to another process finds its storage there."""
        return {**self.__dict__, "_storage": None}

    def __reduce__(self) -> tuple[Any, ...]:  # Any: the pickle protocol's own shape
        return _rebuild, (_base(type(self)), self.format, self.__getstate__())


def handle_class(cls: type[Handle], file_format: str) -> Any:  # Any: a class made at run time
    """`FlyteFile["csv"]` for FlyteFile and "csv"; the class itself for an empty format."""
    if not file_format:
        return cls
    if (cls, file_format) not in _specific:
        qualname = f'{cls.__qualname__}["{file_format}"]'
        body = {"format": file_format, "__module__": cls.__module__, "__qualname__": qualname}
        _specific[(cls, file_format)] = type(cls.__name__, (cls,), body)
    return _specific[(cls, file_format)]


def _base(cls: type[Handle]) -> type[Handle]:
    """The class before the brackets, which can be found by name."""
    return cls.__mro__[1] if (cls.__mro__[1], cls.format) in _specific else cls


def _rebuild(cls: type[Handle], file_format: str, state: dict[str, Any]) -> Handle:  # Any: attributes
    made: Handle = object.__new__(handle_class(cls, file_format))
    made.__dict__.update(state)
    return made


def _local(path: str) -> str:
    if scheme_of(path) == "file":
        return StorageRouter().local_path(path)
    return path


class FlyteFile(RemoteHandle[F]):
    """A file. As an annotation also `FlyteFile["csv"]`; a str or path may be given where one is expected.

    Type checkers read text in brackets as the name of a class: write `FlyteFile[Literal["csv"]]` for them.
    """

    @classmethod
    def _plain_schema(cls) -> dict[str, Plain]:
        made, texts = super()._plain_schema(), {"additionalProperties": {"type": "string"}, "type": "object"}
        made["properties"]["metadata"] = {"anyOf": [texts, {"type": "null"}], "default": None, "title": "Metadata"}
        return made

    @classmethod
    def new_remote_file(cls, name: str = "") -> FlyteFile[F]:
        """A file to write to, below the raw prefix of the running task."""
        storage = _storage_source()
        return cls(storage.new_uri(name), remote_path=False).bind(storage)

    @contextmanager
    def open(self, mode: str = "r", **options: Any) -> Iterator[IO[Any]]:  # Any: as the built-in open
        """As the built-in `open`. What is written to a remote file is uploaded at the end, if no exception passes."""
        if not set(mode) & set("wax+"):
            with open(self, mode, **options) as stream:
                yield stream
        elif not self.is_remote:
            pathlib.Path(self).parent.mkdir(parents=True, exist_ok=True)
            with open(self, mode, **options) as stream:
                yield stream
        else:
            with tempfile.TemporaryDirectory(prefix="fledge-") as folder:
                path = os.path.join(folder, "data")
                if "w" not in mode and "x" not in mode:
                    self._router().get(self._source, path)
                with open(path, mode, **options) as stream:
                    yield stream
                self._router().put(path, self._source)
                self._local = None


class FlyteDirectory(RemoteHandle[F]):
    """A directory with all it holds; a str or path may be given where one is expected."""

    @classmethod
    def new_remote(cls, name: str = "") -> FlyteDirectory[F]:
        """A directory to put files in, below the raw prefix of the running task."""
        storage = _storage_source()
        return cls(storage.new_uri(name), remote_path=False).bind(storage)

    def new_file(self, name: str) -> FlyteFile:
        """A file in it, which need not exist yet."""
        return self._child(FlyteFile, name)

    def new_dir(self, name: str) -> FlyteDirectory:
        """A directory in it, which need not exist yet."""
        return self._child(FlyteDirectory, name)

    def _child(self, cls: type[H], name: str) -> H:
        made = cls(f"{self._source.rstrip('/')}/{name}", remote_path=False)
        return made if self._storage is None else made.bind(self._storage)

    def listdir(self) -> list[FlyteFile | FlyteDirectory]:
        """What is in it, by name."""
        with os.scandir(self) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        return [self._entry(entry) for entry in found]

    def _entry(self, entry: os.DirEntry[str]) -> FlyteFile | FlyteDirectory:
        """A handle on something in it, which is here by now and need not be downloaded again."""
        made = self.new_dir(entry.name) if entry.is_dir() else self.new_file(entry.name)
        made._local = entry.path  # noqa: SLF001 - of the class above
        return made

    def crawl(self) -> Iterator[tuple[str, str]]:
        """(local path of this directory, path below it) of every file at every depth, by name."""
        root = os.fspath(self)
        for folder, folders, files in os.walk(root):
            folders.sort()
            for name in sorted(files):
                yield root, os.path.relpath(os.path.join(folder, name), root)

    def __truediv__(self, name: str | os.PathLike[str]) -> pathlib.Path:
        return pathlib.Path(self) / name
