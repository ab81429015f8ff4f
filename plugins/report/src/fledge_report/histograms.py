"""Values of a column, as Python objects -> a small picture of how they are spread, and a line that says it in words."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from numbers import Real
from typing import Any

from fledge_report.safe_text import escaped, word

__all__ = ["spread"]

_BINS = 24
_MOST = 12  # bars for values that are counted one by one
_WIDTH, _HEIGHT = 120, 24


def spread(values: Sequence[Any]) -> str:  # Any: cells of any frame
    """A histogram of numbers and times, the counts of texts and truth values; empty for anything else.

    Args:
        values: Without nulls. All of one kind, else there is no picture.
    """
    if not values:
        return ""
    if all(isinstance(one, (str, bool)) for one in values):
        return _counts(values)
    places = _places(values)
    return "" if places is None else _histogram(values, places)


def _places(values: Sequence[Any]) -> list[float] | None:  # Any: cells of any frame
    """Each value as a place on a line; None where that has no meaning."""
    first = values[0]
    try:
        if isinstance(first, (Real, Decimal)):
            return [float(one) for one in values]
        if isinstance(first, datetime):
            return [(one - first).total_seconds() for one in values]
        if isinstance(first, date):
            return [float(one.toordinal()) for one in values]
        if isinstance(first, timedelta):
            return [one.total_seconds() for one in values]
        if isinstance(first, time):
            return [one.hour * 3600 + one.minute * 60 + one.second + one.microsecond / 1e6 for one in values]
    except (TypeError, ValueError, AttributeError, OverflowError):  # not all of them are what the first one is
        return None
    return None


def _histogram(values: Sequence[Any], places: list[float]) -> str:  # Any: as above
    finite = [(place, value) for place, value in zip(places, values, strict=True) if math.isfinite(place)]
    if not finite:
        return ""
    low, high = min(finite, key=lambda one: one[0]), max(finite, key=lambda one: one[0])
    width = high[0] - low[0]
    counts = [0] * _BINS
    for place, _ in finite:
        share = (place - low[0]) / width if 0 < width < math.inf else 0.0
        counts[min(int(share * _BINS), _BINS - 1)] += 1
    words = word(low[1]) if low[0] == high[0] else f"{word(low[1])} to {word(high[1])}"
    return _picture(counts, "histogram", 0.0) + f"<small>{words}</small>"


def _counts(values: Sequence[Any]) -> str:  # Any: texts or truth values
    counted = Counter(values)
    most = counted.most_common(_MOST)
    top, count = most[0]
    share = f"{word(top, 24)} {100 * count / len(values):.0f} %"
    words = share if len(counted) == 1 else f"{len(counted):,} different, {share}"
    if count == 1:
        words = f"{len(counted):,} different"
    names = ", ".join(f"{one!s:.24}: {times}" for one, times in most)
    return _picture([times for _, times in most], names, 1.0) + f"<small>{words}</small>"


def _picture(counts: Sequence[int], label: str, gap: float) -> str:
    most = max(counts)
    wide = _WIDTH / max(len(counts), 6)
    bars = "".join(
        f'<rect x="{number * wide:.1f}" y="{_HEIGHT - tall:.1f}" width="{wide - gap:.1f}" height="{tall:.1f}"/>'
        for number, count in enumerate(counts)
        if count and (tall := max(_HEIGHT * count / most, 1.0))
    )
    return (
        f'<svg class="spread" role="img" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" '
        f'fill="currentColor" aria-label="{escaped(label, 400)}">{bars}</svg>'
    )
