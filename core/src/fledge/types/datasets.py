"""StructuredDataset: a table that is a value here, or a URI of one elsewhere.

Only the handle lives in the core. What reads and writes tables comes from a plugin (fledge-dataframes), which binds a
reader to each handle it makes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from fledge.errors import DefinitionError

__all__ = ["StructuredDataset"]

D = TypeVar("D", bound="StructuredDataset")


class StructuredDataset:
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
        """The whole table. DefinitionError when nothing says how to read it."""
        if self._reader is not None:
            return self._reader(self._frame_type)
        if self.dataframe is None or self._frame_type not in (None, type(self.dataframe)):
            raise DefinitionError(
                f"{self!r} is not bound to a reader: take it from a task's inputs, with fledge-dataframes installed"
            )
        return self.dataframe

    def __repr__(self) -> str:
        what = f"uri={self.uri!r}" if self.dataframe is None else f"dataframe={type(self.dataframe).__name__}"
        return f"StructuredDataset({what}, file_format={self.file_format!r})"
