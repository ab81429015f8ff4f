"""StructuredDataset: a table that is a value here, or a URI of one elsewhere.

Only the handle lives in the core. What reads and writes tables comes from a plugin (fledge-dataframes), which binds a
reader to each handle it makes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from fledge.storage import LiveStore
from fledge.types.current import context_of_caller
from fledge.types.model_fields import InModels

if TYPE_CHECKING:
    from fledge.types.kinds import Plain

__all__ = ["StructuredDataset"]

D = TypeVar("D", bound="StructuredDataset")


class StructuredDataset(InModels):
    """A table as a value (`dataframe`), or where one is (`uri`, `file_format`).

    Args:
        dataframe: A frame of any library that a plugin knows.
        uri: Where the table is.
        metadata: Whatever the plugin keeps with it.
        file_format: As "parquet"; empty: the plugin decides.
    """

    def __init__(
        self,
        dataframe: Any = None,  # Any: a frame of whatever library
        uri: str | None = None,
        metadata: Mapping[str, Any] | None = None,  # Any: the plugin's own
        file_format: str = "",
    ) -> None:
        self.dataframe, self.uri, self.metadata, self.file_format = dataframe, uri, metadata, file_format
        self._frame_type: Any = None  # Any: the class of the frame that open() asked for
        self._reader: Callable[[Any], Any] | None = None  # Any: from a frame class to a frame

    def bind(self: D, reader: Callable[[Any], Any]) -> D:  # Any: from a frame class to a frame  # noqa: PYI019 - Self is new in Python 3.11
        """For the plugin: `reader(frame_type)` reads the table as that type."""
        self._reader = reader
        return self

    def open(self: D, frame_type: Any) -> D:  # Any: the class of a frame  # noqa: PYI019 - Self is new in Python 3.11
        """Choose how `all()` gives the table: `dataset.open(pd.DataFrame).all()`."""
        self._frame_type = frame_type
        return self

    def all(self) -> Any:  # Any: a frame of the chosen type
        """The whole table; of a handle made by hand, too, by the plugins of the current context.

        UnsupportedTypeError, with the way out, when no plugin knows how to read it.
        """
        if self._reader is not None:
            return self._reader(self._frame_type)
        if self.dataframe is not None and self._frame_type in (None, type(self.dataframe)):
            return self.dataframe
        context = context_of_caller()
        context.plugins.load()
        storage = context.storage.with_(live=LiveStore())  # a frame in hand becomes one of the other type in memory
        given = self if self.dataframe is None else StructuredDataset(self.dataframe)
        literal = context.registry.to_literal(given, StructuredDataset, storage, "dataset")
        bound: StructuredDataset = context.registry.to_python(literal, StructuredDataset, storage, "dataset")
        return bound.open(self._frame_type).all()

    @classmethod
    def _from_plain(cls: type[D], plain: Plain) -> D:  # noqa: PYI019 - as above
        """`{"uri": ..., "file_format": ...}`."""
        return cls(uri=plain["uri"], file_format=plain.get("file_format") or "")

    def _to_plain(self) -> Plain:
        if not self.uri:
            raise ValueError("a frame is written where a task gives it away, and has no uri before")
        return {"uri": self.uri, "file_format": self.file_format}

    @classmethod
    def _plain_schema(cls) -> dict[str, Plain]:
        text = {"anyOf": [{"type": "string"}, {"type": "null"}]}
        uri, kind = {**text, "default": None, "title": "Uri"}, {**text, "default": "", "title": "File Format"}
        return {"properties": {"uri": uri, "file_format": kind}, "title": "StructuredDataset", "type": "object"}

    def __repr__(self) -> str:
        what = f"uri={self.uri!r}" if self.dataframe is None else f"dataframe={type(self.dataframe).__name__}"
        return f"StructuredDataset({what}, file_format={self.file_format!r})"
