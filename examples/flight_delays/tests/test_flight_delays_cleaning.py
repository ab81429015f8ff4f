"""What is odd about the data, met on purpose: exact counts on the committed sample."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from examples.flight_delays.queries import airport_states, clean_flights, clean_weather, facts, split
from examples.flight_delays.tests.conftest import Prepared
from fledge_sql import QueryError

IN_THE_SAMPLE = {
    "flights": 5013,
    "flights_cancelled": 43,
    "flights_that_landed_elsewhere": 11,
    "flights_without_tail_number": 20,
    "flights_by_unlisted_planes": 734,
    "flights_to_unlisted_airports": 129,
    "departures_at_2400": 1,
    "arrivals_at_2400": 2,
    "departures_of_another_day_in_utc": 583,
    "departures_after_midnight": 10,
    "arrivals_after_midnight": 109,
    "arrivals_at_a_time_that_never_was": 1,
    "arrivals_at_a_time_that_came_twice": 1,
    "weather_hours": 346,
    "weather_hours_told_twice_by_the_clock": 3,
    "weather_hours_without_wind": 0,
    "weather_hours_with_an_impossible_wind": 1,
    "weather_hours_missing": 17531,  # from 12 February to 3 November: most hours are of days that are not in the sample
    "planes": 1766,
    "planes_of_unknown_age": 30,
    "flights_with_an_outcome": 4959,
    "flights_late": 724,
    "outcomes_without_weather_before": 762,
    "outcomes_of_unlisted_planes": 709,
    "outcomes_without_a_previous_leg": 3466,
}


def counted(prepared: Prepared) -> dict[str, int]:
    table = facts(
        **prepared.raw._asdict(),
        cleaned=prepared.flights,
        observations=prepared.weather,
        features=prepared.features,
    )
    return {row["fact"]: row["rows"] for row in table.to_pylist()}


def flight(prepared: Prepared, carrier: str, number: int, month: int, day: int) -> dict[str, Any]:  # Any: cells
    wanted = (
        (pc.field("carrier") == carrier)
        & (pc.field("flight") == number)
        & (pc.field("month") == month)
        & (pc.field("day") == day)
    )
    (row,) = prepared.flights.filter(wanted).to_pylist()
    found: dict[str, Any] = row  # Any: cells
    return found


def test_the_oddities_of_the_sample_are_counted_exactly(sample: Prepared) -> None:
    assert counted(sample) == IN_THE_SAMPLE


def test_no_flight_is_dropped_or_doubled_before_the_features(sample: Prepared) -> None:
    assert sample.flights["flight_id"].to_pylist() == list(range(1, 5014))
    assert sample.states["flight_id"].to_pylist() == list(range(1, 5014))
    outcomes = sample.flights.filter(pc.is_valid(pc.field("arr_delay")))
    assert sample.features["flight_id"].to_pylist() == outcomes["flight_id"].to_pylist()


@pytest.mark.parametrize("column", ["dep_delay", "arr_time", "arr_delay"])
def test_text_that_is_neither_a_number_nor_na_stops_the_query(sample: Prepared, column: str) -> None:
    row = sample.raw.flights.slice(0, 1)
    odd = row.set_column(row.column_names.index(column), column, pa.array(["unknown"]))
    with pytest.raises(QueryError, match="unknown"):
        clean_flights(flights=odd, airports=sample.raw.airports)


def test_a_destination_without_a_time_zone_stops_the_query(sample: Prepared) -> None:
    unlisted = sample.raw.airports.filter(pc.field("faa") != "LAX")
    with pytest.raises(QueryError, match="no time zone is known for LAX"):
        clean_flights(flights=sample.raw.flights, airports=unlisted)


def test_hours_are_local_and_instants_are_utc(sample: Prepared) -> None:
    """6:00 in New York is 11:00 UTC in winter and 10:00 in summer."""
    winter, summer = flight(sample, "AA", 301, 3, 9), flight(sample, "DL", 563, 10, 30)
    assert (winter["sched_dep_minute"], winter["sched_dep_at"]) == (360, datetime.fromisoformat("2013-03-09 11:00"))
    assert (summer["sched_dep_minute"], summer["sched_dep_at"]) == (360, datetime.fromisoformat("2013-10-30 10:00"))


def test_a_delay_is_exact_over_the_change_of_clocks_in_march(sample: Prepared) -> None:
    """Due at 0:34, landed 89 minutes later: at 3:03, an hour that the published clock of 2:03 has missed."""
    late = flight(sample, "B6", 35, 3, 9)
    assert (late["arr_clock"], late["arr_delay"]) == (203, 89)
    assert late["arr_at"] == datetime.fromisoformat("2013-03-10 07:03")


def test_a_delay_is_exact_over_the_change_of_clocks_in_november(sample: Prepared) -> None:
    """Due at 20:15 in Los Angeles, landed at 1:14, the first of two; the second one would be an hour later."""
    late = flight(sample, "VX", 413, 11, 2)
    assert (late["arr_clock"], late["arr_delay"]) == (114, 299)
    assert late["arr_at"] == datetime.fromisoformat("2013-11-03 08:14")


def test_a_departure_at_2400_is_midnight_of_the_next_day(sample: Prepared) -> None:
    raw = sample.raw.flights.filter(pc.field("dep_time") == "2400").to_pylist()
    assert [(row["carrier"], row["flight"], row["month"], row["day"]) for row in raw] == [("B6", "839", "10", "30")]
    assert flight(sample, "B6", 839, 10, 30)["dep_at"] == datetime.fromisoformat("2013-10-31 04:00")


def test_an_impossible_wind_is_unknown_and_a_strong_one_is_kept(sample: Prepared) -> None:
    assert max(float(wind) for wind in sample.raw.weather["wind_speed"].to_pylist()) > 1000
    strongest = pc.max(sample.weather["wind_mph"]).as_py()
    assert 20 < strongest < 60
    assert sample.weather["wind_mph"].null_count == 1
    row = sample.raw.weather.slice(0, 1)
    storm = row.set_column(row.column_names.index("wind_speed"), "wind_speed", pa.array(["253"]))
    assert clean_weather(weather=storm)["wind_mph"].to_pylist() == [253.0]


def test_cancelled_flights_have_no_features_but_wait_in_the_states_of_others(sample: Prepared) -> None:
    cancelled = set(sample.flights.filter(pc.field("dep_delay").is_null())["flight_id"].to_pylist())
    assert len(cancelled) == 43
    assert not cancelled & set(sample.features["flight_id"].to_pylist())
    without = airport_waiting(sample.flights.filter(pc.field("dep_delay").is_valid()))
    assert sum(airport_waiting(sample.flights).values()) > sum(without.values())


def airport_waiting(flights: pa.Table) -> dict[int, int]:
    states = airport_states(flights=flights)
    return dict(zip(states["flight_id"].to_pylist(), states["airport_waiting"].to_pylist(), strict=True))


def test_the_year_of_a_plane_is_the_one_it_was_built_in(sample: Prepared) -> None:
    ages = sample.features["plane_age"]
    assert (pc.min(ages).as_py(), pc.max(ages).as_py()) == (0, 54)
    built = dict(zip(sample.raw.planes["tailnum"].to_pylist(), sample.raw.planes["year"].to_pylist(), strict=True))
    tails = dict(zip(sample.flights["flight_id"].to_pylist(), sample.flights["tailnum"].to_pylist(), strict=True))
    expected = [
        None if built.get(tails[flight_id], "NA") == "NA" else 2013 - int(built[tails[flight_id]])
        for flight_id in sample.features["flight_id"].to_pylist()
    ]
    assert ages.to_pylist() == expected


@pytest.mark.parametrize(
    ("first", "last", "rows"), [(1, 9, 1654), (10, 10, 969), (11, 12, 2336)], ids=["train", "validate", "test"]
)
def test_the_split_is_in_time_and_by_the_month_of_the_local_clock(
    sample: Prepared, first: int, last: int, rows: int
) -> None:
    part = split(features=sample.features, first_month=first, last_month=last)
    assert part.num_rows == rows
    assert set(part["month"].to_pylist()) <= set(range(first, last + 1))
