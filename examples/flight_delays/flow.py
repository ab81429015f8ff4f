"""The main job as a workflow: the same tasks as `job.py`, as one static graph that Flyte runs as it stands.

`fledge template examples/flight_delays/flow.py:flight_delays` shows what Flyte reads.
"""

from __future__ import annotations

from typing import NamedTuple

import pyarrow as pa

from examples.flight_delays.data import read_tables
from examples.flight_delays.queries import (
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
from examples.flight_delays.training import TrainingReport, predict, train
from fledge import FlyteFile, workflow

__all__ = ["Results", "flight_delays"]


class Results(NamedTuple):
    """What the workflow gives; the scores are those of `queries.Scores`."""

    model: FlyteFile
    report: TrainingReport
    auc: float
    average_precision: float
    summary: pa.Table
    facts: pa.Table


@workflow
def flight_delays(archive: FlyteFile, epochs: int = 4) -> Results:
    """Will this flight arrive late? Train on January to September, score November and December."""
    raw = read_tables(archive=archive)
    flights = clean_flights(flights=raw.flights, airports=raw.airports)
    weather = clean_weather(weather=raw.weather)
    known = features(
        flights=flights,
        weather=weather,
        planes=raw.planes,
        previous_legs=previous_legs(flights=flights),
        airport_states=airport_states(flights=flights),
    )
    counted = facts(
        flights=raw.flights,
        weather=raw.weather,
        planes=raw.planes,
        airports=raw.airports,
        cleaned=flights,
        observations=weather,
        features=known,
    )
    model, report = train(
        training=split(features=known, first_month=1, last_month=9),
        validation=split(features=known, first_month=10, last_month=10),
        epochs=epochs,
    )
    test = split(features=known, first_month=11, last_month=12)
    predictions = predict(model=model, features=test)
    scores = score(predictions=predictions)
    return Results(
        model, report, scores.auc, scores.average_precision, by_carrier_and_month(predictions=predictions), counted
    )
