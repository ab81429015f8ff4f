"""Dataclasses, mappings and sequences -> nested tables; records of one class in a list are the rows of one table."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fledge_report.safe_text import word

__all__ = ["shown"]

_DEPTH, _ITEMS = 4, 50
_TEXT = 2_000

Show = Callable[[object], "str | None"]


def shown(value: object, show: Show, depth: int = 0) -> str | None:
    """A structure as a table, what is in it by `show` or as text; None for a value that has no parts."""
    if depth >= _DEPTH:
        return None
    records = _records(value)
    if records is not None:
        return _table_of_records(records, show, depth)
    parts = _parts(value)
    if parts is None:
        return None
    lines = [f"<tr><th>{word(name)}</th>{_cell(part, show, depth)}</tr>" for name, part in parts[:_ITEMS]]
    return _table("parts", "", lines, len(parts))


def _parts(value: object) -> Sequence[tuple[object, object]] | None:
    """Named parts. A sequence of plain values is not worth a table."""
    if _is_record(value):
        return _fields(value)
    if isinstance(value, Mapping) and value:
        return list(value.items())
    if isinstance(value, (list, tuple)) and any(_has_parts(one) for one in value[:_ITEMS]):
        return list(enumerate(value))
    return None


def _records(value: object) -> Sequence[object] | None:
    """A list of records that all have the same fields."""
    if not isinstance(value, (list, tuple)) or _is_record(value) or len(value) < 2:
        return None
    kind = type(value[0])
    return value if _is_record(value[0]) and all(type(one) is kind for one in value) else None


def _has_parts(value: object) -> bool:
    return _is_record(value) or isinstance(value, (Mapping, list, tuple))


def _is_record(value: object) -> bool:
    is_dataclass = dataclasses.is_dataclass(value) and not isinstance(value, type)
    return is_dataclass or (isinstance(value, tuple) and hasattr(value, "_fields"))


def _fields(value: Any) -> list[tuple[object, object]]:  # Any: a dataclass or a named tuple
    names = getattr(value, "_fields", None) or [one.name for one in dataclasses.fields(value) if one.repr]
    return [(name, getattr(value, name, None)) for name in names]


def _table_of_records(records: Sequence[object], show: Show, depth: int) -> str:
    heads = "".join(f"<th>{word(name)}</th>" for name, _ in _fields(records[0]))
    lines = [
        "<tr>" + "".join(_cell(part, show, depth) for _, part in _fields(record)) + "</tr>"
        for record in records[:_ITEMS]
    ]
    return _table("rows", f"<thead><tr>{heads}</tr></thead>", lines, len(records))


def _table(kind: str, head: str, lines: list[str], count: int) -> str:
    more = [f'<tr><td colspan="9">and {count - len(lines):,} more</td></tr>'] if count > len(lines) else []
    body = "\n".join(lines + more)
    return f'<div class="scroll"><table class="{kind}">{head}\n<tbody>\n{body}\n</tbody></table></div>'


def _cell(value: object, show: Show, depth: int) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f'<td class="number">{word(value)}</td>'
    if not isinstance(value, str):
        inside = shown(value, show, depth + 1) if _has_parts(value) else show(value)
        if inside is not None:
            return f"<td>{inside}</td>"
    return f"<td>{word(value, _TEXT)}</td>"
