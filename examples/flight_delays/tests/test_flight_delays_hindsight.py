"""What is known only after a scheduled departure tells nothing about that flight; windows are what they say."""

from __future__ import annotations

from datetime import datetime, timedelta

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import given, settings
from hypothesis import strategies as st

from examples.flight_delays.queries import airport_states, clean_weather, features, previous_legs
from examples.flight_delays.tests.conftest import Prepared

MINUTES = st.integers(min_value=0, max_value=2 * 24 * 60).map(lambda minute: timedelta(minutes=minute))
STARTS = st.sampled_from(
    [
        datetime.fromisoformat("2013-03-09 10:00"),
        datetime.fromisoformat("2013-11-02 09:00"),
        datetime.fromisoformat("2013-12-31 10:00"),
    ]
)


def sql(query: str, **tables: pa.Table) -> pa.Table:
    """DuckDB itself, for what the tests compare with."""
    with duckdb.connect() as connection:
        for name, table in tables.items():
            connection.register(name, table)
        return connection.sql(query).to_arrow_table()


def as_known_at(moment: datetime, flights: pa.Table) -> pa.Table:
    """The flights without any event of this minute or later: what nobody can have told by then."""
    return sql(
        f"""
        select * replace (
            if(dep_at < '{moment}', dep_at, null) as dep_at, if(dep_at < '{moment}', dep_delay, null) as dep_delay,
            if(arr_at < '{moment}', arr_at, null) as arr_at, if(arr_at < '{moment}', arr_delay, null) as arr_delay
        ) from flights order by flight_id
        """,
        flights=flights,
    )


def until(moment: datetime, table: pa.Table, flights: pa.Table) -> list[dict[str, object]]:
    """The rows of flights that are scheduled to leave by this minute."""
    rows: list[dict[str, object]] = sql(
        f"""
        select * from t
        where flight_id in (select flight_id from f where sched_dep_at <= '{moment}')
        order by flight_id
        """,
        t=table,
        f=flights,
    ).to_pylist()
    return rows


@settings(max_examples=8)
@given(start=STARTS, after=MINUTES)
def test_what_happens_later_changes_nothing_about_flights_scheduled_until_now(
    sample: Prepared, start: datetime, after: timedelta
) -> None:
    now = start + after
    flights = as_known_at(now, sample.flights)
    legs, states = previous_legs(flights=flights), airport_states(flights=flights)
    assert until(now, legs, sample.flights) == until(now, sample.legs, sample.flights)
    assert until(now, states, sample.flights) == until(now, sample.states, sample.flights)
    seen = sample.raw.weather.filter(pc.field("time_hour") < f"{now:%Y-%m-%dT%H}")  # this hour's row is not written yet
    known = features(
        flights=sample.flights,  # for their outcomes; what is known of them comes from the tables beside it
        weather=clean_weather(weather=seen),
        planes=sample.raw.planes,
        previous_legs=legs,
        airport_states=states,
    )
    assert until(now, known, sample.flights) == until(now, sample.features, sample.flights)


def test_no_flight_is_part_of_its_own_window_even_when_it_leaves_early(sample: Prepared) -> None:
    """Alone in the world, no flight has a departure or a landing to tell of; most of them leave before their time."""
    first = sample.flights.slice(0, 1).to_pylist()[0]
    early = pa.Table.from_pylist([{**first, "dep_delay": -9, "dep_at": first["sched_dep_at"] - timedelta(minutes=9)}])
    (state,) = airport_states(flights=early.cast(sample.flights.schema)).to_pylist()
    numbers = {name: value for name, value in state.items() if value is not None and name != "flight_id"}
    assert numbers == {"airport_waiting": 1, "carrier_waiting": 1, "destination_waiting": 1}
    assert pc.sum(pc.less(sample.flights["dep_delay"], 0)).as_py() == 3191


def test_the_windows_equal_a_join_of_every_flight_with_the_events_before_it(sample: Prepared) -> None:
    joined = sql(
        """
        select
            f.flight_id,
            avg(e.dep_delay) filter (where e.origin = f.origin) as airport_delay,
            avg((e.dep_delay > 15)::integer) filter (where e.origin = f.origin) as airport_late_share,
            avg(e.dep_delay) filter (
                where e.origin = f.origin and e.known_at >= f.sched_dep_at - interval 30 minutes
            ) as airport_delay_just_now,
            avg(e.dep_delay) filter (where e.origin = f.origin and e.carrier = f.carrier) as carrier_delay,
            avg(e.dep_delay) filter (where e.dest = f.dest) as destination_delay
        from flights f
        left join (
            select *, greatest(dep_at, sched_dep_at) + interval 1 minute as known_at
            from flights
            where dep_at is not null
        ) e on e.known_at between f.sched_dep_at - interval 2 hours and f.sched_dep_at
        group by f.flight_id
        order by f.flight_id
        """,
        flights=sample.flights,
    )
    assert sample.states.select(joined.column_names).to_pylist() == joined.to_pylist()


def test_the_previous_leg_is_told_as_far_as_it_was_known(sample: Prepared) -> None:
    """One aircraft, four legs: the first has landed, the second has only left, the third waits when the next is due."""
    due = datetime.fromisoformat("2013-03-09 12:00")
    rows = sample.flights.slice(0, 4).to_pylist()
    plan = [  # minutes after the first leg is due: due, left, landed
        (0, 5, 100),
        (240, 300, 500),
        (480, 700, 900),
        (600, 600, 800),
    ]
    for number, (row, (scheduled, left, landed)) in enumerate(zip(rows, plan, strict=True), start=1):
        at = due + timedelta(minutes=scheduled)
        row |= {"flight_id": number, "tailnum": "N1", "sched_dep_at": at, "sched_arr_at": at + timedelta(minutes=90)}
        row |= {"dep_at": due + timedelta(minutes=left), "dep_delay": left - scheduled}
        row |= {"arr_at": due + timedelta(minutes=landed), "arr_delay": landed - scheduled - 90}
    legs = previous_legs(flights=pa.Table.from_pylist(rows, schema=sample.flights.schema)).to_pylist()
    told = [(leg["flight_id"], leg["dep_delay"], leg["arr_delay"], leg["late_minutes"]) for leg in legs]
    assert sorted(told) == [(2, 5, 10, 10), (3, 60, None, 60), (4, None, None, 120)]
    slack = {leg["flight_id"]: (leg["slack_minutes"], leg["missing_minutes"]) for leg in legs}
    assert slack == {2: (0, 10), 3: (0, 60), 4: (-120, 240)}
