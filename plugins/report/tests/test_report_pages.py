"""The page of a run: whole by itself, in the order that is read, and whatever its decks are called."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fledge import FlyteContextManager, current_context, task
from fledge.decks import Deck, Report, page
from fledge_report.pages import lay_out


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Pages of this test's runs land here."""
    context = FlyteContextManager.current_context()
    with FlyteContextManager.with_context(context.with_(storage=context.storage.with_(raw_prefix=str(tmp_path)))):
        yield tmp_path


@task(enable_deck=True)
def half(number: int, by: dict[str, int]) -> float:
    """Halve a number."""
    if number < 0:
        raise ValueError("negative")
    current_context().decks.append(Deck("Thoughts", "<p>mine</p>").show({"a": [{"b": number}]}))
    return number / 2


def sections(html: str) -> list[str]:
    return re.findall("<h2>(.*?)</h2>", html)


def test_the_page_of_a_run_has_its_values_first(folder: Path) -> None:
    half(number=3, by={"x": 1})
    (file,) = folder.rglob("deck.html")
    html = file.read_text()
    assert sections(html) == ["Input", "Output", "Thoughts", "Timeline", "Source Code", "Dependencies"]
    assert re.findall('<a href="#s(.)">(.+?)</a>', html) == [
        (str(number), name) for number, name in enumerate(sections(html), 1)
    ]
    assert "<h1>half</h1>" in html
    assert "<p>mine</p>" in html
    assert "<pre>1.5</pre>" in html
    assert '<th><bdi>x</bdi></th><td class="number">' in html


def test_a_failed_run_has_a_page_as_well(folder: Path) -> None:
    with pytest.raises(ValueError, match="negative"):
        half(number=-1, by={})
    (file,) = folder.rglob("deck.html")
    assert sections(file.read_text()) == ["Input", "Timeline", "Source Code", "Dependencies"]


def test_a_value_that_cannot_be_shown_costs_its_picture_only(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def _repr_html_(self) -> str:
            raise RuntimeError("no ink")

    @task(enable_deck=True)
    def shows() -> None:
        current_context().decks.append(Deck("Broken").show(Broken()).append("<p>after</p>"))

    with caplog.at_level(logging.ERROR):
        shows()
    (file,) = folder.rglob("deck.html")
    assert re.search(r"<pre>&lt;.*Broken object.*</pre>\s*<p>after</p>", file.read_text())
    assert "render() failed" in caplog.text


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)


def tags(html: str) -> list[str]:
    parser = Tags()
    parser.feed(html)
    parser.close()
    return parser.found


NAMES = st.text(st.characters(), max_size=30) | st.sampled_from(["</title><script>", '"><x>', "</style>", "Input"])


@given(NAMES, st.lists(NAMES, max_size=3))
def test_names_never_change_what_a_page_is_made_of(title: str, names: list[str]) -> None:
    html = page([Deck(name, "<hr>") for name in names], title)
    html.encode()
    assert tags(html) == tags(page([Deck("name", "<hr>") for _ in names], "title"))


def test_a_page_needs_nothing_from_elsewhere_and_allows_nothing() -> None:
    html = lay_out(Report("t", [Deck("a")]))
    assert "http:" not in html
    assert "https:" not in html
    assert "<script" not in html
    assert "@import" not in html
    assert "url(" not in html
    assert "default-src 'none'" in html
    assert set(tags(html)) & {"link", "script", "iframe", "img"} == set()


def test_a_section_without_anything_says_so() -> None:
    assert '<p class="none">Nothing.</p>' in lay_out(Report("t", [Deck("Input")]))
