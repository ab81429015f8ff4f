"""Text of unknown origin stays text, whatever it is; HTML that an object makes of itself loses what is active."""

from __future__ import annotations

import html
from datetime import date, datetime
from decimal import Decimal
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fledge_report.safe_text import escaped, word
from fledge_report.sanitizing import sanitized

ANY_TEXT = st.text(st.characters())  # lone surrogates as well


@given(ANY_TEXT, st.integers(1, 50))
def test_escaped_text_is_one_piece_of_text_and_can_be_encoded(text: str, limit: int) -> None:
    made = escaped(text, limit)
    made.encode()
    assert not set(made) & set("<>\"'\0\x1b\u202e\u2028")
    assert len(html.unescape(made)) <= 6 * limit


@given(st.text(st.characters(categories=("L", "N", "P", "S", "Zs"))))
def test_what_can_be_read_is_left_as_it_is(text: str) -> None:
    assert html.unescape(escaped(text, 10_000)) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u202eexe.gnp", "a\\u202eexe.gnp"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\ud800", "\\ud800"),
        ("x" * 10_000_000, "x" * 79 + "…"),
        ("<b>", "&lt;b&gt;"),
        ("é 🙂 שלום", "é 🙂 שלום"),
    ],
    ids=["direction", "escape", "surrogate", "long", "markup", "readable"],
)
def test_text_is_shown_so_that_it_does_not_mislead(text: str, shown: str) -> None:
    assert escaped(text, 80) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, '<span class="none">null</span>'),
        (1 / 3, "0.333333"),
        (True, "<bdi>True</bdi>"),
        (date(2013, 1, 2), "<bdi>2013-01-02</bdi>"),
        (datetime(2013, 1, 2, 3), "<bdi>2013-01-02 03:00:00</bdi>"),  # noqa: DTZ001 - frames have such cells
        (Decimal("1.10"), "<bdi>1.10</bdi>"),
        (b"\0", "<bdi>b&#x27;\\x00&#x27;</bdi>"),
    ],
)
def test_a_cell_is_short(value: object, shown: str) -> None:
    assert word(value) == shown


class Checker(HTMLParser):
    """Fails at anything that is active, and at what is not closed in order."""

    VOID = ("br", "hr", "img", "wbr")
    FORBIDDEN = ("script", "style", "iframe", "object", "embed", "svg", "math", "form", "link", "meta", "base", "body")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in self.FORBIDDEN
        for name, value in attrs:
            assert not name.startswith("on")
            assert name not in ("style", "href", "srcset")
            assert name != "src" or (value or "").startswith("data:image/")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


PIECES = (
    *(
        "<script>",
        "</script>",
        "<SCRIPT/x>",
        "<style>",
        "</style>",
        "<iframe src=//x>",
        "</iframe>",
        "<svg onload=x()>",
    ),
    *(
        "</svg>",
        "<img src=x onerror=x()>",
        "<img src='data:image/png;base64,AAAA'>",
        "<a href='javascript:x()'>",
        "</a>",
    ),
    *("<img src='data:text/html;base64,AAAA'>", "<table>", "<tr>", "<td style='position:fixed' colspan=2>", "</table>"),
    *(
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "<?php",
        "<math>",
        "<p",
        " title='\"><script>'",
        ">",
        "</div></main>",
        "&lt;b",
    ),
    *("text", "<b>", "</b>", "<details open>", "<template>", "</template>", "<br/>", "<script", "\0", "<noscript>"),
)


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=12))
def test_sanitized_html_is_balanced_and_has_nothing_active(pieces: list[str]) -> None:
    checker = Checker()
    made = sanitized("".join(pieces)).html
    checker.feed(made)
    checker.close()
    assert checker.open == []
    assert sanitized(made).html == made


@pytest.mark.parametrize(
    ("text", "kept", "is_visible", "had_script"),
    [
        ("<p>a</p>", "<p>a</p>", True, False),
        ("<p>a<script>b</script>c", "<p>ac</p>", True, True),
        ("<div id=x></div><script src=y></script>", "<div></div>", False, True),
        ("<td onclick=x() colspan=2>1 &lt; 2", '<td colspan="2">1 &lt; 2</td>', True, False),
        ("</div></body>x", "x", True, False),
        ("<b><i>x</b>y", "<b><i>x</i></b>y", True, False),
        ("<svg><text>no</text></svg>yes", "yes", True, False),
        ("<iframe><iframe></iframe>in</iframe>out", "out", True, False),
        ("<unknown-tag>x</unknown-tag>", "x", True, False),
        ("<img src='http://x/y.png'>", "", False, False),
        ("<img src='data:image/png;base64,AAAA'>", '<img src="data:image/png;base64,AAAA">', True, False),
    ],
)
def test_what_only_shows_something_is_kept(text: str, kept: str, *, is_visible: bool, had_script: bool) -> None:
    found = sanitized(text)
    assert (found.html, found.is_visible, found.had_script) == (kept, is_visible, had_script)
