"""A function's docstring -> what the platform shows: short and long description, one text per input and for the return.

Reads the three styles in use: Google (`Args:`), NumPy (`Parameters` underlined) and reST (`:param x: ...`).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Docstring"]

_FIELD = re.compile(r"^:(?:param|parameter|arg|argument|key|keyword)\s+(?:[^:]*\s)?\**(\w+)\s*:\s*(.*)$")
_RETURNS_FIELD = re.compile(r"^:returns?\s*:\s*(.*)$")
_TITLES = "args|arguments|parameters|params|returns?|yields|raises|examples?|notes?|attributes|source"
_GOOGLE = re.compile(rf"^({_TITLES})\s*:\s*$", re.IGNORECASE)
_ENTRY = re.compile(r"^\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)$")
_INPUTS = ("args", "arguments", "parameters", "params", "other parameters")


@dataclass(frozen=True)
class Docstring:
    """What a docstring says; missing parts are empty."""

    short_description: str = ""
    long_description: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)
    returns: str = ""

    @classmethod
    def parse(cls, text: str | None) -> Docstring:
        """Never fails: what is not understood belongs to the long description or is left out."""
        if not text:
            return cls()
        lines = inspect.cleandoc(text).splitlines()
        sections = _sections(lines)
        prose = "\n".join(sections.pop("", [])).strip()
        short, _, long = prose.partition("\n\n")
        if "\n" in short:
            short, _, rest = short.partition("\n")
            long = f"{rest}\n\n{long}".strip()
        inputs: dict[str, str] = {}
        for name in _INPUTS:
            inputs.update(_entries(sections.get(name, [])))
        returns = " ".join(line.strip() for line in sections.get("returns", sections.get("return", []))).strip()
        return cls(short.strip(), long.strip(), inputs, returns)


def _sections(lines: list[str]) -> dict[str, list[str]]:
    """Section title in lower case -> its lines; "" is the prose in front. reST fields become Google entries."""
    sections: dict[str, list[str]] = {"": []}
    current = sections[""]
    skip = False
    for number, line in enumerate(lines):
        if skip:  # the underline of a NumPy title
            skip = False
            continue
        following = lines[number + 1].strip() if number + 1 < len(lines) else ""
        title = _GOOGLE.match(line)
        if title or (line.strip() and len(following) >= 3 and set(following) == {"-"}):
            name = title.group(1) if title else line.strip()
            current = sections.setdefault(name.lower(), [])
            skip = not title
        elif found := _FIELD.match(line):
            current = sections.setdefault("params", [])
            current.append(f"{found.group(1)}: {found.group(2)}")
        elif found := _RETURNS_FIELD.match(line):
            current = sections.setdefault("returns", [])
            current.append(found.group(1))
        elif line.startswith(":") and current is not sections[""]:
            current = []  # another reST field: not ours
        else:
            current.append(line)
    return sections


def _entries(lines: list[str]) -> dict[str, str]:
    """`name (type): text`, or NumPy's `name : type` with the text indented below."""
    found: dict[str, list[str]] = {}
    margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    name = ""
    for line in lines:
        body = line[margin:]
        entry = _ENTRY.match(body)
        if entry and not body.startswith(" "):
            name = entry.group(1)
            is_numpy = margin == 0 and " : " in body
            found[name] = [] if is_numpy else [entry.group(2)]
        elif margin == 0 and body.strip().isidentifier() and not body.startswith(" "):
            name = body.strip()
            found[name] = []
        elif name:
            found[name].append(body.strip())
    return {key: " ".join(part for part in parts if part).strip() for key, parts in found.items()}
