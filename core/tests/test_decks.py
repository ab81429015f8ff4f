"""Decks of local runs: what is on the page, where it goes, and that it never breaks a run."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fledge import DeckField, FlyteContextManager, Secret, current_context, hookimpl, task
from fledge.decks import Deck, Report, bar, page
from fledge.hooks.manager import PluginManager
from fledge.storage import StorageRouter


@pytest.fixture
def folder(tmp_path: Path) -> Any:  # Any: a generator
    """Decks of this test's runs land here."""
    context = FlyteContextManager.current_context()
    with FlyteContextManager.with_context(context.with_(storage=context.storage.with_(raw_prefix=str(tmp_path)))):
        yield tmp_path


@task(enable_deck=True)
def full(a: int, text: str = "<script>alert(1)</script>") -> str:
    current_context().decks.append(Deck("Mine", "<p>mine</p>"))
    if a < 0:
        raise ValueError("negative")
    return text * a


def html_of(folder: Path) -> str:
    (found,) = folder.glob("*/*.full/deck.html")
    return found.read_text()


def test_the_page_has_every_section_in_order(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        full(a=1)
    html = html_of(folder)
    assert re.findall("<h2>([^<]+)</h2>", html) == [
        "Source Code",
        "Dependencies",
        "Timeline",
        "Input",
        "Mine",
        "Output",
    ]
    assert f"<title>{full.name}</title>" in html
    assert f"task {full.name}: deck {folder}" in caplog.text


def test_the_sections_say_what_they_are_named_for(folder: Path) -> None:
    full(a=1)
    html = html_of(folder)
    assert "def full(a: int" in html
    assert re.search(r"pluggy==\d", html)
    assert re.findall(r"<tr><th>(\w+)</th><td><svg.+</svg></td><td>\d+\.\d{6} s</td></tr>", html) == [
        "inputs",
        "execute",
        "post_execute",
    ]
    assert "<h3>text <small>str</small></h3>" in html


def test_values_are_text_and_never_markup(folder: Path) -> None:
    full(a=1)
    assert "<script" not in html_of(folder)
    assert "&lt;script&gt;" in html_of(folder)


def test_a_secret_is_not_shown(folder: Path) -> None:
    @task(enable_deck=True)
    def login(user: str, password: Annotated[str, Secret(key="p")]) -> Annotated[str, Secret]:
        return f"{user}:{password}"

    assert login(user="me", password="hunter2") == "me:hunter2"
    (found,) = folder.glob("*/*.login/deck.html")
    assert found.read_text().count("<p>a secret</p>") == 2
    assert "hunter2" not in found.read_text()


def test_a_failed_run_shows_what_it_came_through(folder: Path) -> None:
    with pytest.raises(ValueError, match="negative"):
        full(a=-1)
    html = html_of(folder)
    assert "<p>mine</p>" in html
    assert "<h2>Output</h2>" not in html


def test_no_page_is_written_when_decks_are_off(folder: Path) -> None:
    @task
    def off(a: int) -> int:
        current_context().decks.append(Deck("Mine", "x"))
        return a

    off(a=1)
    assert list(folder.iterdir()) == []


def test_only_the_fields_asked_for_are_there(folder: Path) -> None:
    @task(enable_deck=True, deck_fields=(DeckField.OUTPUT,))
    def small(a: int) -> int:
        return a

    small(a=1)
    (found,) = folder.glob("*/*.small/deck.html")
    assert re.findall("<h2>([^<]+)</h2>", found.read_text()) == ["Output"]


def test_a_page_that_cannot_be_written_breaks_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    context = FlyteContextManager.current_context()
    storage = context.storage.with_(raw_prefix=str(tmp_path / "file"))
    with FlyteContextManager.with_context(context.with_(storage=storage)):
        assert full(a=0) == ""
    assert "the deck could not be written" in caplog.text


def test_a_page_without_a_place_does_not_hide_the_error_of_the_task(tmp_path: Path) -> None:
    class Nowhere(StorageRouter):
        def new_uri(self, name: str = "") -> str:
            raise OSError(28, "No space left on device", name)

    @task(enable_deck=True)
    def fails(a: int) -> float:
        return 1 / a

    context = FlyteContextManager.current_context()
    nowhere = context.with_(storage=Nowhere(raw_prefix=str(tmp_path)))
    with FlyteContextManager.with_context(nowhere), pytest.raises(ZeroDivisionError):
        fails(a=0)


def test_a_plugin_renders_its_values(folder: Path, manager: PluginManager) -> None:
    class Rendering:
        HOOK_API = 1

        @hookimpl
        def render(self, value: object) -> str | None:
            return f"<b>{value}</b>" if isinstance(value, int) else None

    manager.register(Rendering(), "rendering")
    full(a=1)
    assert "<b>1</b>" in html_of(folder)


def test_a_plugin_lays_out_the_page(folder: Path, manager: PluginManager) -> None:
    class LayingOut:
        HOOK_API = 1

        @hookimpl
        def render(self, value: object) -> str | None:
            return ", ".join([value.title, *(deck.name for deck in value.decks)]) if isinstance(value, Report) else None

    manager.register(LayingOut(), "laying-out")
    full(a=1)
    assert html_of(folder) == f"{full.name}, Source Code, Dependencies, Timeline, Input, Mine, Output"


def test_a_page_that_a_plugin_cannot_lay_out_is_plain(folder: Path, manager: PluginManager) -> None:
    class Broken:
        HOOK_API = 1

        @hookimpl
        def render(self, value: object) -> str | None:
            raise RuntimeError("no paper")

    manager.register(Broken(), "broken")
    full(a=1)
    assert "<h2>Output</h2>" in html_of(folder)


def test_a_deck_shows_values_as_inputs_and_outputs_are_shown(manager: PluginManager) -> None:
    class Rendering:
        HOOK_API = 1

        @hookimpl
        def render(self, value: object, python_type: type) -> str | None:
            return f"<b>{value}</b>" if python_type is int else None

    manager.register(Rendering(), "rendering")
    assert Deck("Mine").show(1).show("<i>").append("<hr>").parts == [
        "<b>1</b>",
        "<pre>&#x27;&lt;i&gt;&#x27;</pre>",
        "<hr>",
    ]


def test_text_that_cannot_be_encoded_costs_a_letter_and_not_the_page(folder: Path) -> None:
    @task(enable_deck=True)
    def odd() -> None:
        current_context().decks.append(Deck("\ud800", "<p>\udfff here</p>"))

    odd()
    (found,) = folder.rglob("deck.html")
    assert "<p>? here</p>" in found.read_text(encoding="utf-8")


NUMBERS = st.floats(-10, 10)


@given(NUMBERS, NUMBERS, NUMBERS)
def test_a_bar_stays_in_its_place_and_can_be_seen(start: float, end: float, whole: float) -> None:
    left, width = map(int, re.findall(r'<rect x="(\d+)" width="(\d+)"', bar(start, end, whole))[0])
    assert width >= 4
    assert left + width <= 1000


def test_a_page_needs_nothing_from_elsewhere() -> None:
    html = page([Deck("<x>", "<p>y</p>")], "t & u")
    assert "&lt;x&gt;" in html
    assert "t &amp; u" in html
    assert "http" not in html
    assert "<script" not in html
