"""The archive with all flights of 2013 -> the files beside this one: six days, and what belongs to them.

`python -m tests.data.flights_sample.make_sample`, from the root of the repository. Rows are copied as they stand in the
archive, in its order; `flights.csv` is zipped as it is there.
"""

from __future__ import annotations

import csv
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from examples.flight_delays.data import fetch

__all__ = ["main"]

HERE = Path(__file__).parent
# Both changes of the clocks with the days before them; a departure at 2400; a day that has no weather at all.
DAYS = {(3, 9), (3, 10), (10, 30), (11, 2), (11, 3), (12, 31)}
WIND = ("EWR", "2", "12", "3")  # where and when it blew with 1048 mph, in the clock of New York


def main() -> None:
    with tarfile.open(fetch()) as files:
        members = {Path(member.name).name: member for member in files if member.isfile()}
        texts = {name: files.extractfile(members[name]).read() for name in members}  # type: ignore[union-attr] # files only
    with zipfile.ZipFile(io.BytesIO(texts["flights.csv.zip"])) as zipped:
        texts["flights.csv"] = zipped.read("flights.csv")
    flights = _kept(texts["flights.csv"], _is_in_the_days)
    rows = list(csv.DictReader(io.StringIO(flights)))
    planes, places = {row["tailnum"] for row in rows}, {row["dest"] for row in rows}
    _write_zip(HERE / "flights.csv.zip", flights)
    weather = _kept(texts["weather.csv"], lambda row: _is_in_the_days(row) or _is_the_wind(row))
    (HERE / "weather.csv").write_text(weather, encoding="utf-8")
    (HERE / "planes.csv").write_text(_kept(texts["planes.csv"], lambda row: row["tailnum"] in planes), encoding="utf-8")
    (HERE / "airports.csv").write_text(_kept(texts["airports.csv"], lambda row: row["faa"] in places), encoding="utf-8")


def _kept(text: bytes, wanted: Callable[[dict[str, str]], bool]) -> str:
    """The header and the lines of the wanted rows, untouched."""
    header, *lines = text.decode("utf-8").splitlines()
    rows = csv.DictReader([header, *lines])
    return "\n".join([header, *(line for line, row in zip(lines, rows, strict=True) if wanted(row))]) + "\n"


def _is_in_the_days(row: dict[str, str]) -> bool:
    return (int(row["month"]), int(row["day"])) in DAYS


def _is_the_wind(row: dict[str, str]) -> bool:
    return (row["origin"], row["month"], row["day"], row["hour"]) == WIND


def _write_zip(path: Path, text: str) -> None:
    """With a fixed date: the same rows give the same bytes."""
    entry = zipfile.ZipInfo("flights.csv", date_time=(2020, 3, 5, 16, 26, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr(entry, text, compresslevel=9)


if __name__ == "__main__":
    main()
