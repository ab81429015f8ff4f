"""Frames of pyarrow, pandas, polars and whatever speaks Arrow as values of fledge tasks.

`to_arrow(frame)` gives any of them as a table, `Annotated[pa.Table, PartitionedBy("month")]` is written as folders; the
rest happens through the hooks. Importing this loads no library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fledge_dataframes.errors import ColumnError
    from fledge_dataframes.libraries import to_arrow
    from fledge_dataframes.partitioning import PartitionedBy

__all__ = ["ColumnError", "PartitionedBy", "to_arrow"]

_HOMES = {
    "ColumnError": "fledge_dataframes.errors",
    "PartitionedBy": "fledge_dataframes.partitioning",
    "to_arrow": "fledge_dataframes.libraries",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
