"""Decks: HTML about one run of a task, one page of sections. `DeckField` names those that fledge makes by itself."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from fledge.errors import DefinitionError, short_repr
from fledge.lazy import lazy, lazy_logger

if TYPE_CHECKING:
    import html

    from fledge.storage import StorageRouter
else:
    html = lazy("html")

__all__ = [
    "DECK_FILE",
    "Deck",
    "DeckField",
    "Timeline",
    "add_value_deck",
    "check_deck_fields",
    "dependencies_deck",
    "keep_page",
    "page",
]

_log = lazy_logger("fledge.decks")

DECK_FILE = "deck.html"


class DeckField(str, Enum):
    """The pages a task may ask for; each value is the page's title."""

    INPUT = "Input"
    OUTPUT = "Output"
    SOURCE_CODE = "Source Code"
    TIMELINE = "Timeline"
    DEPENDENCIES = "Dependencies"


class Renderer(Protocol):
    """What turns a value into HTML: the plugin manager."""

    def render(self, value: object, python_type: type) -> str | None: ...


class Deck:
    """One page: a name and pieces of HTML in the order they were added."""

    __slots__ = ("name", "parts")

    def __init__(self, name: str, html: str = "") -> None:
        self.name = name
        self.parts = [html] if html else []

    def append(self, html: str) -> Deck:
        self.parts.append(html)
        return self

    @property
    def html(self) -> str:
        return "\n".join(self.parts)


class Timeline:
    """Writes down, step by step, how long a run has taken; a run that fails shows the steps it came through."""

    def __init__(self, deck: Deck) -> None:
        self._deck = deck
        self._last = time.perf_counter()

    def mark(self, step: str) -> None:
        """The step has ended now."""
        now = time.perf_counter()
        self._deck.append(f"<p>{html.escape(step)}: {now - self._last:.6f} s</p>")
        self._last = now


def dependencies_deck() -> Deck:
    """The distributions of this environment, with their versions."""
    from importlib.metadata import distributions  # noqa: PLC0415 - expensive, and only this deck needs it

    lines = sorted({f"{one.name}=={one.version}" for one in distributions()}, key=str.lower)
    return Deck(DeckField.DEPENDENCIES.value, "<pre>{}</pre>".format(html.escape("\n".join(lines))))


def check_deck_fields(task_name: str, fields: tuple[DeckField, ...] | None) -> list[DeckField]:
    """The fields as members, each once. DefinitionError for anything else, also while decks are off."""
    valid = [field.value for field in DeckField]
    checked: list[DeckField] = []
    for field in fields or ():
        if field not in valid:
            raise DefinitionError(f"task {task_name}: deck field {field!r} is not one of {', '.join(valid)}")
        if DeckField(field) not in checked:
            checked.append(DeckField(field))
    return checked


def add_value_deck(
    decks: list[Deck], field: DeckField, values: Mapping[str, object], types: Mapping[str, type], plugins: Renderer
) -> None:
    """A page with one section per value. A value that no plugin renders is shown as text."""
    deck = Deck(field.value)
    for name, value in values.items():
        shown = plugins.render(value, types[name]) or f"<pre>{html.escape(short_repr(value, 2000))}</pre>"
        deck.append(f"<h3>{html.escape(name)}</h3>\n{shown}")
    decks.append(deck)


def keep_page(decks: Sequence[Deck], task_name: str, storage: StorageRouter) -> None:
    """Write the page beside the run's other data and log where. It is never the reason for a run to fail."""
    uri = storage.new_uri(DECK_FILE)
    try:
        storage.write(uri, page(decks, task_name).encode())
    except Exception:  # noqa: BLE001 - see above
        _log.exception("task %s: the deck could not be written", task_name)
    else:
        _log.info("task %s: deck %s", task_name, uri)


def page(decks: Sequence[Deck], title: str) -> str:
    """All decks as one HTML page: no script, no external resource."""
    sections = "\n".join(f"<section><h2>{html.escape(deck.name)}</h2>\n{deck.html}\n</section>" for deck in decks)
    return _PAGE.format(title=html.escape(title), sections=sections)


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #1a1a1a }}
section {{ border-top: 1px solid #ccc; margin-top: 2rem }}
pre {{ overflow-x: auto; background: #f6f6f6; padding: .5rem }}
</style></head><body><h1>{title}</h1>
{sections}
</body></html>
"""
