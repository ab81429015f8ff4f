"""Frames of every library as StructuredDataset literals, and back.

One transformer per frame class, registered by name, so that no library is imported before its user imports it. What
needs pyarrow is loaded when an annotation is read or a frame converted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fledge import idl
from fledge.errors import DefinitionError, FledgeError
from fledge.types.base import TypeTransformer
from fledge.types.converter import Converter, PlainForm
from fledge.types.hints import unwrap
from fledge.types.mismatch import Mismatch, from_foreign
from fledge.types.wire import read_indirect

if TYPE_CHECKING:
    from fledge.idl import literals
    from fledge.storage import StorageRouter
    from fledge.types.base import TypeRegistry
    from fledge_dataframes.columns import Declared

__all__ = ["FRAME_CLASSES", "FrameTransformer"]

FRAME_CLASSES = (
    "pyarrow.Table",
    "pyarrow.RecordBatch",
    "pyarrow.RecordBatchReader",
    "pandas.DataFrame",
    "polars.DataFrame",
    "polars.LazyFrame",
)
_PARQUET = "parquet"
Annotation = Any  # Any: an annotation may be a class or Annotated[...]
Frame = Any  # Any: a frame of whichever library


class FrameTransformer(TypeTransformer[Frame]):
    """Values of one frame class, given by its public name; every frame that speaks Arrow is taken for one."""

    keeps_metadata = True

    def __init__(self, class_name: str) -> None:
        super().__init__("StructuredDataset Transformer", class_name)  # the incumbent's tag in a union
        self.class_name = class_name

    def refusal(self, python_type: Annotation) -> str:
        try:
            _declared(python_type)
        except DefinitionError as exc:
            return str(exc)
        return ""

    def compile(self, python_type: Annotation, registry: TypeRegistry) -> Converter:
        cls, declared, plain = unwrap(python_type)[0], _declared(python_type), self.plain_form(python_type, registry)

        def fill(literal: literals.Literal, value: Frame, storage: StorageRouter) -> None:
            uri = self._write(value, cls, declared, storage)
            dataset = literal.scalar.structured_dataset
            dataset.uri = uri
            dataset.metadata.structured_dataset_type.CopyFrom(declared.to_message())
            dataset.metadata.structured_dataset_type.format = _PARQUET

        def read(literal: literals.Literal, storage: StorageRouter) -> Frame:
            scalar = literal.scalar
            kind = scalar.WhichOneof("value") if literal.HasField("scalar") else None
            if kind == "structured_dataset":
                dataset = scalar.structured_dataset
                format_ = dataset.metadata.structured_dataset_type.format
                return self._read(dataset.uri, format_, literal, cls, declared, storage)
            if kind == "schema":  # as old versions wrote tables
                return self._read(scalar.schema.uri, _PARQUET, literal, cls, declared, storage)
            return read_indirect(literal, storage, cls, read, plain)

        return Converter(
            python_type,
            lambda: idl.types.LiteralType(structured_dataset_type=declared.to_message()),
            fill,
            read,
            plain=plain,
            classes=(cls,),
            fits=lambda value: isinstance(value, cls),
        )

    def plain_form(self, python_type: Annotation, registry: TypeRegistry) -> PlainForm:  # noqa: ARG002 - the base's own
        """Inside a dataclass a frame is always written: `{"uri": ..., "file_format": "parquet"}`."""
        cls, declared = unwrap(python_type)[0], _declared(python_type)

        def pack(value: Frame, storage: StorageRouter) -> dict[str, str]:
            return {"uri": self._write(value, cls, declared, storage.with_(live=None)), "file_format": _PARQUET}

        def unpack(plain: object, storage: StorageRouter) -> Frame:
            uri = plain.get("uri") if isinstance(plain, Mapping) else None
            if not isinstance(plain, Mapping) or not isinstance(uri, str):
                raise Mismatch(cls, plain, "it has no 'uri' of a dataset")
            return self._read(uri, plain.get("file_format") or "", plain, cls, declared, storage)

        return PlainForm(pack, unpack, _plain_schema)

    def _write(self, value: Frame, cls: type, declared: Declared, storage: StorageRouter) -> str:
        from fledge_dataframes.frames import write_frame  # noqa: PLC0415 - loads pyarrow

        try:
            return write_frame(value, cls, declared, storage)
        except (FledgeError, Mismatch):
            raise
        except Exception as exc:  # pyarrow raises many kinds, each about this value
            raise from_foreign(exc, cls, value, "as an Arrow table") from exc

    def _read(
        self, uri: str, format_: str, source: object, cls: type, declared: Declared, storage: StorageRouter
    ) -> Frame:
        from fledge_dataframes.frames import read_frame  # noqa: PLC0415 - loads pyarrow

        try:
            return read_frame(uri, format_, self.class_name, declared, storage)
        except (FledgeError, Mismatch):
            raise
        except Exception as exc:  # pyarrow raises many kinds, each about this value
            raise from_foreign(exc, cls, source, f"reading {uri}") from exc


def _declared(python_type: Annotation) -> Declared:
    from fledge_dataframes.columns import declared  # noqa: PLC0415 - loads pyarrow

    return declared(unwrap(python_type)[1])


def _plain_schema() -> dict[str, Any]:  # Any: JSON
    """As the incumbent describes a dataset inside a dataclass."""
    text = {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}
    return {
        "type": "object",
        "title": "StructuredDataset",
        "properties": {"uri": text, "file_format": {**text, "default": ""}},
        "additionalProperties": False,
    }
