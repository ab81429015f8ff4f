"""Frames of pyarrow, pandas and polars -> HTML: what each column is, how its values are spread, and the first rows.

None of the libraries is imported. Rows and nulls are counted exactly; the spread is that of a sample, every n-th row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fledge.errors import short_repr
from fledge.types.datasets import StructuredDataset
from fledge_report.histograms import spread
from fledge_report.safe_text import CELL, escaped, word

__all__ = ["shown"]

_ROWS, _COLUMNS, _SAMPLE = 10, 60, 10_000


@dataclass(frozen=True)
class _Column:
    """One column: `head` are its first cells, `sample` values without nulls, `nulls` how many of all rows are null."""

    name: str
    kind: str
    nulls: int | None = None
    head: list[Any] = field(default_factory=list)  # Any: cells
    sample: list[Any] = field(default_factory=list)


@dataclass(frozen=True)
class _Frame:
    """What a frame is called, its size (None: not known without reading it), and its first columns."""

    kind: str
    rows: int | None = None
    width: int | None = None
    columns: list[_Column] = field(default_factory=list)


def shown(value: object) -> str | None:
    """A frame, or a handle of one; None for anything else. A frame that is read only once or later is not read."""
    if isinstance(value, StructuredDataset):
        where = f"{escaped(value.uri, 500)} {escaped(value.file_format, 20)}" if value.uri else "in memory"
        inside = shown(value.dataframe) if value.dataframe is not None else None
        return f'<p class="facts">StructuredDataset, {where}</p>' + (inside or "")
    kind = type(value)
    read = _READERS.get((kind.__module__.partition(".")[0], kind.__qualname__))
    return None if read is None else _html(read(value))


def _html(frame: _Frame) -> str:
    sizes = ((frame.rows, "rows"), (frame.width, "columns"))
    size = ", ".join(f"<b>{count:,}</b> {what}" for count, what in sizes if count is not None)
    facts = f'<p class="facts">{size} <span>{frame.kind}</span></p>'
    return f'<div class="frame">\n{facts}\n{_columns_table(frame)}{_rows_table(frame)}</div>'


def _columns_table(frame: _Frame) -> str:
    if not frame.columns:
        return ""
    lines = "\n".join(
        f"<tr><th>{word(one.name)}<small>{escaped(one.kind, CELL)}</small></th>"
        f'<td class="number">{_nulls(one.nulls, frame.rows)}</td><td>{spread(one.sample)}</td></tr>'
        for one in frame.columns
    )
    left_out = (frame.width or 0) - len(frame.columns)
    more = f'<tr><td colspan="3">and {left_out:,} more</td></tr>\n' if left_out > 0 else ""
    step = _step(frame.rows or 0)
    sample = f" <small>of one row in {step:,}</small>" if step > 1 else ""
    return (
        '<div class="scroll tall"><table class="columns">\n<thead><tr><th>column</th><th class="number">nulls</th>'
        f"<th>values{sample}</th></tr></thead>\n<tbody>\n{lines}\n{more}</tbody></table></div>\n"
    )


def _nulls(nulls: int | None, rows: int | None) -> str:
    if nulls is None:
        return ""
    if not nulls or not rows:
        return str(nulls)
    share = 100 * nulls / rows
    return f"{nulls:,}<small>{share:.0f} %</small>" if share >= 1 else f"{nulls:,}<small>&lt; 1 %</small>"


def _rows_table(frame: _Frame) -> str:
    count = max((len(one.head) for one in frame.columns), default=0)
    if not count:
        return ""
    heads = "".join(f"<th>{word(one.name, 40)}</th>" for one in frame.columns)
    lines = "\n".join(
        "<tr>" + "".join(_cell(one.head[number]) for one in frame.columns) + "</tr>" for number in range(count)
    )
    told = f"the first {count} rows" if frame.rows is None or count < frame.rows else "all rows"
    return (
        f'<p class="facts">{told}</p>\n<div class="scroll"><table class="rows">\n'
        f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{lines}\n</tbody></table></div>\n"
    )


def _cell(value: Any) -> str:  # Any: a cell of any frame
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return f'<td class="number">{word(value)}</td>' if is_number else f"<td>{word(value)}</td>"


def _step(rows: int) -> int:
    """Every how many rows there is one of the sample."""
    return max(1, -(-rows // _SAMPLE))


# -- pyarrow -----------------------------------------------------------------------------------------------------------


def _arrow_table(table: Any) -> _Frame:  # Any: pyarrow has no annotations
    fields = list(table.schema)[:_COLUMNS]
    columns = [_arrow_column(one, table.column(number), table.num_rows) for number, one in enumerate(fields)]
    return _Frame(f"pyarrow.{type(table).__name__}", table.num_rows, table.num_columns, columns)


def _arrow_column(one: Any, values: Any, rows: int) -> _Column:  # Any: as above
    sample = values.take(list(range(0, rows, _step(rows)))) if rows else values
    return _Column(
        one.name,
        str(one.type),
        values.null_count,
        _arrow_cells(values.slice(0, _ROWS)),
        [value for value in _arrow_cells(sample) if value is not None and value == value],  # noqa: PLR0124 - not a NaN
    )


def _arrow_cells(values: Any) -> list[Any]:  # Any: as above
    """As Python objects; as text where Python has no such value: nanoseconds, years after 9999."""
    try:
        return list(values.to_pylist())
    except (ValueError, OverflowError):
        return [None if not one.is_valid else str(one.cast("string")) for one in values]


def _arrow_reader(reader: Any) -> _Frame:  # Any: as above
    """Its schema: reading it would use it up."""
    columns = [_Column(one.name, str(one.type)) for one in list(reader.schema)[:_COLUMNS]]
    return _Frame("pyarrow.RecordBatchReader", width=len(reader.schema), columns=columns)


# -- pandas ------------------------------------------------------------------------------------------------------------


def _pandas_frame(frame: Any) -> _Frame:  # Any: pandas has no annotations
    named = list(frame.columns)[:_COLUMNS]
    columns = [_pandas_column(_label(name), frame.iloc[:, number]) for number, name in enumerate(named)]
    index = _pandas_index(frame.index)
    return _Frame("pandas.DataFrame", len(frame), len(index) + len(frame.columns), index + columns)


def _pandas_series(series: Any) -> _Frame:  # Any: as above
    return _Frame("pandas.Series", len(series), 1, [_pandas_column(_label(series.name), series)])


def _pandas_column(name: str, series: Any) -> _Column:  # Any: as above
    head = series.iloc[:_ROWS]
    cells = [None if is_null else value for value, is_null in zip(head.tolist(), head.isna().tolist(), strict=True)]
    sample = series.iloc[:: _step(len(series))].dropna().tolist()
    return _Column(name, str(series.dtype), int(series.isna().sum()), cells, sample)


def _pandas_index(index: Any) -> list[_Column]:  # Any: as above
    """The levels of an index as columns; none where rows are only numbered."""
    if type(index).__name__ == "RangeIndex":
        return []
    levels = [index.get_level_values(number) for number in range(index.nlevels)]
    return [_pandas_column(f"index {_label(level.name)}", level.to_series()) for level in levels]


def _label(name: object) -> str:
    return "" if name is None else name if isinstance(name, str) else short_repr(name)


# -- polars ------------------------------------------------------------------------------------------------------------


def _polars_frame(frame: Any) -> _Frame:  # Any: polars is not installed where mypy runs
    columns = [_polars_column(one) for one in frame.get_columns()[:_COLUMNS]]
    return _Frame("polars.DataFrame", frame.height, frame.width, columns)


def _polars_series(series: Any) -> _Frame:  # Any: as above
    return _Frame("polars.Series", len(series), 1, [_polars_column(series)])


def _polars_column(series: Any) -> _Column:  # Any: as above
    sample = series.gather_every(_step(len(series))).drop_nulls().to_list()
    kept = [value for value in sample if value == value]  # noqa: PLR0124 - not a NaN
    return _Column(series.name, str(series.dtype), series.null_count(), series.head(_ROWS).to_list(), kept)


def _polars_plan(_: Any) -> _Frame:  # Any: as above
    """Nothing is collected for a picture."""
    return _Frame("polars.LazyFrame, not collected")


_READERS: dict[tuple[str, str], Callable[[Any], _Frame]] = {  # Any: a frame of the library
    ("pyarrow", "Table"): _arrow_table,
    ("pyarrow", "RecordBatch"): _arrow_table,
    ("pyarrow", "RecordBatchReader"): _arrow_reader,
    ("pandas", "DataFrame"): _pandas_frame,
    ("pandas", "Series"): _pandas_series,
    ("polars", "DataFrame"): _polars_frame,
    ("polars", "Series"): _polars_series,
    ("polars", "LazyFrame"): _polars_plan,
}
