"""What the tests of the repository know about it: its packages, its tracked files, and how to ask a fresh Python."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PACKAGES", "ROOT", "Package", "ask_python", "python_files", "tracked_files"]

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Package:
    """One distribution: its name on an index, and its folder."""

    distribution: str
    folder: Path

    @property
    def module(self) -> str:
        """The module it installs."""
        return self.distribution.replace("-", "_")

    @property
    def source(self) -> Path:
        """The folder of the installed module, as it stands in the repository."""
        return self.folder / "src" / self.module

    def modules(self) -> Iterator[tuple[str, Path]]:
        """Every module's dotted name and file."""
        for file in sorted(self.source.rglob("*.py")):
            parts = file.relative_to(self.folder / "src").with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), file

    def __str__(self) -> str:
        return self.distribution


def tracked_files(*suffixes: str) -> list[Path]:
    """The files that git tracks, of these suffixes or all of them, as they stand in the work tree."""
    told = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = [ROOT / name for name in told.split("\0") if name]
    return [file for file in files if file.is_file() and (not suffixes or file.suffix in suffixes)]


def packages() -> Iterator[Package]:
    """Every package of the repository, the core first."""
    files = [
        file for file in tracked_files(".toml") if file.name == "pyproject.toml" and ROOT / "tests" not in file.parents
    ]
    for file in sorted(files, key=lambda file: (file.parent != ROOT / "core", file)):
        found = re.search(r'^\[project\]\nname = "([\w-]+)"$', file.read_text(encoding="utf-8"), flags=re.MULTILINE)
        if found:
            yield Package(found[1], file.parent)


PACKAGES = tuple(packages())


def python_files() -> list[Path]:
    """Every tracked Python file."""
    return tracked_files(".py")


def ask_python(code: str, *, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> str:
    """Run `code` in a fresh Python of this environment and return what it prints; a failure shows its error output."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False, env=env, cwd=cwd
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
