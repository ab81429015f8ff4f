"""Values that are files elsewhere: FlyteFile, FlyteDirectory, and pickles for those who ask for them.

In: a handle, a path or a URI; out: a blob literal with the URI under which the bytes last. Local files are published
through the storage, remote ones keep their URI.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

from fledge import idl
from fledge.lazy import lazy
from fledge.types.annotated import Pickled
from fledge.types.base import TypeTransformer
from fledge.types.converter import Converter, PlainForm
from fledge.types.files import FlyteDirectory, FlyteFile, RemoteHandle
from fledge.types.hints import class_of, unwrap
from fledge.types.kinds import Annotation, Plain, Value
from fledge.types.mismatch import Mismatch
from fledge.types.wire import read_indirect, read_uri

if TYPE_CHECKING:
    import pickle

    from fledge.idl import literals as pb_literals
    from fledge.idl import types as pb_types
    from fledge.storage import StorageRouter
    from fledge.types.base import TypeRegistry
else:
    pickle = lazy("pickle")

__all__ = ["BLOBS"]

PICKLE_FORMAT = "PythonPickle"
_PATH = {"anyOf": [{"type": "string"}, {"type": "string", "format": "path"}], "default": None}
_TEXTS = {"type": "object", "additionalProperties": {"type": "string"}, "propertyNames": {"type": "string"}}
_METADATA = {"anyOf": [_TEXTS, {"type": "null"}], "default": None}


class HandleTransformer(TypeTransformer[RemoteHandle]):
    """FlyteFile (`directory=False`) or FlyteDirectory, with any format."""

    handles_subclasses = True
    nested_messages = (4, 16)

    def __init__(self, name: str, handle: type[RemoteHandle], *, directory: bool) -> None:
        super().__init__(name, handle)
        self._handle, self._directory = handle, directory

    def _blob_type(self, python_type: type[RemoteHandle]) -> pb_types.BlobType:
        single, multipart = idl.types.BlobType.SINGLE, idl.types.BlobType.MULTIPART
        return idl.types.BlobType(
            format=python_type.extension(), dimensionality=multipart if self._directory else single
        )

    def plain_form(self, python_type: Annotation, registry: TypeRegistry) -> PlainForm:  # noqa: ARG002 - given by the base class
        def pack(value: object, storage: StorageRouter) -> object:
            uri, metadata = self._publish(value, python_type, storage)
            return {"path": uri, "metadata": metadata} if metadata else {"path": uri}

        def unpack(plain: object, storage: StorageRouter) -> object:
            if type(plain) is not dict or type(plain.get("path")) is not str:
                raise Mismatch(python_type, plain, "no path in it")
            return self._handle_on(plain["path"], plain.get("metadata"), python_type, plain, storage)

        def schema() -> dict[str, Plain]:
            properties = {"path": _PATH} if self._directory else {"path": _PATH, "metadata": _METADATA}
            title = self._handle.__name__
            return {"type": "object", "title": title, "properties": properties, "additionalProperties": False}

        return PlainForm(pack, unpack, schema, (python_type,))

    def compile(self, python_type: Annotation, registry: TypeRegistry) -> Converter:
        plain, blob_type = self.plain_form(python_type, registry), self._blob_type(python_type)

        def fill(literal: pb_literals.Literal, value: object, storage: StorageRouter) -> None:
            uri, metadata = self._publish(value, python_type, storage)
            blob = literal.scalar.blob
            blob.uri = uri
            blob.metadata.type.CopyFrom(blob_type)
            if metadata:
                literal.metadata.update(metadata)

        def read(literal: pb_literals.Literal, storage: StorageRouter) -> object:
            if literal.scalar.WhichOneof("value") != "blob":
                return read_indirect(literal, storage, python_type, read, plain)
            blob = literal.scalar.blob
            if blob.metadata.type.dimensionality != blob_type.dimensionality:
                kind = "a file" if self._directory else "a directory"
                raise Mismatch(python_type, literal, f"the literal holds {kind}")
            return self._handle_on(blob.uri, dict(literal.metadata), python_type, literal, storage)

        return Converter(
            python_type,
            lambda: idl.types.LiteralType(blob=blob_type),
            fill,
            read,
            plain=plain,
            classes=(python_type,),
        )

    def _publish(
        self, value: Value, python_type: Annotation, storage: StorageRouter
    ) -> tuple[str, dict[str, str] | None]:
        """The URI under which the bytes last, and the metadata that goes along."""
        handle = value
        if not isinstance(value, self._handle):
            if isinstance(value, RemoteHandle) or not isinstance(value, (str, os.PathLike)):
                raise Mismatch(python_type, value)
            handle = self._make(self._handle, value, None, value)
        if handle.is_remote:
            return handle.uri, handle.metadata
        path = handle.path
        self._must_exist(path, python_type, value)
        if handle.remote_path is False:
            return path, handle.metadata
        if handle.remote_path not in (None, True):
            target = os.fspath(handle.remote_path)
            storage.put(path, target)
            return target, handle.metadata
        return storage.publish(path), handle.metadata

    @staticmethod
    def _make(
        handle: type[RemoteHandle], path: str | os.PathLike[str], metadata: dict[str, str] | None, value: object
    ) -> RemoteHandle:
        try:
            return handle(path, metadata=metadata)
        except (TypeError, ValueError) as exc:  # a path in bytes, or a URI that cannot be taken apart
            raise Mismatch(handle, value, str(exc)) from exc

    def _must_exist(self, path: str, python_type: Annotation, value: object) -> None:
        if not (os.path.isdir(path) if self._directory else os.path.isfile(path)):
            kind = "directory" if self._directory else "file"
            raise Mismatch(python_type, value, f"there is no {kind} at {path}")

    def _handle_on(
        self,
        uri: str,
        metadata: Value,
        python_type: Annotation,
        found: object,
        storage: StorageRouter,
    ) -> RemoteHandle:
        if not uri or "\0" in uri:
            raise Mismatch(python_type, found, "no path in it")
        made = self._make(python_type, uri, metadata if isinstance(metadata, dict) else None, found)
        if not made.is_remote:
            self._must_exist(made.path, python_type, found)
        return made.bind(storage)


class PickleTransformer(TypeTransformer[Value]):
    """`Annotated[T, Pickled]`: a pickle in the storage. cloudpickle writes it where it is installed."""

    keeps_metadata = True

    def __init__(self) -> None:
        super().__init__("FlytePickle", Pickled)

    def refusal(self, python_type: Annotation) -> str:
        return "Write Annotated[T, Pickled], with the type of the value for T" if python_type is Pickled else ""

    def literal_type(self, python_type: Annotation, registry: TypeRegistry) -> pb_types.LiteralType:  # noqa: ARG002 - given by the base class
        made = idl.types.LiteralType(blob=idl.types.BlobType(format=PICKLE_FORMAT))
        made.metadata.fields["python_class_name"].string_value = str(unwrap(python_type)[0])
        return made

    def compile(self, python_type: Annotation, registry: TypeRegistry) -> Converter:
        bare = unwrap(python_type)[0]
        expected = _checkable(class_of(bare))

        def fill(literal: pb_literals.Literal, value: object, storage: StorageRouter) -> None:
            if not isinstance(value, expected):
                raise Mismatch(bare, value)
            try:
                data = _dumps(value)
            except Exception as exc:  # a user's __reduce__ may raise anything
                raise Mismatch(bare, value, f"it does not pickle: {type(exc).__name__}: {exc}") from exc
            uri = storage.new_uri("value.pickle")
            storage.write(uri, data)
            literal.scalar.blob.uri = uri
            literal.scalar.blob.metadata.type.format = PICKLE_FORMAT

        def read(literal: pb_literals.Literal, storage: StorageRouter) -> object:
            blob = literal.scalar.blob
            if literal.scalar.WhichOneof("value") != "blob" or blob.metadata.type.format != PICKLE_FORMAT:
                return read_indirect(literal, storage, bare, read, None)
            return _load(blob.uri, literal, bare, expected, storage)

        return Converter(
            python_type,
            lambda: self.literal_type(python_type, registry),
            fill,
            read,
            classes=(expected,),
            fits=lambda value: isinstance(value, expected),
        )


def _checkable(cls: Annotation) -> type:
    """The class when `isinstance` takes it; object for Any, TypedDict, protocols and what is no class."""
    try:
        isinstance(None, cls)
    except TypeError:
        return object
    return cls if isinstance(cls, type) else object


@cache
def _dumps_function() -> Value:
    try:
        import cloudpickle  # type: ignore[import-not-found, unused-ignore]  # noqa: PLC0415 - optional
    except ImportError:
        return pickle.dumps
    return cloudpickle.dumps


def _dumps(value: object) -> bytes:
    data: bytes = _dumps_function()(value)
    return data


def _load(uri: str, literal: pb_literals.Literal, bare: object, expected: type, storage: StorageRouter) -> object:
    data = read_uri(uri, literal, bare, storage)
    try:
        value = pickle.loads(data)
    except Exception as exc:  # unpickling runs code that may raise anything
        raise Mismatch(bare, literal, f"it does not unpickle: {type(exc).__name__}: {exc}") from exc
    if not isinstance(value, expected):
        raise Mismatch(bare, value)
    return value


BLOBS: tuple[TypeTransformer[Value], ...] = (
    HandleTransformer("FlyteFilePath", FlyteFile, directory=False),
    HandleTransformer("FlyteDirectory", FlyteDirectory, directory=True),
    PickleTransformer(),
)
