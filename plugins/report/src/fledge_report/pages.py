"""A `Report` -> one HTML page that is whole by itself: its only style is inside, it has no script and loads nothing.

The page forbids its own content to do otherwise, by a content security policy: a deck with a script in it, or with a
picture from elsewhere, shows its other parts.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone
from functools import cache
from pathlib import Path

from fledge._version import __version__
from fledge.decks import Deck, DeckField, Report
from fledge_report.safe_text import escaped

__all__ = ["lay_out"]

_FIRST = (DeckField.INPUT.value, DeckField.OUTPUT.value)
_LAST = (DeckField.TIMELINE.value, DeckField.SOURCE_CODE.value, DeckField.DEPENDENCIES.value)
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; media-src data:; "
    "base-uri 'none'; form-action 'none'"
)
_TITLE = 200  # characters


def lay_out(report: Report) -> str:
    """The page: values first, then what the task and plugins added, then what is looked up."""
    decks = list(enumerate(_ordered(report.decks), 1))
    path, _, name = report.title.rpartition(".")
    links = "\n".join(f'<a href="#s{number}">{escaped(deck.name, _TITLE)}</a>' for number, deck in decks)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>{escaped(report.title, _TITLE)}</title>
<style>
{_style()}</style>
</head>
<body>
<header>
<p>{escaped(path, _TITLE)}</p>
<h1>{escaped(name, _TITLE)}</h1>
<p><time>{datetime.now(timezone.utc):%Y-%m-%d %H:%M:%S} UTC</time></p>
</header>
<nav aria-label="Sections">
{links}
</nav>
<main>
{"".join(_section(number, deck) for number, deck in decks)}</main>
<footer>fledge {__version__}</footer>
</body>
</html>
"""


def _ordered(decks: Iterable[Deck]) -> list[Deck]:
    """By what a reader asks first; decks of one rank stay in the order they were made."""

    def rank(deck: Deck) -> int:
        if deck.name in _FIRST:
            return _FIRST.index(deck.name)
        return len(_FIRST) + (1 + _LAST.index(deck.name) if deck.name in _LAST else 0)

    return sorted(decks, key=rank)


def _section(number: int, deck: Deck) -> str:
    kind = "".join(letter for letter in deck.name.lower() if letter.isascii() and letter.isalnum())
    body = deck.html or '<p class="none">Nothing.</p>'
    return (
        f'<section id="s{number}" class="{kind}">\n<h2>{escaped(deck.name, _TITLE)}</h2>\n'
        f'<div class="deck">\n{body}\n</div>\n</section>\n'
    )


@cache
def _style() -> str:
    return Path(__file__).with_name("report.css").read_text(encoding="utf-8")
