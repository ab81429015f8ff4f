"""Every package is complete, of one version, and asks for no more than it says; the core alone stays small."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

from fledge._version import __version__
from tests.repo.repository import PACKAGES, ROOT, Package

CORE_DEPENDENCIES = {"click", "flyteidl", "msgspec", "pluggy", "protobuf"}
MAX_DISTRIBUTIONS = 8
MAX_BYTES = 6_000_000


def requirement_names(name: str) -> set[str]:
    """What a distribution requires when no extra is asked for."""
    requires = distribution(name).requires or []
    return {re.split(r"[\s<>=!~;\[(]", line)[0] for line in requires if "extra ==" not in line}


@pytest.mark.parametrize("package", PACKAGES, ids=str)
def test_a_package_has_its_licence_its_readme_and_its_types(package: Package) -> None:
    assert (package.folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert (package.source / "py.typed").is_file()
    readme = (package.folder / "README.md").read_text(encoding="utf-8")
    assert readme.startswith(f"# {package.distribution}\n")
    assert "```python" in readme, "a package's README shows one example"


@pytest.mark.parametrize("package", PACKAGES, ids=str)
def test_all_packages_carry_one_version(package: Package) -> None:
    assert distribution(package.distribution).version == __version__


@pytest.mark.parametrize("package", PACKAGES[1:], ids=str)
def test_a_plugin_declares_its_entry_point_and_the_core_without_a_version(package: Package) -> None:
    """Plugins depend on the number of the hook API, not on an exact core."""
    assert "fledge" in (distribution(package.distribution).requires or [])
    entries = distribution(package.distribution).entry_points.select(group="fledge")
    assert [entry.value for entry in entries] == [f"{package.module}.hooks"]


@pytest.mark.parametrize("package", PACKAGES, ids=str)
def test_a_package_is_known_to_the_tools_of_the_root(package: Package) -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    listed = {key: value.split(", ") for key, value in re.findall(r"^(\w+) = \[(.*)\]$", text, flags=re.MULTILINE)}
    assert f'"{(package.folder / "src").relative_to(ROOT).as_posix()}"' in listed["mypy_path"]
    assert f'"{package.module}"' in listed["root_packages"]


def test_the_core_depends_on_exactly_five_distributions() -> None:
    assert requirement_names("fledge") == CORE_DEPENDENCIES


@pytest.mark.slow
def test_the_core_alone_is_small(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "alone")], check=True)
    python = tmp_path / "alone" / "bin" / "python"
    pip = [str(python), "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", "--no-compile", str(ROOT / "core")], check=True, capture_output=True)
    told = subprocess.run([*pip, "list", "--format=json"], check=True, capture_output=True, text=True).stdout
    installed = {one["name"].lower() for one in json.loads(told)} - {"pip", "setuptools", "wheel"}
    assert {"fledge", *CORE_DEPENDENCIES} <= installed
    assert len(installed) <= MAX_DISTRIBUTIONS, sorted(installed)
    assert installed_bytes(python, sorted(installed)) <= MAX_BYTES
    told = subprocess.run(
        [str(python.with_name("fledge")), "plugins"], check=True, capture_output=True, text=True
    ).stdout
    assert "fledge_sql" not in told


def installed_bytes(python: Path, names: list[str]) -> int:
    """Size on disk of some distributions, without byte code."""
    ask = (
        "import sys; from importlib.metadata import files; print(sum(path.locate().stat().st_size"
        " for name in sys.argv[1:] for path in files(name) if path.suffix != '.pyc'))"
    )
    done = subprocess.run([str(python), "-c", ask, *names], check=True, capture_output=True, text=True)
    return int(done.stdout)
