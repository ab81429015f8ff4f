"""Hashes of tables count what they hold; cached tasks with tables in memory are hits."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fledge import FlyteContextManager, LocalConfig, task
from fledge_dataframes.hashing import content_hash

ran: list[int] = []


@task(cache=True, cache_version="1")
def rows_of(table: pa.Table) -> int:
    ran.append(table.num_rows)
    return int(table.num_rows)


@given(st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), min_size=1), st.data())
def test_a_hash_does_not_depend_on_batches(values: list[int | None], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(values)))
    parts = [pa.array(values[:at], pa.int64()), pa.array(values[at:], pa.int64())]
    assert content_hash(pa.table({"a": pa.chunked_array(parts)})) == content_hash(
        pa.table({"a": pa.chunked_array([pa.array(values, pa.int64())])})
    )


@pytest.mark.parametrize(
    "other",
    [
        pa.table({"b": [1, 2]}),
        pa.table({"a": [1, 3]}),
        pa.table({"a": [1, None]}),
        pa.table({"a": [1.0, 2.0]}),
        pa.table({"a": [1, 2], "b": [1, 2]}),
    ],
    ids=["name", "value", "null", "type", "column"],
)
def test_a_hash_counts_names_types_and_values(other: pa.Table) -> None:
    assert content_hash(other) != content_hash(pa.table({"a": [1, 2]}))


def test_a_hash_is_the_same_in_every_process() -> None:
    table = "pa.table({'a': ['x', None]})"
    code = f"import pyarrow as pa; from fledge_dataframes.hashing import content_hash as h; print(h({table}))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert told == content_hash(pa.table({"a": ["x", None]}))


def test_a_cached_task_knows_a_table_in_memory_by_its_content(tmp_path: Path) -> None:
    context = FlyteContextManager.current_context()
    config = LocalConfig.from_env({"FLEDGE_CACHE": "1", "FLEDGE_CACHE_DIR": str(tmp_path)})
    ran.clear()
    with FlyteContextManager.with_context(context.with_(config=config)):
        assert [rows_of(table=pa.table({"a": [1, 2]})) for _ in range(2)] == [2, 2]
        assert rows_of(table=pa.table({"a": [1, 2, 3]})) == 3
    assert ran == [2, 3]
