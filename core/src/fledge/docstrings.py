"""A function's docstring -> what the platform shows: short and long description, one text per input and output.

Reads the three styles in use: Google (`Args:`), NumPy (`Parameters` underlined) and reST (`:param x: ...`). A docstring
is read in every style, and the one that finds most entries is believed.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

__all__ = ["Docstring"]

_FIELD_INPUTS = {"param", "parameter", "arg", "argument", "attribute", "key", "keyword"}
_FIELD_OUTPUTS = {"return", "returns", "yield", "yields"}

_INPUTS = {"Arguments", "Args", "Parameters", "Params", "Attributes"}
_OUTPUTS = {"Returns", "Yields"}
_LISTS = _INPUTS | {"Raises", "Exceptions", "Except"}
_GOOGLE = re.compile(rf"^({'|'.join(sorted(_LISTS | _OUTPUTS | {'Example', 'Examples'}))}):[ \t]*$", re.MULTILINE)
_GOOGLE_TYPED = re.compile(r"\s*(.+?)\s*\(.*\S.*\)")
_GOOGLE_RETURN_TYPE = re.compile(r"\s*[^:\s]+:|[^:]*\]:")

_OTHER = {f"Other {name}" for name in ("Parameters", "Params", "Arguments", "Args")}
_NUMPY_INPUTS = _INPUTS | _OTHER | {"Attribute", "Receives", "Receive"}
_NUMPY_OUTPUTS = {"Returns", "Return", "Yields", "Yield"}
_NUMPY_LISTS = {"Raises", "Raise", "Warns", "Warn"}
_NUMPY_TEXTS = {
    "Example",
    "Examples",
    "Warning",
    "Warnings",
    "See Also",
    "Related",
    "Note",
    "Notes",
    "Reference",
    "References",
}
_NUMPY_TITLES = sorted(_NUMPY_INPUTS | _NUMPY_OUTPUTS | _NUMPY_LISTS | _NUMPY_TEXTS, key=len, reverse=True)
_NUMPY = re.compile("|".join(rf"^{name}\s*\n{'-' * len(name)}[ \t]*$" for name in _NUMPY_TITLES), re.MULTILINE)


@dataclass(frozen=True)
class Docstring:
    """What a docstring says; missing parts are empty.

    Args:
        inputs: Name -> text.
        returns: Name -> text, with an empty name where the style gives none. A single text describes every output.
        entries: How much the style found, for the choice between styles.
    """

    short_description: str = ""
    long_description: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)
    returns: Mapping[str, str] = field(default_factory=dict)
    entries: int = field(default=0, compare=False)

    @classmethod
    def parse(cls, text: str | None) -> Docstring:
        """Never fails: what is not understood belongs to the long description or is left out."""
        if not text or text.isspace():
            return cls()
        text = inspect.cleandoc(text)
        read = [_rest(text), _google(text), _numpy(text)]
        found = [one for one in read if one is not None] or [_made(text, {}, {}, 0)]
        return max(found, key=lambda one: one.entries)  # the first of equals

    def output_text(self, name: str) -> str | None:
        """The text of one output; None when there is none."""
        if len(self.returns) == 1:
            return next(iter(self.returns.values()))
        return self.returns.get(name)


def _made(prose: str, inputs: dict[str, str], returns: dict[str, str], entries: int) -> Docstring:
    short, _, long = prose.partition("\n")
    return Docstring(short, long.strip(), inputs, returns, entries)


def _dedented(text: str) -> str:
    """A text whose first line follows a name, and whose other lines are indented alike."""
    first, newline, rest = text.partition("\n")
    return f"{first}\n{inspect.cleandoc(rest)}" if newline else first


def _rest(text: str) -> Docstring | None:
    """`:param name: text`; None when a line that begins with a colon is no field."""
    prose, *fields = re.split(r"^(?=:)", text, flags=re.MULTILINE)
    inputs: dict[str, str] = {}
    returns: dict[str, str] = {}
    entries, has_type = 0, False
    for one in fields:
        head, colon, body = one.lstrip(":").partition(":")
        words = head.split()
        if not colon or not words:
            return None
        if (words[0] == "type" and len(words) == 2) or (words[0] == "rtype" and len(words) <= 2):
            has_type |= words[0] == "rtype"
            continue
        entries += 1
        if words[0] in _FIELD_INPUTS:
            if len(words) not in (2, 3):
                return None
            inputs[words[-1]] = _dedented(body.strip())
        elif words[0] in _FIELD_OUTPUTS:
            returns[""] = _dedented(body.strip())
    if has_type and not returns:
        returns[""] = ""
        entries += 1
    return _made(prose, inputs, returns, entries)


def _google(text: str) -> Docstring | None:
    """`Args:` and its kin; None when an entry has no name."""
    prose, sections = _sections(_GOOGLE, text)
    inputs: dict[str, str] = {}
    returns: dict[str, str] = {}
    entries = 0
    for heading, below in dict(sections).items():
        title = heading.strip().rstrip(":")
        body = re.split(r"\n(?=\S)", below, maxsplit=1)[0].strip("\n")
        parts = list(_indented_entries(body)) if title in _LISTS else [inspect.cleandoc(body)]
        entries += len(parts)
        if not parts or (title in _LISTS and any(":" not in part for part in parts)):
            return None
        for part in parts:
            name, _, words = part.partition(":")
            words = _dedented(words.removeprefix(" ")).strip("\n")
            if title in _INPUTS:
                typed = _GOOGLE_TYPED.match(name)
                inputs[typed.group(1) if typed else name] = words
            elif title in _OUTPUTS:
                returns[""] = words if _GOOGLE_RETURN_TYPE.match(part) else part
    return _made(prose, inputs, returns, entries)


def _numpy(text: str) -> Docstring:
    """Titles underlined with dashes; `name : type` with the text indented below."""
    prose, sections = _sections(_NUMPY, text)
    inputs: dict[str, str] = {}
    returns: dict[str, str] = {}
    entries = 0
    for heading, body in sections:
        title = heading.partition("\n")[0].strip()
        if title in _NUMPY_TEXTS:
            entries += 1
            continue
        for key, words in re.findall(r"^(\S.*)((?:\n(?!\S).*)*)", body, flags=re.MULTILINE):
            entries += 1
            name, colon, _ = key.partition(":")
            if title in _NUMPY_INPUTS:
                inputs[name.strip()] = inspect.cleandoc(words).strip()
            elif title in _NUMPY_OUTPUTS:
                returns[name.strip() if colon else ""] = inspect.cleandoc(words).strip()
    return _made(prose, inputs, returns, entries)


def _sections(title: re.Pattern[str], text: str) -> tuple[str, list[tuple[str, str]]]:
    """The prose in front of the first title, and each title with the text up to the next one."""
    found = list(title.finditer(text))
    if not found:
        return text, []
    ends = [*(match.start() for match in found[1:]), len(text)]
    sections = [(match.group(), text[match.end() : end]) for match, end in zip(found, ends, strict=True)]
    return text[: found[0].start()], sections


def _indented_entries(body: str) -> Iterator[str]:
    """The parts of a list whose items are indented like its first line."""
    margin = body[: len(body) - len(body.lstrip())]
    for part in re.split(rf"^{margin}(?=\S)", body, flags=re.MULTILINE)[1:]:
        yield part.strip("\n")
