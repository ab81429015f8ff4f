"""Text of unknown origin -> HTML that is text and nothing else, can be encoded, and reads as it was written."""

from __future__ import annotations

import html
import re
from datetime import date, time, timedelta
from decimal import Decimal
from pathlib import PurePath
from uuid import UUID

from fledge.errors import short_repr

__all__ = ["CELL", "escaped", "word"]

_PLAIN = (date, time, timedelta, Decimal, PurePath, UUID)  # their text says it all; a datetime is a date
CELL = 80  # characters of a value in a table
# What a reader cannot see or would be misled by: controls, marks that turn the direction of the text, half letters.
_UNSEEN = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def escaped(text: str, limit: int) -> str:
    """At most `limit` characters of the text; what cannot be seen is spelled out. Safe in attributes as well."""
    cut = text if len(text) <= limit else f"{text[: limit - 1]}…"
    return html.escape(_UNSEEN.sub(_spelled, cut))


def word(value: object, limit: int = CELL) -> str:
    """A value within a line: strings as they are, numbers short, else the repr; never mixed up with its neighbours.

    `<bdi>` keeps Arabic or Hebrew from turning round what stands beside it.
    """
    if value is None:
        return '<span class="none">null</span>'
    if isinstance(value, float):
        return f"{value:.6g}"
    text = value if isinstance(value, str) else str(value) if isinstance(value, _PLAIN) else short_repr(value, limit)
    return f"<bdi>{escaped(text, limit)}</bdi>"


def _spelled(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
