"""Fragments of the changelog: named by kind, and written so that whoever upgrades sees which package they are about."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.repo.repository import PACKAGES, ROOT

FRAGMENTS = [file for file in sorted((ROOT / "changelog.d").iterdir()) if file.name != "README.md"]
NAME = re.compile(r"(?:\d+|\+[a-z0-9-]+)\.(?:added|changed|fixed|removed)\.md")


@pytest.mark.parametrize("file", FRAGMENTS, ids=lambda file: file.name)
def test_a_fragment_is_well_formed(file: Path) -> None:
    assert NAME.fullmatch(file.name)
    text = file.read_text(encoding="utf-8")
    about = re.match(r"`([a-z-]+)`: \S", text)
    assert about, "a fragment starts with its package: `fledge-sql`: ..."
    assert about[1] in {package.distribution for package in PACKAGES}
    assert text.rstrip().endswith("."), "a fragment is a sentence"


def test_what_is_not_released_yet_has_a_fragment() -> None:
    version = re.search(
        r'"(.+)"', (ROOT / "core/src/fledge/_version.py").read_text(encoding="utf-8").split("__version__")[1]
    )
    assert version
    released = f"## {version[1]} (" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert released or FRAGMENTS
