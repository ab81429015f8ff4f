"""HTML that an object makes of itself -> the part of it that only shows something: text, tables, pictures inside it.

Scripts, styles, frames and whatever loads from elsewhere are left out; so are attributes, but for the few that tables
and pictures need. What comes out is balanced: it cannot end the element it is put into.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from html.parser import HTMLParser

__all__ = ["Sanitized", "sanitized"]

_VOID = frozenset(("br", "hr", "img", "wbr"))
_KEPT = _VOID.union(
    ("a", "abbr", "b", "blockquote", "caption", "code", "dd", "details", "div", "dl", "dt", "em", "figcaption"),
    ("figure", "h1", "h2", "h3", "h4", "h5", "h6", "i", "kbd", "li", "ol", "p", "pre", "q", "s", "samp", "small"),
    ("span", "strong", "sub", "summary", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "u", "ul", "var"),
)
# Left out with all that is in them.
_DROPPED = frozenset(
    (
        "applet",
        "audio",
        "button",
        "canvas",
        "dialog",
        "embed",
        "form",
        "frameset",
        "head",
        "iframe",
        "math",
        "noscript",
    ),
).union(("object", "script", "select", "style", "svg", "template", "textarea", "title", "video"))
_ATTRIBUTES = frozenset(("alt", "colspan", "height", "hidden", "open", "rowspan", "scope", "title", "width"))
_PICTURE = re.compile(r"data:image/(?:gif|jpeg|png|svg\+xml|webp);base64,[A-Za-z0-9+/=\s]+")


@dataclass(frozen=True)
class Sanitized:
    """The HTML, whether it shows anything at all, and whether a script was left out of it."""

    html: str
    is_visible: bool
    had_script: bool


def sanitized(text: str) -> Sanitized:
    """Keep what is known to be harmless; anything else, known or not, is left out."""
    parser = _Sanitizer()
    parser.feed(text)
    parser.close()
    parser.end()
    return Sanitized("".join(parser.parts), parser.is_visible, parser.had_script)


class _Sanitizer(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.is_visible = self.had_script = False
        self._open: list[str] = []
        self._dropping: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.had_script = self.had_script or tag == "script"
        if self._dropping:
            if tag == self._dropping[-1]:
                self._dropping.append(tag)
        elif tag in _DROPPED:
            self._dropping.append(tag)
        elif tag in _KEPT:
            self._keep(tag, attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """`<p/>` opens a paragraph in HTML; of `<script/>` nothing more is known, so it ends with itself."""
        if tag not in _DROPPED:
            self.handle_starttag(tag, attrs)
        self.had_script = self.had_script or tag == "script"

    def handle_endtag(self, tag: str) -> None:
        if self._dropping:
            if tag == self._dropping[-1]:
                self._dropping.pop()
        elif tag in self._open:
            while (last := self._open.pop()) != tag:
                self.parts.append(f"</{last}>")
            self.parts.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if not self._dropping:
            self.parts.append(html.escape(data))
            self.is_visible = self.is_visible or not data.isspace()

    def end(self) -> None:
        """Close what was left open."""
        self.parts.extend(f"</{tag}>" for tag in reversed(self._open))

    def _keep(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        kept = {name: value or "" for name, value in attrs if name in _ATTRIBUTES}
        source = next((value or "" for name, value in attrs if name == "src"), "")
        if tag == "img":
            if not _PICTURE.fullmatch(source):
                return
            kept["src"] = source
            self.is_visible = True
        if tag not in _VOID:
            self._open.append(tag)
        told = "".join(f' {name}="{html.escape(value)}"' for name, value in kept.items())
        self.parts.append(f"<{tag}{told}>")
