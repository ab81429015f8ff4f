"""Pages as a browser shows them: no complaint, no request, nothing runs, nothing sticks out on a phone or in print."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import fledge_report.hooks
from fledge import FlyteContextManager, current_context, task
from fledge.decks import Deck, page
from fledge.testing import plugin_registered
from plugins.report.tests.chromium import Browser

pandas = pytest.importorskip("pandas")

LOUD = "<script>document.title = 'pwned'</script>"


class Evil:
    """Shows itself with all that a report must not do."""

    def _repr_html_(self) -> str:
        return f"{LOUD}<img src='http://127.0.0.1:9/x.png' onerror=\"document.title='pwned'\"></main><b>bold</b>"


class EvilPicture:
    def _repr_svg_(self) -> str:
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="3000" height="20">{LOUD}'
            '<image href="http://127.0.0.1:9/y.png" width="9" height="9"/><rect width="3000" height="20"/></svg>'
        )


@task(enable_deck=True)
def shows(text: str, parts: dict[str, list[str]]) -> str:
    """Show a frame and objects that want to do more."""
    frame = pandas.DataFrame(
        {
            LOUD: [LOUD, "x" * 10_000],
            "</style></table></section></body>": ["\u202egnp.exe", "שלום"],
            '"><script>document.title="pwned"</script>': [1.5, None],
            "c" * 500: ["\0\x1b", ""],
            **{f"wide{number}": ["some words here"] * 2 for number in range(50)},
        }
    )
    current_context().decks.append(Deck(f"{LOUD} {'n' * 100}").show(frame).show(Evil()).show(EvilPicture()))
    return text


@pytest.fixture(scope="module")
def run_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a real run with values as bad as they come."""
    folder = tmp_path_factory.mktemp("pages")
    with plugin_registered(fledge_report.hooks) as context:
        storage = context.storage.with_(raw_prefix=str(folder))
        with FlyteContextManager.with_context(context.with_(storage=storage)):
            shows(text=LOUD + "y" * 10_000_000, parts={LOUD: ["z" * 500, LOUD]})
    (found,) = folder.rglob("deck.html")
    return found


def test_nothing_runs_nothing_is_asked_for_and_nobody_complains(browser: Browser, run_page: Path) -> None:
    browser.open(run_page, 1280)
    assert browser.complaints == []
    assert browser.requests == []
    assert browser.ask("document.title").endswith(".shows")
    assert browser.ask("document.querySelectorAll('section').length") == 6
    assert browser.ask("document.querySelector('main b').closest('section') !== null"), "an object's HTML stays inside"


@pytest.mark.parametrize(("width", "mobile"), [(320, True), (360, True), (768, True), (1280, False)])
def test_no_page_is_wider_than_the_screen(browser: Browser, run_page: Path, width: int, *, mobile: bool) -> None:
    browser.open(run_page, width, mobile=mobile)
    assert browser.ask("document.documentElement.scrollWidth") == width
    assert browser.ask("innerWidth") == width
    assert browser.ask("getComputedStyle(document.body).fontSize") == "15px"


def test_print_shows_every_section_whole_and_without_navigation(browser: Browser, run_page: Path) -> None:
    browser.open(run_page, 700)
    browser.print_media()
    assert browser.ask("getComputedStyle(document.querySelector('nav')).display") == "none"
    cut = "[...document.querySelectorAll('pre, .scroll')].filter(one => one.scrollHeight > one.clientHeight + 1).length"
    assert browser.ask(cut) == 0
    assert browser.ask("[...document.querySelectorAll('section')].every(one => one.offsetHeight > 40)")
    assert browser.pdf().startswith(b"%PDF")


def test_colours_follow_the_readers_choice(browser: Browser, run_page: Path) -> None:
    seen = []
    for dark in (False, True):
        browser.open(run_page, 800, dark=dark)
        seen.append(browser.ask("getComputedStyle(document.body).backgroundColor"))
    assert seen == ["rgb(244, 245, 247)", "rgb(18, 22, 28)"]
    browser.print_media()
    assert browser.ask("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


@pytest.mark.parametrize(
    "html",
    [
        LOUD,
        "<script src='http://127.0.0.1:9/x.js'></script>",
        "<img src='http://127.0.0.1:9/x.png'>",
        "<link rel=stylesheet href='http://127.0.0.1:9/x.css'>",
        "<style>@import 'http://127.0.0.1:9/x.css'; body { background: url(http://127.0.0.1:9/x.png) }</style>",
        "<iframe src='http://127.0.0.1:9/'></iframe>",
        "<object data='http://127.0.0.1:9/'></object>",
        "<svg onload=\"document.title='pwned'\"></svg>",
        "<video src='http://127.0.0.1:9/x.mp4' autoplay></video>",
        "<base href='http://127.0.0.1:9/'><img src='x.png'>",
    ],
    ids=["script", "script file", "picture", "style sheet", "import", "frame", "object", "handler", "video", "base"],
)
def test_a_page_forbids_what_a_deck_of_your_own_must_not_do(browser: Browser, tmp_path: Path, html: str) -> None:
    file = tmp_path / "page.html"
    file.write_text(page([Deck("Mine", html), Deck("After", "<p id=after>here</p>")], "title"))
    browser.open(file, 800)
    assert browser.requests == []
    assert browser.ask("document.title") == "title"
    assert browser.ask("document.querySelector('#after').textContent") == "here"


def test_the_way_to_a_section_leads_there(browser: Browser, run_page: Path) -> None:
    browser.open(run_page, 360, mobile=True)
    browser.ask("document.querySelector('nav a:last-child').click()")
    top: Any = browser.ask("document.querySelector('section:last-of-type h2').getBoundingClientRect().top")
    assert 0 <= top < 800
