"""The SQL tasks of the job: each is a query in `sql/`, and a signature that says what goes in and what comes out.

A query is parsed and compared with its signature when this module is imported. Tables go from task to task as Arrow,
without a copy.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from fledge_sql import sql_task

__all__ = [
    "Scores",
    "airport_states",
    "by_carrier_and_month",
    "clean_flights",
    "clean_weather",
    "facts",
    "features",
    "previous_legs",
    "score",
    "split",
]

SQL = Path(__file__).parent / "sql"


class Scores(NamedTuple):
    """How good probabilities are; see sql/score.sql."""

    flights: int
    late_share: float
    auc: float
    average_precision: float
    brier: float
    constant_brier: float


@sql_task(SQL / "clean_flights.sql")
def clean_flights(flights: pa.Table, airports: pa.Table) -> pa.Table: ...


@sql_task(SQL / "clean_weather.sql")
def clean_weather(weather: pa.Table) -> pa.Table: ...


@sql_task(SQL / "previous_legs.sql")
def previous_legs(flights: pa.Table) -> pa.Table: ...


@sql_task(SQL / "airport_states.sql")
def airport_states(flights: pa.Table) -> pa.Table: ...


@sql_task(SQL / "features.sql", enable_deck=True)
def features(
    flights: pa.Table, weather: pa.Table, planes: pa.Table, previous_legs: pa.Table, airport_states: pa.Table
) -> pa.Table: ...


@sql_task(SQL / "facts.sql")
def facts(
    flights: pa.Table,
    weather: pa.Table,
    planes: pa.Table,
    airports: pa.Table,
    cleaned: pa.Table,
    observations: pa.Table,
    features: pa.Table,
) -> pa.Table: ...


@sql_task(SQL / "split.sql")
def split(features: pa.Table, first_month: int, last_month: int) -> pa.Table: ...


@sql_task(SQL / "score.sql", enable_deck=True)
def score(predictions: pa.Table) -> Scores: ...


@sql_task(SQL / "by_carrier_and_month.sql", enable_deck=True)
def by_carrier_and_month(predictions: pa.Table) -> pa.Table: ...
