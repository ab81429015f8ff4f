"""Decks: HTML about one run of a task, one page of sections. `DeckField` names those that fledge makes by itself.

Values and the page are shown by plugins (`render`): a `Report` is a value like any other. What no plugin shows is
plain: values as text, the page as one column.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from fledge.context import FlyteContextManager
from fledge.errors import DefinitionError, short_repr, type_name
from fledge.lazy import lazy, lazy_logger

if TYPE_CHECKING:
    import html

    from fledge import settings
    from fledge.storage import StorageRouter
else:
    html = lazy("html")
    settings = lazy("fledge.settings")

__all__ = [
    "ALL_DECK_FIELDS",
    "DECK_FILE",
    "Deck",
    "DeckField",
    "Report",
    "Timeline",
    "add_value_deck",
    "bar",
    "check_deck_fields",
    "dependencies_deck",
    "keep_page",
    "page",
    "page_uri",
]

_log = lazy_logger("fledge.decks")

DECK_FILE = "deck.html"


class DeckField(str, Enum):
    """The sections that a task may ask for; each value is the section's title."""

    INPUT = "Input"
    OUTPUT = "Output"
    SOURCE_CODE = "Source Code"
    TIMELINE = "Timeline"
    DEPENDENCIES = "Dependencies"


# What a task has when it asks for decks and names none.
ALL_DECK_FIELDS = (
    DeckField.SOURCE_CODE,
    DeckField.DEPENDENCIES,
    DeckField.TIMELINE,
    DeckField.INPUT,
    DeckField.OUTPUT,
)


class Renderer(Protocol):
    """What turns a value into HTML: the plugin manager."""

    def render(self, value: object, python_type: type) -> str | None: ...


class Deck:
    """One section: a name and pieces of HTML in the order they were added.

    current_context().decks.append(Deck("Errors").show(table))
    """

    __slots__ = ("name", "parts")

    def __init__(self, name: str, html: str = "") -> None:
        self.name = name
        self.parts = [html] if html else []

    def append(self, html: str) -> Deck:
        """Add HTML as it is: what comes from elsewhere has to be escaped."""
        self.parts.append(html)
        return self

    def show(self, value: object) -> Deck:
        """Add a value the way inputs and outputs are shown: by the plugin that knows it, else as text."""
        return self.append(_shown(value, type(value), FlyteContextManager.current_context().plugins))

    @property
    def html(self) -> str:
        return "\n".join(self.parts)


class Report:
    """A whole page, for the `render` hook of whoever lays out pages.

    Attributes:
        title: The task's name; in a container, the name that the platform gave the run's task.
        decks: The sections in the order they were made. Their names are text, their HTML is already HTML.
    """

    __slots__ = ("decks", "title")

    def __init__(self, title: str, decks: Sequence[Deck]) -> None:
        self.title, self.decks = title, tuple(decks)

    def __repr__(self) -> str:
        return f"Report({self.title!r}, {[deck.name for deck in self.decks]})"


class Timeline:
    """Writes down, step by step, how long a run has taken; a run that fails shows the steps it came through."""

    def __init__(self, deck: Deck) -> None:
        self._deck = deck
        self._ends: list[tuple[str, float]] = [("", time.perf_counter())]

    def mark(self, step: str) -> None:
        """The step has ended now."""
        self._ends.append((step, time.perf_counter()))
        begin, whole = self._ends[0][1], self._ends[-1][1] - self._ends[0][1]
        rows = [
            f"<tr><th>{html.escape(name)}</th><td>{bar(start - begin, end - begin, whole)}</td>"
            f"<td>{end - start:.6f} s</td></tr>"
            for (_, start), (name, end) in zip(self._ends, self._ends[1:], strict=False)
        ]
        self._deck.parts[:] = ["<table>", *rows, "</table>"]


def bar(start: float, end: float, whole: float, kind: str = "") -> str:
    """A picture for a cell of a table: the part from `start` to `end` of `whole`, all in one unit.

    Args:
        start, end, whole: What lies outside 0 to `whole` is cut off; the thinnest part can still be seen.
        kind: A CSS class for pages that tell kinds apart by colour; put the kind into words as well.
    """
    first, last = (round(1000 * min(max(one / whole, 0.0), 1.0)) if whole > 0 else 0 for one in (start, end))
    first = min(first, 996)
    names = f"bar {kind}".strip()
    return (
        f'<svg class="{html.escape(names)}" viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true" '
        'width="100%" height="10" style="min-width: 6rem">'
        f'<rect x="{first}" width="{max(last - first, 4)}" height="10" fill="currentColor"/></svg>'
    )


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
    """A section with a part for each value. A value that no plugin renders is shown as text, a secret is not shown."""
    deck = Deck(field.value)
    for name, value in values.items():
        heading = f"<h3>{html.escape(name)} <small>{html.escape(type_name(types[name]))}</small></h3>"
        shown = "<p>a secret</p>" if _is_secret(types[name]) else _shown(value, types[name], plugins)
        deck.append(f"{heading}\n{shown}")
    decks.append(deck)


def _is_secret(annotation: object) -> bool:
    """`Annotated[str, Secret]`, or with the secret it is."""
    return any(
        one is settings.Secret or isinstance(one, settings.Secret) for one in getattr(annotation, "__metadata__", ())
    )


def _shown(value: object, python_type: type, plugins: Renderer) -> str:
    return plugins.render(value, python_type) or f"<pre>{html.escape(short_repr(value, 2000))}</pre>"


def keep_page(decks: Sequence[Deck], task_name: str, storage: StorageRouter) -> None:
    """Write the page beside the run's other data, and log where.

    It is never the reason for a run to fail.
    """
    try:
        uri = page_uri(task_name, storage)
        storage.write(uri, page(decks, task_name).encode())
    except Exception:  # noqa: BLE001 - see above
        _log.exception("task %s: the deck could not be written", task_name)
    else:
        _log.info("task %s: deck %s", task_name, uri)


def page_uri(task_name: str, storage: StorageRouter) -> str:
    """A new place for a page, in a folder named after the task."""
    folder = "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in task_name[-100:])
    return storage.new_uri(f"{folder}/{DECK_FILE}")


def page(decks: Sequence[Deck], title: str) -> str:
    """All decks as one HTML page, laid out by the plugin that renders a `Report`, else plainly.

    The text can be encoded, whatever names and values held.
    """
    report = Report(title, decks)
    laid_out = FlyteContextManager.current_context().plugins.render(report, Report) or _plain_page(report)
    return laid_out.encode(errors="replace").decode()


def _plain_page(report: Report) -> str:
    """No script, no external resource of our own."""
    sections = "\n".join(
        f"<section><h2>{html.escape(deck.name)}</h2>\n{deck.html}\n</section>" for deck in report.decks
    )
    return _PAGE.format(title=html.escape(report.title), sections=sections)


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #1a1a1a }}
section {{ border-top: 1px solid #ccc; margin-top: 2rem; overflow-x: auto }}
pre {{ overflow-x: auto; background: #f6f6f6; padding: .5rem }}
td, th {{ padding: 0 .5rem; text-align: left; vertical-align: top }}
</style></head><body><h1>{title}</h1>
{sections}
</body></html>
"""
