"""What is in the repository: nothing of one machine, no loose ends, live links, a reason beside every exception."""

from __future__ import annotations

import re
import tokenize
from pathlib import Path

import pytest

from tests.repo.repository import ROOT, python_files, tracked_files

# In pieces, so that this file does not hold what it forbids.
FORBIDDEN = {
    "a path of one machine": re.compile(
        r"/(?:wo" + r"rk|root|home/\w+|Users/\w+)/\w|/tm" + r"p/w\b|/opt/(?:py" + r"pi|wheels)"
    ),
    "the host of a package index": re.compile(r"(?:py" + r"pi|pythonho" + r"sted)\.org"),
    "a loose end": re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b"),
    "a conflict marker": re.compile(r"^(?:<{7}|>{7}) ", re.MULTILINE),
}
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
EXCEPTION = re.compile(r"#\s*(?:noqa(?::\s*[A-Z0-9, ]+)?|type:\s*ignore(?:\[[\w, -]+\])?)")

WITH_CODE = re.compile(r"#\s*(?:noqa:\s*[A-Z0-9, ]+|type:\s*ignore\[[\w, -]+\])")


def text_of(file: Path) -> str:
    """The text of a file, or nothing for data that is no text."""
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def relative(file: Path) -> str:
    return str(file.relative_to(ROOT))


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_tracked_file_holds(what: str) -> None:
    found = []
    for file in tracked_files():
        found += [f"{relative(file)}: {match.group()!r}" for match in FORBIDDEN[what].finditer(text_of(file))]
    assert found == []


def test_links_between_documents_lead_to_files() -> None:
    dead = []
    for file in tracked_files(".md"):
        for target in LINK.findall(file.read_text(encoding="utf-8")):
            path = target.partition("#")[0]
            if path and "://" not in path and not (file.parent / path).exists():
                dead.append(f"{relative(file)} -> {target}")
    assert dead == []


@pytest.mark.parametrize("file", python_files(), ids=relative)
def test_an_ignored_rule_has_its_code_and_its_reason_on_the_line(file: Path) -> None:
    unexplained = []
    with tokenize.open(file) as lines:
        for token in tokenize.generate_tokens(lines.readline):
            if token.type == tokenize.COMMENT and EXCEPTION.search(token.string):
                has_code = all(WITH_CODE.fullmatch(one) for one in EXCEPTION.findall(token.string))
                reason = re.sub(r"[\W_]+", " ", EXCEPTION.sub("", token.string)).strip()
                if not has_code or len(reason) < len("wrong"):
                    unexplained.append(f"{token.start[0]}: {token.string}")
    assert unexplained == []
