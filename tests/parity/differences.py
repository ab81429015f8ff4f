"""Where two messages differ, field by field, and which of the differences are intended.

In: two messages, or two recordings. Out: `Difference`s; the intended ones are the rows of
docs/differences-from-flytekit.md, whose tables are read by `listed_rows`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fledge import idl
from tests.parity.recording import Recording, parse

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = ["DOCUMENT", "Difference", "Row", "compare", "listed_rows"]

DOCUMENT = Path(__file__).parents[2] / "docs" / "differences-from-flytekit.md"
ROW = re.compile(
    r"^\| `(?P<id>[a-z0-9-]+)` \| (?P<where>(?:`[^`|]+`(?:<br>)?)+) \| (?P<programs>(?:`[^`|]+`(?:<br>)?)+) \|"
)
MISSING = "nothing"


@dataclass(frozen=True)
class Difference:
    """One place where a program is not the same under both SDKs."""

    program: str
    where: str
    theirs: str
    ours: str

    def __str__(self) -> str:
        return f"{self.program} {self.where}\n    flytekit: {self.theirs:.300}\n    fledge:   {self.ours:.300}"


@dataclass(frozen=True)
class Row:
    """One intended difference: patterns of places and of programs."""

    id: str
    where: tuple[str, ...]
    programs: tuple[str, ...]

    def matches(self, difference: Difference) -> bool:
        return any(fnmatchcase(difference.where, pattern) for pattern in self.where) and any(
            fnmatchcase(difference.program, pattern) for pattern in self.programs
        )


def listed_rows() -> list[Row]:
    """The intended differences, in the order of the document."""
    found = []
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        match = ROW.match(line)
        if match:
            where, programs = (tuple(re.findall(r"`([^`]+)`", match[name])) for name in ("where", "programs"))
            found.append(Row(match["id"], where, programs))
    return found


def compare(program: str, theirs: Recording, ours: Recording) -> list[Difference]:
    """Every difference between two recordings of one program, listed or not."""
    found = []
    for place in sorted(theirs.messages.keys() | ours.messages.keys()):
        if place not in theirs.messages or place not in ours.messages:
            sides = ("a message" if place in one.messages else MISSING for one in (theirs, ours))
            found.append(Difference(program, place, *sides))
        elif theirs.messages[place] != ours.messages[place]:
            messages = parse(place, theirs.messages[place]), parse(place, ours.messages[place])
            inner = [Difference(program, *one) for one in _walk(*messages, place)]
            found += inner or [Difference(program, f"{place}.bytes", "the same fields", "in other bytes")]
    for place in sorted(theirs.values.keys() | ours.values.keys()):
        told = tuple(one.values.get(place, MISSING) for one in (theirs, ours))
        if told[0] != told[1]:
            found.append(Difference(program, place, *told))
    return found


def _walk(theirs: Message, ours: Message, where: str) -> Iterator[tuple[str, str, str]]:
    """(place, theirs, ours) of every field that is not the same; a field that is set and empty is not a missing one."""
    mine, other = ({descriptor.name: value for descriptor, value in one.ListFields()} for one in (ours, theirs))
    for name in sorted(mine.keys() | other.keys()):
        at = f"{where}.{name}"
        if name not in mine or name not in other:
            yield at, _text(other.get(name, MISSING)), _text(mine.get(name, MISSING))
        else:
            yield from _walk_values(other[name], mine[name], at)


def _walk_values(theirs: Any, ours: Any, where: str) -> Iterator[tuple[str, str, str]]:  # Any: a field's value
    if hasattr(theirs, "ListFields"):
        yield from _walk(theirs, ours, where)
    elif hasattr(theirs, "keys"):
        for key in sorted(theirs.keys() | ours.keys()):
            if key not in theirs or key not in ours:
                told = [_text(one[key]) if key in one else MISSING for one in (theirs, ours)]
                yield f"{where}.{key}", told[0], told[1]
            else:
                yield from _walk_values(theirs[key], ours[key], f"{where}.{key}")
    elif hasattr(theirs, "append") and len(theirs) == len(ours):
        for number, (one, other) in enumerate(zip(theirs, ours, strict=True)):
            yield from _walk_values(one, other, f"{where}.{number}")
    elif theirs != ours:
        yield where, _text(theirs), _text(ours)


def _text(value: Any) -> str:  # Any: a field's value
    if value is MISSING:
        return MISSING
    if hasattr(value, "DESCRIPTOR"):
        return str(idl.json_format.MessageToDict(value)) if value.ByteSize() else "an empty message"
    if hasattr(value, "keys"):
        return str({key: _text(value[key]) for key in sorted(value)})
    return str([_text(one) for one in value]) if hasattr(value, "append") else repr(value)
