"""The examples of docs/sql.md and of the package's README run as they stand there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent
DOCS = PACKAGE.parent / "docs" / "sql.md"


def program(path: Path) -> str:
    return "\n".join(re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), flags=re.DOTALL))


def run(path: Path, folder: Path) -> str:
    script = folder / "examples.py"
    script.write_text(program(path), encoding="utf-8")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not DOCS.exists(), reason="the package's sdist has no docs folder")
def test_the_examples_of_the_documentation_run(tmp_path: Path) -> None:
    run(DOCS, tmp_path)


def test_the_example_of_the_readme_prints_what_is_said_there(tmp_path: Path) -> None:
    shown = "\n".join(
        re.findall(r"^    (.*)$", (PACKAGE / "README.md").read_text().split("```")[2], flags=re.MULTILINE)
    )
    assert run(PACKAGE / "README.md", tmp_path).rstrip() == shown.rstrip()
