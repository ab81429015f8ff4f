"""The harness measures what it is told to, names who fails, and its scenarios are well-formed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.harness import load_module, load_scenario, measure, table
from tests.repo.repository import ROOT

SCENARIOS = sorted((ROOT / "benchmarks/scenarios").glob("*.py"))
TINY = '''"""Sums."""
TARGET = 2.0

def floor():
    return lambda: sum(range(10))

def fledge():
    return lambda: sum(range(10_000))

def flytekit():
    raise RuntimeError("not today")
'''


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, float | None], dict[str, str | None]]:
    file = tmp_path_factory.mktemp("bench") / "sums.py"
    file.write_text(TINY)
    scenario = load_scenario(file)
    results = measure(scenario, dict.fromkeys(("floor", "fledge", "flytekit"), sys.executable), rounds=1, counted=())
    medians = {name: one.median_s for name, one in results.items()}
    return table({scenario: results}), medians, {name: one.error for name, one in results.items()}


def test_more_work_takes_more_time(measured: tuple[str, dict[str, float], dict[str, str | None]]) -> None:
    _, medians, _ = measured
    assert medians["fledge"] > 100 * medians["floor"] > 0


def test_a_failing_contestant_is_named_and_the_others_are_measured(
    measured: tuple[str, dict[str, float | None], dict[str, str | None]],
) -> None:
    text, medians, errors = measured
    assert medians["flytekit"] is None
    assert "not today" in (errors["flytekit"] or "")
    assert "failed" in text.splitlines()[2]
    assert text.splitlines()[2].startswith("| Sums ")


@pytest.mark.parametrize("file", SCENARIOS, ids=lambda file: file.stem)
def test_a_scenario_has_a_floor_ours_and_a_target(file: Path) -> None:
    scenario = load_scenario(file)
    assert {"floor", "fledge"} <= set(scenario.contestants)
    assert scenario.targets


@pytest.mark.parametrize(
    "file", [file for file in SCENARIOS if "\ndef flytekit" in file.read_text()], ids=lambda file: file.stem
)
def test_a_floor_gives_what_ours_gives(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A floor that does less work than ours would flatter nobody but its author."""
    monkeypatch.chdir(tmp_path)
    module = load_module(file)
    floor, ours = module.floor()(), module.fledge()()
    assert getattr(ours, "__dict__", ours) == getattr(floor, "__dict__", floor)  # each has a dataclass of its own
