"""Every row and every file belongs to exactly one rank."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fledge_distributed import RankError, shard_files, shard_rows

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install pyarrow")


@given(st.integers(0, 50), st.integers(1, 12), st.integers(1, 4))
def test_every_row_appears_once_and_in_order(rows: int, world_size: int, chunks: int) -> None:
    whole = pa.table({"n": list(range(rows)), "text": [str(n) for n in range(rows)]})
    cuts = [whole.slice(at, math.ceil(rows / chunks) or 1) for at in range(0, rows, math.ceil(rows / chunks) or 1)]
    table = pa.concat_tables(cuts) if cuts else whole
    parts = [shard_rows(table, rank, world_size) for rank in range(world_size)]
    assert sorted(n for part in parts for n in part["n"].to_pylist()) == list(range(rows))
    for rank, part in enumerate(parts):
        assert part["n"].to_pylist() == list(range(rank, rows, world_size))
        assert part.num_rows == max(0, math.ceil((rows - rank) / world_size))
        assert part.schema == table.schema


@given(st.integers(0, 20), st.integers(1, 6))
def test_every_file_of_a_list_appears_once_and_in_order(count: int, world_size: int) -> None:
    files = [f"{n}.txt" for n in range(count)]
    parts = [shard_files(files, rank, world_size) for rank in range(world_size)]
    assert sorted((str(path) for part in parts for path in part), key=files.index) == files


def test_a_folder_is_read_in_order_of_path_without_hidden_files(tmp_path: Path) -> None:
    for name in ("b.txt", "a/2.txt", "a/1.txt", ".hidden", ".git/config", "c.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    names = [[path.relative_to(tmp_path).as_posix() for path in shard_files(tmp_path, rank, 2)] for rank in range(2)]
    assert names == [["a/1.txt", "b.txt"], ["a/2.txt", "c.txt"]]


def test_without_ranks_everything_is_ours(tmp_path: Path) -> None:
    table = pa.table({"n": [1, 2]})
    assert shard_rows(table) is table
    assert shard_files([tmp_path]) == [tmp_path]


@pytest.mark.parametrize(("rank", "world_size"), [(2, 2), (-1, 2), (0, 0)])
def test_a_rank_outside_its_world_is_refused(rank: int, world_size: int) -> None:
    with pytest.raises(RankError, match="ranks count from 0"):
        shard_rows(pa.table({"n": [1]}), rank, world_size)


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RankError, match="not a folder"):
        shard_files(tmp_path / "missing")
