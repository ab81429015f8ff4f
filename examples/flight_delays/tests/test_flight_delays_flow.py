"""The job as a workflow: on the sample it gives what the tasks give in turn, and its message reads back."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the training needs torch, which this environment does not have")

from examples.flight_delays.flow import flight_delays
from examples.flight_delays.job import TASKS, run_job
from examples.flight_delays.report import Steps
from fledge import FlyteFile, SerializationSettings, idl, workflow_spec
from fledge.serialize_flow import tasks_of


def test_the_workflow_gives_what_the_job_gives(archive: Path, tmp_path: Path) -> None:
    outcome = run_job(archive, tmp_path, Steps(), epochs=1)
    results = flight_delays(archive=FlyteFile(archive), epochs=1)
    # sums of floats: their order is the database's
    assert results.auc == pytest.approx(outcome.scores.auc)
    assert results.average_precision == pytest.approx(outcome.scores.average_precision)
    assert results.report.epochs == outcome.training.epochs
    counted = ["month", "carrier", "flights"]
    assert results.summary.select(counted) == outcome.summary.select(counted)
    assert {row["fact"]: row["rows"] for row in results.facts.to_pylist()} == outcome.facts
    assert Path(results.model.path).read_bytes() == (tmp_path / "model.pt").read_bytes()


def test_the_workflow_is_written_and_read_back_with_all_tasks_of_the_job() -> None:
    spec = workflow_spec(flight_delays, SerializationSettings(project="examples", domain="development", version="1"))
    assert idl.admin_workflow.WorkflowSpec.FromString(spec.SerializeToString(deterministic=True)) == spec
    assert {task.name for task in tasks_of(flight_delays)} == {task.name for task in TASKS}
    assert len(spec.template.nodes) == 14


def test_the_command_shows_the_template() -> None:
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-m", "fledge.cli", "template", "examples/flight_delays/flow.py:flight_delays"],
        capture_output=True,
        text=True,
        check=True,
        cwd=root,
    )
    assert json.loads(done.stdout)["id"]["name"].endswith("flow.flight_delays")
