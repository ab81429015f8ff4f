"""A plugin from outside the tree: its wheel is built and installed, and its own tests run against it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parent / "plugin-example"


def run(*command: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    done = subprocess.run(
        command, env={**os.environ, **(env or {})}, cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds what the example's wheel installs."""
    folder = tmp_path_factory.mktemp("example")
    wheels, target = folder / "wheels", folder / "site"
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels), str(EXAMPLE))
    (wheel,) = wheels.glob("*.whl")
    run(*pip, "install", "--no-deps", "--target", str(target), str(wheel))
    return target


def test_the_installed_plugin_is_found_and_loaded(installed: Path) -> None:
    shown = run(sys.executable, "-m", "fledge.cli", "plugins", "--json", env={"PYTHONPATH": str(installed)})
    (row,) = [row for row in json.loads(shown) if row["name"] == "example"]
    assert row["state"] == "loaded", row["error"]
    assert len(row["hooks"]) == 11


def test_its_own_tests_and_contract_suites_pass(installed: Path, tmp_path: Path) -> None:
    env = {"PYTHONPATH": str(installed)}
    shown = run(
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(EXAMPLE)),
        *("-W", "error", "-c", os.devnull, "--import-mode=importlib", str(EXAMPLE / "tests")),
        env=env,
        cwd=tmp_path,
    )
    assert " passed" in shown


def test_the_installed_plugin_costs_import_fledge_nothing(installed: Path) -> None:
    code = "import sys, fledge; print(sorted(name for name in sys.modules if name.startswith('fledge')))"
    assert run(sys.executable, "-c", code, env={"PYTHONPATH": str(installed)}) == "['fledge', 'fledge._version']\n"


def test_a_broken_neighbour_leaves_the_rest_working(installed: Path, tmp_path: Path) -> None:
    """One plugin fails to import, one changes the environment: both are quarantined with their cause."""
    for name, body in {
        "broken": "raise OSError('no such library')",
        "meddler": "import os; os.environ['X'] = '1'",
    }.items():
        (tmp_path / f"{name}_hooks.py").write_text(f"HOOK_API = 1\n{body}\n")
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[fledge]\n{name} = {name}_hooks\n")
    path = os.pathsep.join([str(installed), str(tmp_path)])
    shown = run(sys.executable, "-m", "fledge.cli", "plugins", "--json", env={"PYTHONPATH": path})
    rows = {row["name"]: row for row in json.loads(shown)}
    assert rows["example"]["state"] == "loaded"
    assert rows["broken"]["state"] == rows["meddler"]["state"] == "quarantined"
    assert "OSError: no such library" in rows["broken"]["error"]
    assert "changed the environment" in rows["meddler"]["error"]


def test_doctor_names_the_broken_plugin_and_the_way_out(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "broken_hooks.py").write_text("import a_library_that_is_not_there\n")
    info = tmp_path / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[fledge]\nbroken = broken_hooks\n")
    path = os.pathsep.join([str(installed), str(tmp_path)])
    done = subprocess.run(
        [sys.executable, "-m", "fledge.cli", "doctor", "--json"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    report = json.loads(done.stdout)
    (finding,) = [finding for finding in report["findings"] if "broken" in finding["about"]]
    assert "a_library_that_is_not_there" in finding["problem"]
    assert "FLEDGE_DISABLE_PLUGINS=broken" in finding["way_out"]
    prices = {price["plugin"]: price for price in report["plugins"]}
    assert prices["example"]["load_ms"] is not None
    assert prices["broken"]["load_ms"] is None
