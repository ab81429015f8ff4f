"""All flights of 2013, where the demo has cached them: the exact counts, and the targets of the model."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the training needs torch, which this environment does not have")

from examples.flight_delays.data import archive_path, is_genuine
from examples.flight_delays.job import run_job
from examples.flight_delays.report import Steps

IN_2013 = {
    "flights": 336776,
    "flights_cancelled": 8255,
    "flights_that_landed_elsewhere": 1175,
    "flights_without_tail_number": 2512,
    "flights_by_unlisted_planes": 52606,
    "flights_to_unlisted_airports": 7602,
    "departures_at_2400": 29,
    "arrivals_at_2400": 150,
    "departures_of_another_day_in_utc": 38444,
    "departures_after_midnight": 1236,
    "arrivals_after_midnight": 10553,
    "arrivals_at_a_time_that_never_was": 1,
    "arrivals_at_a_time_that_came_twice": 1,
    "weather_hours": 26115,
    "weather_hours_told_twice_by_the_clock": 3,
    "weather_hours_without_wind": 4,
    "weather_hours_with_an_impossible_wind": 1,
    "weather_hours_missing": 75,
    "planes": 3322,
    "planes_of_unknown_age": 70,
    "flights_with_an_outcome": 327346,
    "flights_late": 77630,
    "outcomes_without_weather_before": 799,
    "outcomes_of_unlisted_planes": 48329,
    "outcomes_without_a_previous_leg": 167930,
}


@pytest.mark.slow
@pytest.mark.skipif(
    not is_genuine(archive_path()), reason=f"all flights of 2013 are not cached; the demo puts them at {archive_path()}"
)
def test_all_of_2013_has_the_known_oddities_and_the_model_reaches_its_targets(tmp_path: Path) -> None:
    outcome = run_job(archive_path(), tmp_path, Steps(io.StringIO()))
    assert outcome.facts == IN_2013
    assert outcome.scores.flights == 53_991
    assert outcome.scores.auc >= 0.77
    assert outcome.scores.average_precision >= 0.6
    assert outcome.scores.brier <= 0.15
