"""The frame libraries, by the name of their class: any frame to an Arrow table and back.

pandas and polars are found by the name of a type, never by importing them: who has a frame in hand has its library
loaded. Whatever else speaks Arrow's C stream (`__arrow_c_stream__`: DuckDB relations, ibis, nanoarrow, ...) is
taken too. Frames that can be changed in place are handed on as snapshots, so no task can change another one's value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from fledge_dataframes.errors import ColumnMismatch

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "BY_PUBLIC_NAME",
    "TABLE",
    "Library",
    "is_frame",
    "library_of",
    "qualified_name",
    "refuse_doubles",
    "to_arrow",
]

Frame = Any  # Any: a frame of whichever library; none of them may be imported here
_EXACT_IN_FLOAT64 = 2**53


@dataclass(frozen=True)
class Library:
    """One frame class: its public name, the names its `__module__` gives it, and its way to Arrow and back."""

    public_name: str
    names: tuple[str, ...]
    to_arrow: Callable[[Frame], pa.Table]
    from_arrow: Callable[[pa.Table], Frame]
    snapshot: Callable[[Frame], Frame] = lambda frame: frame
    is_sound: Callable[[Frame], bool] = lambda _: False
    """Is the frame certain to become parquet? Only then it can wait to be made a table."""
    is_stream: bool = False
    """Can it be read only once, batch by batch?"""
    keeps: bool = True
    """Is the frame itself kept alive beside its table? Not when it is used up, or computed anew, by reading it."""


def qualified_name(python_type: type) -> str:
    return f"{python_type.__module__}.{python_type.__qualname__}"


def library_of(python_type: type) -> Library | None:
    """The library of a frame class or of its nearest known base class; None for any other class."""
    for base in getattr(python_type, "__mro__", ()):
        found = _BY_NAME.get(qualified_name(base))
        if found is not None:
            return found
    return None


def is_frame(value: object) -> bool:
    return library_of(type(value)) is not None or _speaks_arrow(value)


def to_arrow(value: Frame) -> pa.Table:
    """The value as a table, without copying where its library allows.

    Raises:
        TypeError: The value is no frame.
        pyarrow.ArrowException: A column holds what Arrow cannot (mixed types in an object column of pandas).
    """
    library = library_of(type(value))
    if library is not None:
        return library.to_arrow(value)
    if _speaks_arrow(value):
        return _from_stream(value)
    raise TypeError(f"{type(value).__name__} is no frame: it has no __arrow_c_stream__")


def refuse_doubles(names: Sequence[str]) -> None:
    """ColumnMismatch for the first name that more than one column has: no library and no file can tell them apart."""
    if len(set(names)) < len(names):
        double = next(name for name in names if names.count(name) > 1)
        raise ColumnMismatch(double, "one column of this name", f"{names.count(double)} of them", "rename them")


def _speaks_arrow(value: object) -> bool:
    """A stream of batches, or one batch; a lone column (a series) is neither."""
    is_column = any(base.__name__ in ("Series", "Array", "ChunkedArray") for base in type(value).__mro__)
    return not is_column and any(hasattr(value, name) for name in ("__arrow_c_stream__", "__arrow_c_array__"))


def _from_stream(value: Frame) -> pa.Table:
    if hasattr(value, "__arrow_c_stream__"):
        return pa.RecordBatchReader.from_stream(value).read_all()
    return pa.Table.from_batches([pa.record_batch(value)])


def _from_batch(batch: Frame) -> pa.Table:
    return pa.Table.from_batches([batch])


def _to_batch(table: pa.Table) -> pa.RecordBatch:
    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema)


def _from_pandas(frame: pd.DataFrame) -> pa.Table:
    refuse_doubles([str(name) for name in frame.columns])
    try:
        return pa.Table.from_pandas(frame)
    except pa.ArrowException as exc:
        for name, column in frame.items():
            try:
                pa.Array.from_pandas(column)
            except pa.ArrowException as found:
                raise ColumnMismatch(str(name), "values of one type", f"{column.dtype} column", str(found)) from exc
        raise


def _to_pandas(table: pa.Table) -> pd.DataFrame:
    """As pandas reads Arrow, except that an integer is never rounded: see `_inexact`."""
    import pandas as pd  # noqa: PLC0415 - loaded already where a frame of pandas is asked for

    nullable = {pa.int64(): pd.Int64Dtype(), pa.uint64(): pd.UInt64Dtype()}
    inexact = {kind: dtype for kind, dtype in nullable.items() if _inexact(table, kind)}
    return table.to_pandas(types_mapper=inexact.get) if inexact else table.to_pandas()


def _inexact(table: pa.Table, kind: pa.DataType) -> bool:
    """Does a column of this integer type hold nulls beside numbers that float64, pandas' way out, cannot hold?"""
    for column in table.columns:
        if column.type == kind and column.null_count:
            ends = pc.min_max(column).as_py()
            if any(end is not None and abs(end) > _EXACT_IN_FLOAT64 for end in ends.values()):
                return True
    return False


def _snapshot_pandas(frame: pd.DataFrame) -> pd.DataFrame:
    """From pandas 3 on a shallow copy is enough: it shares the data until one of the two is changed."""
    import pandas as pd  # noqa: PLC0415 - loaded already: its frame is here

    return frame.copy(deep=int(pd.__version__.split(".")[0]) < 3)


def _to_polars(table: pa.Table) -> Frame:
    import polars as pl  # noqa: PLC0415 - loaded already where a frame of polars is asked for

    return pl.from_arrow(table)


def _to_lazy(table: pa.Table) -> Frame:
    return _to_polars(table).lazy()


def _pandas_is_sound(frame: pd.DataFrame) -> bool:
    """Numbers and times always convert; an object column may hold anything, and two columns may have one name."""
    names = {str(name) for name in frame.columns}
    return len(names) == frame.shape[1] > 0 and all(map(_converts, {*frame.dtypes, frame.index.dtype}))


def _converts(dtype: Any) -> bool:  # Any: a type of numpy or pandas
    """Arrow knows neither the long floats of numpy nor the sparse columns of pandas."""
    return dtype.kind in "biufmM" and getattr(dtype, "itemsize", 8) <= 8 and type(dtype).__name__ != "SparseDtype"


TABLE = Library("pyarrow.Table", ("pyarrow.lib.Table",), lambda table: table, lambda table: table)

_LIBRARIES = (
    TABLE,
    Library("pyarrow.RecordBatch", ("pyarrow.lib.RecordBatch",), _from_batch, _to_batch),
    Library(
        "pyarrow.RecordBatchReader",
        ("pyarrow.lib.RecordBatchReader",),
        lambda reader: reader.read_all(),
        lambda table: table.to_reader(),
        is_stream=True,
        keeps=False,
    ),
    Library(
        "pandas.DataFrame",
        ("pandas.DataFrame", "pandas.core.frame.DataFrame"),
        _from_pandas,
        _to_pandas,
        _snapshot_pandas,
        _pandas_is_sound,
    ),
    Library(
        "polars.DataFrame",
        ("polars.dataframe.frame.DataFrame",),
        lambda frame: frame.to_arrow(),
        _to_polars,
        lambda frame: frame.clone(),
    ),
    Library(
        "polars.LazyFrame",
        ("polars.lazyframe.frame.LazyFrame",),
        lambda frame: frame.collect().to_arrow(),
        _to_lazy,
        keeps=False,
    ),
)
BY_PUBLIC_NAME = {library.public_name: library for library in _LIBRARIES}
_BY_NAME = {name: library for library in _LIBRARIES for name in library.names}
