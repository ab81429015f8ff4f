"""The benchmark of ranks measures what its table says."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from benchmarks.scenarios.distributed import measure

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="PyTorch is not installed: pip install torch"
)


@needs_torch
@pytest.mark.slow
def test_one_run_of_the_program_gives_every_number(tmp_path: Path) -> None:
    numbers = measure.program("ranks_fledge")(1, tmp_path)
    assert set(numbers) == set(measure.UNITS)
    assert all(value > 0 for value in numbers.values())
    assert numbers[measure.WARM] < numbers[measure.START]


def test_a_target_is_a_number_or_a_multiple_of_the_import() -> None:
    assert measure.target(measure.START, 8, {"import torch": 2.0}) == 2.5
    assert measure.target(measure.WARM, 2, {}) == 0.1
    assert measure.target(measure.WARM, 4, {}) is None
    assert measure.target(measure.LATENCY, 1, {}) == 0.05
    assert measure.target(measure.CPU, 8, {"import torch": 2.0}) == 4.0
    assert measure.target(measure.CPU, 4, {"import torch": 2.0}) is None


def test_a_contestant_that_fails_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="no_such_module"):
        measure.program("no_such_module")(1, Path())
