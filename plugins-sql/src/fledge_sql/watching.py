"""What is seen of a query: how far it is while it runs, then its plan with the time of every step; and its result.

Only a call that somebody watches pays for it: one with a deck, or in a process that listens to `fledge.progress`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fledge.decks import bar
from fledge.lazy import lazy
from fledge.progress import Tracker, tracked
from fledge_sql.engine import reads_in_step

if TYPE_CHECKING:
    import html
    import json

    import pyarrow as pa

    from fledge_sql.engine import Cursor
else:
    html = lazy("html")
    json = lazy("json")

__all__ = ["PlanStep", "QueryPlan", "plan_html", "plan_of", "progress_of", "sample_html"]

ASK_EVERY_S = 0.1
BATCH_ROWS = 122_880  # how finely rows are counted: DuckDB's own row group
SAMPLE_ROWS, SAMPLE_COLUMNS, SAMPLE_TEXT = 10, 20, 80


@dataclass(frozen=True)
class PlanStep:
    """One operator of a plan. `seconds` is its own time over all threads, without the steps it reads from."""

    name: str
    seconds: float
    rows: int
    details: Mapping[str, str]
    steps: tuple[PlanStep, ...] = ()


@dataclass(frozen=True)
class QueryPlan:
    """What a query did, from its result down to the tables it read."""

    steps: tuple[PlanStep, ...]


def plan_of(profile: str, *, with_details: bool = True) -> QueryPlan:
    """DuckDB's own profile of the last query, as JSON of 1.5 or of 2.0.

    Args:
        profile: The JSON.
        with_details: False leaves out filters and the like, in which bound values stand.
    """
    told: Mapping[str, Any] = json.loads(profile)  # Any: JSON
    top = told.get("operator", told.get("children", ()))
    return QueryPlan(tuple(_step(one, with_details=with_details) for one in top))


def _step(told: Mapping[str, Any], *, with_details: bool) -> PlanStep:  # Any: JSON
    details = {key: _text(value) for key, value in told.get("extra_info", {}).items()} if with_details else {}
    return PlanStep(
        str(told.get("name", told.get("operator_name", "?"))).strip(),
        float(told.get("timing", told.get("operator_timing", 0.0))),
        int(told.get("intermediate_rows", told.get("operator_cardinality", 0))),
        details,
        tuple(_step(one, with_details=with_details) for one in told.get("children", ())),
    )


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def plan_html(plan: QueryPlan) -> str:
    """The plan as a table, indented as it nests, with a bar for the share that each step has in the time of all."""
    nested = list(_nested(plan.steps))
    whole = sum(step.seconds for step, _ in nested)
    lines = []
    for step, depth in nested:
        details = "; ".join(f"{key}: {value}" for key, value in step.details.items())
        lines.append(
            f'<tr><td style="padding-left:{depth}em">{html.escape(step.name)}</td><td>{step.seconds * 1e3:.1f}</td>'
            f"<td>{bar(0, step.seconds, whole)}</td><td>{step.rows}</td>"
            f"<td>{html.escape(_cut(details, 4 * SAMPLE_TEXT))}</td></tr>"
        )
    return _table(["step", "ms", "", "rows", ""], lines)


def _nested(steps: Iterable[PlanStep], depth: int = 0) -> Iterator[tuple[PlanStep, int]]:
    for step in steps:
        yield step, depth
        yield from _nested(step.steps, depth + 1)


def sample_html(table: Any) -> str:  # Any: a pa.Table; pyarrow has no types of its own
    """The first rows of a table under its columns' names and types, and how many rows there are."""
    shown = table.slice(0, SAMPLE_ROWS).select(range(min(SAMPLE_COLUMNS, table.num_columns)))
    columns = [[_cut(str(value), SAMPLE_TEXT) for value in column.to_pylist()] for column in shown.columns]
    rows = [
        "<tr>" + "".join(f"<td>{html.escape(column[row])}</td>" for column in columns) + "</tr>"
        for row in range(shown.num_rows)
    ]
    head = [f"{field.name}: {field.type}" for field in shown.schema]
    return f"<p>{table.num_rows} rows, {table.num_columns} columns</p>\n{_table(head, rows)}"


def _table(head: list[str], rows: list[str]) -> str:
    cells = "".join(f'<th style="text-align:left">{html.escape(name)}</th>' for name in head)
    return "\n".join(['<table style="border-spacing:1em 0">', f"<tr>{cells}</tr>", *rows, "</table>"])


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


@contextmanager
def progress_of(
    name: str, cursor: Cursor, tables: Mapping[str, tuple[Any, int]]
) -> Iterator[Mapping[str, tuple[Any, int]]]:  # Any: what DuckDB scans
    """Report how far the query of a watched cursor is: percent of the rows of its tables, as they are read.

    DuckDB does not tell how far it has read an Arrow table. A table that counts does not tell DuckDB how long it is,
    and then joins run in any order: only a single scan is counted. For more of them, where the table cannot be counted
    (a reader, a folder of files, all before DuckDB 2.0), and where there is none, DuckDB's own estimate is reported,
    which it makes for its own tables, files and functions.

    Args:
        name: Of the work, for a person.
        cursor: What the query will run on.
        tables: For each table what DuckDB scans, and how often it does.

    Yields:
        The tables to scan instead.
    """
    counted = None
    if reads_in_step() and sum(scans for _, scans in tables.values()) == 1:
        ((table, frame),) = ((one, frame) for one, (frame, scans) in tables.items() if scans)
        if (type(frame).__module__, type(frame).__qualname__) == ("pyarrow.lib", "Table"):
            counted = _Counted(frame)
            tables = {**tables, table: (counted, 1)}
    ended = threading.Event()

    def ask(tracker: Tracker) -> None:
        while not ended.wait(ASK_EVERY_S):
            tracker.reach(cursor.progress() if counted is None else counted.percent)

    with tracked(name, 100, "%") as tracker:
        thread = threading.Thread(target=ask, args=(tracker,), name="fledge-sql-progress", daemon=True)
        thread.start()
        try:
            yield tables
        finally:
            ended.set()
            thread.join()


class _Counted:
    """A table that counts the rows which are read of it. Each scan opens it anew, as the table itself."""

    def __init__(self, table: pa.Table) -> None:
        self.schema = table.schema
        self._table, self._rows, self._read = table, int(table.num_rows), 0

    @property
    def percent(self) -> float:
        return 100 * self._read / max(self._rows, 1)

    def __arrow_c_schema__(self) -> object:
        return self.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        import pyarrow as pa  # noqa: PLC0415 - loaded already: the table is of it

        def batches() -> Iterator[pa.RecordBatch]:
            for batch in self._table.to_batches(max_chunksize=BATCH_ROWS):
                yield batch
                self._read += batch.num_rows

        return pa.RecordBatchReader.from_batches(self.schema, batches()).__arrow_c_stream__(requested_schema)
