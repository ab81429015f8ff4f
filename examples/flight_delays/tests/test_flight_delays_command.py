"""The main job as a command: what it prints, what it leaves, and that its progress is in nobody's way."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the training needs torch, which this environment does not have")

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_the_command_leaves_a_model_pages_and_templates(archive: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "examples.flight_delays", "--archive", str(archive), "--runs", str(tmp_path)]
    done = subprocess.run(
        [*command, "--epochs", "1", "--progress", "plain"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    (folder,) = tmp_path.iterdir()
    assert (folder / "model.pt").stat().st_size > 0
    pages = {page.stem: page.read_text(encoding="utf-8") for page in folder.glob("pages/*.html")}
    assert sorted(pages) == ["by_carrier_and_month", "features", "score", "train"]
    assert re.search("<h2>Ranks</h2>.+<td>returned</td>", pages["train"], re.DOTALL)
    assert re.search("<h2>Query Plan</h2>.+JOIN", pages["features"], re.DOTALL)
    lines = [re.sub(r"after [\d.]+ s", "after s", line) for line in done.stderr.splitlines()]
    assert "query examples.flight_delays.queries.features: finished after s" in lines
    assert "ranks of examples.flight_delays.training.train: 4 ranks, finished after s" in lines
    assert "finished after" not in done.stdout
    assert f"pages      {folder / 'pages'}: by_carrier_and_month.html" in done.stdout
