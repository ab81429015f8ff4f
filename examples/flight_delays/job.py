"""The main job: a year of flights in; a model, its scores on unseen months and every task as Flyte sees it out."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
from pyarrow import csv

from examples.flight_delays.data import read_tables
from examples.flight_delays.queries import (
    Scores,
    airport_states,
    by_carrier_and_month,
    clean_flights,
    clean_weather,
    facts,
    features,
    previous_legs,
    score,
    split,
)
from examples.flight_delays.report import Steps
from examples.flight_delays.training import TrainingReport, predict, train
from fledge import FlyteFile, SerializationSettings, Task, idl, task_template

__all__ = ["TASKS", "Outcome", "run_job", "write_templates"]

# Every task of the job, in the order in which they run.
TASKS: tuple[Task, ...] = (
    read_tables,
    clean_flights,
    clean_weather,
    previous_legs,
    airport_states,
    features,
    facts,
    split,
    train,
    predict,
    score,
    by_carrier_and_month,
)


@dataclass(frozen=True)
class Outcome:
    """What the job found."""

    facts: dict[str, int]
    training: TrainingReport
    scores: Scores
    summary: pa.Table


def run_job(archive: Path, folder: Path, steps: Steps, epochs: int = 4) -> Outcome:
    """Run all tasks; leave the model, its scores and the templates in `folder`."""
    raw = steps.run(read_tables, archive=FlyteFile(archive))
    flights = steps.run(clean_flights, flights=raw.flights, airports=raw.airports)
    weather = steps.run(clean_weather, weather=raw.weather)
    legs = steps.run(previous_legs, flights=flights)
    states = steps.run(airport_states, flights=flights)
    known = steps.run(
        features, flights=flights, weather=weather, planes=raw.planes, previous_legs=legs, airport_states=states
    )
    counted = steps.run(facts, **raw._asdict(), cleaned=flights, observations=weather, features=known)

    training = steps.run(split, features=known, first_month=1, last_month=9)
    validation = steps.run(split, features=known, first_month=10, last_month=10)
    test = steps.run(split, features=known, first_month=11, last_month=12)

    model, report = steps.run(train, training=training, validation=validation, epochs=epochs)
    predictions = steps.run(predict, model=model, features=test)
    scores = steps.run(score, predictions=predictions)
    summary = steps.run(by_carrier_and_month, predictions=predictions)

    outcome = Outcome({row["fact"]: row["rows"] for row in counted.to_pylist()}, report, scores, summary)
    shutil.copyfile(model.path, folder / "model.pt")
    csv.write_csv(summary, folder / "by_carrier_and_month.csv")
    told = {"test": scores._asdict(), "training": asdict(report), "facts": outcome.facts}
    (folder / "metrics.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    return outcome


def write_templates(folder: Path) -> int:
    """Write each task as the message that Flyte's backend reads, and read the bytes back; returns how many bytes."""
    folder.mkdir()
    settings = SerializationSettings(project="examples", domain="development", version="1")
    written = 0
    for one in TASKS:
        template = task_template(one, settings)
        file = folder / f"{one.name.rpartition('.')[2]}.pb"
        file.write_bytes(template.SerializeToString(deterministic=True))
        if idl.tasks.TaskTemplate.FromString(file.read_bytes()) != template:
            raise RuntimeError(f"{file} does not read back as the template of {one.name}")
        written += file.stat().st_size
    return written
