"""Frames of every library, and StructuredDataset handles, as StructuredDataset literals and back.

One transformer per frame class, registered by name, so that no library is imported before its user imports it. What
needs pyarrow is loaded when an annotation is read or a frame converted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from fledge import idl
from fledge.errors import DefinitionError, FledgeError
from fledge.storage import scheme_of
from fledge.types.base import TypeTransformer
from fledge.types.converter import Converter, PlainForm
from fledge.types.datasets import StructuredDataset
from fledge.types.hints import unwrap
from fledge.types.kinds import Annotation, Plain, Value
from fledge.types.mismatch import Mismatch, from_foreign
from fledge.types.wire import read_indirect

if TYPE_CHECKING:
    from fledge.idl import literals
    from fledge.storage import StorageRouter
    from fledge.types.base import TypeRegistry
    from fledge_dataframes.columns import Declared

__all__ = ["FRAME_CLASSES", "DatasetTransformer", "FrameTransformer"]

FRAME_CLASSES = (
    "pyarrow.Table",
    "pyarrow.RecordBatch",
    "pyarrow.RecordBatchReader",
    "pandas.DataFrame",
    "polars.DataFrame",
    "polars.LazyFrame",
)
_TAG = "StructuredDataset Transformer"  # the incumbent's, which shows in unions
_PARQUET = "parquet"  # of old tables, and of those of which nothing is said
_MESSAGE = "structured_dataset"  # key in a handle's metadata: the message it was made from


class _DatasetLike(TypeTransformer[Value]):
    """What frames and handles have in common: children write a value to a message, and read a message."""

    keeps_metadata = True

    def write(self, value: Value, cls: type, declared: Declared, storage: StorageRouter) -> literals.StructuredDataset:
        raise NotImplementedError

    def read(
        self,
        dataset: literals.StructuredDataset,
        python_type: Annotation,
        declared: Declared,
        registry: TypeRegistry,
        storage: StorageRouter,
    ) -> Value:
        raise NotImplementedError

    def refusal(self, python_type: Annotation) -> str:
        try:
            said = _declared(python_type)
        except DefinitionError as exc:
            return str(exc)
        return "" if issubclass(unwrap(python_type)[0], StructuredDataset) else _unwritten(said)

    def compile(self, python_type: Annotation, registry: TypeRegistry) -> Converter:
        cls, declared, plain = unwrap(python_type)[0], _declared(python_type), self.plain_form(python_type, registry)

        def fill(literal: literals.Literal, value: Value, storage: StorageRouter) -> None:
            literal.scalar.structured_dataset.CopyFrom(self.write(value, cls, declared, storage))

        def read(literal: literals.Literal, storage: StorageRouter) -> Value:
            dataset = _dataset_in(literal)
            if dataset is None:
                return read_indirect(literal, storage, cls, read, plain)
            return self.read(dataset, python_type, declared, registry, storage)

        return Converter(
            python_type,
            lambda: idl.types.LiteralType(structured_dataset_type=declared.to_message()),
            fill,
            read,
            plain=plain,
            classes=(cls,),
            fits=lambda value: isinstance(value, cls),
        )

    def plain_form(self, python_type: Annotation, registry: TypeRegistry) -> PlainForm:
        """Inside a dataclass a frame is always written: `{"uri": ..., "file_format": "parquet"}`."""
        cls, declared = unwrap(python_type)[0], _declared(python_type)

        def pack(value: Value, storage: StorageRouter) -> dict[str, str]:
            dataset = self.write(value, cls, declared, storage.with_(live=None))
            return {"uri": dataset.uri, "file_format": dataset.metadata.structured_dataset_type.format}

        def unpack(plain: object, storage: StorageRouter) -> Value:
            uri = plain.get("uri") if isinstance(plain, Mapping) else None
            if not isinstance(plain, Mapping) or not isinstance(uri, str):
                raise Mismatch(cls, plain, "it has no 'uri' of a dataset")
            dataset = idl.literals.StructuredDataset(uri=uri)
            dataset.metadata.structured_dataset_type.format = plain.get("file_format") or ""
            return self.read(dataset, python_type, declared, registry, storage)

        return PlainForm(pack, unpack, _plain_schema, (cls,), lambda value: isinstance(value, cls))


class FrameTransformer(_DatasetLike):
    """Values of one frame class, given by its public name; every frame that speaks Arrow is taken for one."""

    def __init__(self, class_name: str) -> None:
        super().__init__(_TAG, class_name)
        self.class_name = class_name

    def write(self, value: Value, cls: type, declared: Declared, storage: StorageRouter) -> literals.StructuredDataset:
        if isinstance(value, StructuredDataset):
            return _write_handle(value, declared, storage)
        return _message(_write_frame(value, cls, declared, storage, ""), declared, declared.format or _PARQUET)

    def read(
        self,
        dataset: literals.StructuredDataset,
        python_type: Annotation,
        declared: Declared,
        registry: TypeRegistry,  # noqa: ARG002 - handles need it
        storage: StorageRouter,
    ) -> Value:
        from fledge_dataframes.frames import read_frame  # noqa: PLC0415 - loads pyarrow

        try:
            return read_frame(dataset, self.class_name, declared, storage)
        except (FledgeError, Mismatch):
            raise
        except Exception as exc:  # pyarrow raises many kinds, each about this value
            raise from_foreign(exc, unwrap(python_type)[0], dataset, f"reading {dataset.uri}") from exc


class DatasetTransformer(_DatasetLike):
    """Handles: a StructuredDataset in hand reads nothing until `open(type).all()`."""

    def __init__(self) -> None:
        super().__init__(_TAG, StructuredDataset)

    def write(self, value: Value, cls: type, declared: Declared, storage: StorageRouter) -> literals.StructuredDataset:
        if not isinstance(value, StructuredDataset):
            raise Mismatch(cls, value, "wrap a frame: StructuredDataset(dataframe=...)")
        return _write_handle(value, declared, storage)

    def read(
        self,
        dataset: literals.StructuredDataset,
        python_type: Annotation,
        declared: Declared,  # noqa: ARG002 - the reader takes them from the annotation
        registry: TypeRegistry,
        storage: StorageRouter,
    ) -> Value:
        kept = idl.literals.StructuredDataset()
        kept.CopyFrom(dataset)

        def reader(frame_type: Annotation) -> Value:
            import pyarrow as pa  # noqa: PLC0415 - whoever opens a dataset needs it

            wanted = pa.Table if frame_type is None else frame_type
            said = unwrap(python_type)[1]
            if said and not unwrap(wanted)[1]:
                wanted = Annotated[(wanted, *said)]
            literal = idl.literals.Literal()
            literal.scalar.structured_dataset.CopyFrom(kept)
            return registry.converter(wanted).to_python(literal, storage, "dataset")

        format_ = kept.metadata.structured_dataset_type.format
        return StructuredDataset(uri=kept.uri, file_format=format_, metadata={_MESSAGE: kept}).bind(reader)


def _declared(python_type: Annotation) -> Declared:
    from fledge_dataframes.columns import declared  # noqa: PLC0415 - loads pyarrow

    return declared(unwrap(python_type)[1])


def _unwritten(declared: Declared) -> str:
    """Why frames are not written in the declared format; empty when they are. A handle may still pass on a URI."""
    from fledge_dataframes.columns import WRITTEN_FORMATS  # noqa: PLC0415 - loads pyarrow

    if declared.format in ("", *WRITTEN_FORMATS):
        return ""
    return f"Frames are written and read as {' and '.join(WRITTEN_FORMATS)}, not as {declared.format!r}"


def _message(uri: str, declared: Declared, format_: str) -> literals.StructuredDataset:
    dataset = idl.literals.StructuredDataset(uri=uri)
    dataset.metadata.structured_dataset_type.CopyFrom(declared.to_message())
    dataset.metadata.structured_dataset_type.format = format_
    return dataset


def _dataset_in(literal: literals.Literal) -> literals.StructuredDataset | None:
    """The dataset of a literal; old versions wrote tables as schema literals, always in parquet."""
    if not literal.HasField("scalar"):
        return None
    kind = literal.scalar.WhichOneof("value")
    if kind == "schema":
        dataset = idl.literals.StructuredDataset(uri=literal.scalar.schema.uri)
        dataset.metadata.structured_dataset_type.format = _PARQUET
        for column in literal.scalar.schema.type.columns:
            dataset.metadata.structured_dataset_type.columns.add().name = column.name
        return dataset
    return literal.scalar.structured_dataset if kind == "structured_dataset" else None


def _write_handle(handle: StructuredDataset, declared: Declared, storage: StorageRouter) -> literals.StructuredDataset:
    """A handle that came from a task goes on as it came; a frame is written, to `uri` if given; a URI is passed on."""
    if handle.dataframe is not None:
        said = replace(declared, format=declared.format or handle.file_format or _PARQUET)
        refused = _unwritten(said)
        if refused:
            raise Mismatch("a format that can be written", handle, refused)
        uri = _write_frame(handle.dataframe, type(handle.dataframe), said, storage, handle.uri or "")
        return _message(uri, said, said.format)
    came: literals.StructuredDataset | None = (handle.metadata or {}).get(_MESSAGE)
    if came is not None and came.uri == handle.uri:
        return came
    if not handle.uri:
        raise Mismatch("a dataframe or a uri", handle, "StructuredDataset(dataframe=...) or StructuredDataset(uri=...)")
    uri = handle.uri if scheme_of(handle.uri) else storage.publish(handle.uri)
    return _message(uri, declared, declared.format or handle.file_format)


def _write_frame(value: Value, cls: type, declared: Declared, storage: StorageRouter, uri: str) -> str:
    from fledge_dataframes.frames import write_frame  # noqa: PLC0415 - loads pyarrow

    try:
        return write_frame(value, cls, declared, storage, uri)
    except (FledgeError, Mismatch):
        raise
    except Exception as exc:  # pyarrow raises many kinds, each about this value
        raise from_foreign(exc, cls, value, "as an Arrow table") from exc


def _plain_schema() -> dict[str, Plain]:
    """As the incumbent describes a dataset inside a dataclass."""
    text = {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}
    return {
        "type": "object",
        "title": "StructuredDataset",
        "properties": {"uri": text, "file_format": {**text, "default": ""}},
        "additionalProperties": False,
    }
