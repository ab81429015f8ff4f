"""docs/environment.md lists exactly the variables that the code reads."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCES = [*ROOT.glob("core/src/**/*.py"), *ROOT.glob("plugins*/src/**/*.py"), *ROOT.glob("plugins/*/src/**/*.py")]


def test_the_table_lists_the_variables_that_local_config_reads() -> None:
    settings = (ROOT / "core/src/fledge/local_config.py").read_text(encoding="utf-8")
    read = set(re.findall(r'"(FLEDGE_[A-Z_]+)"', settings))
    page = (ROOT / "docs/environment.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(FLEDGE_[A-Z_]+)`", page, re.MULTILINE)) == read


def test_no_other_module_of_the_core_reads_them() -> None:
    readers = [
        path.name
        for path in SOURCES
        if path.is_relative_to(ROOT / "core")
        and re.search(r"environ(\.get\(|\[)\W*FLEDGE_", path.read_text(encoding="utf-8"))
    ]
    assert readers == []
