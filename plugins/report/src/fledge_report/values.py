"""A value of a task -> HTML, by the first part of this package that knows its kind; None for plain values."""

from __future__ import annotations

from fledge_report import frames, pictures, structures

__all__ = ["shown"]


def shown(value: object) -> str | None:
    """A frame, a plot, or a structure of them and of plain values."""
    for show in (frames.shown, pictures.shown):
        html = show(value)
        if html is not None:
            return html
    return structures.shown(value, shown)
