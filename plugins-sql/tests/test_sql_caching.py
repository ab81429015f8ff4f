"""What a cached query's version follows, and what is not cached without being told to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fledge import FlyteFile, kwtypes, task
from fledge.testing import fresh_context
from fledge_sql import DuckDB, DuckDBTask, SQLDefinitionError, check_query, sql_task
from fledge_sql.caching import cache_version, uncacheable_reasons

INPUTS = kwtypes(t=pa.Table, n=int)
QUERY = "select a, b as X from t where a > $n and b = 'x' order by 1"


def version(query: str, inputs: Any = INPUTS, outputs: Any = None) -> str:
    return cache_version(check_query(query, inputs, outputs))


@pytest.mark.parametrize(
    "same",
    [
        "SELECT a, b AS X FROM t WHERE a > $n AND b = 'x' ORDER BY 1",
        "select a,\n       b as X -- a comment\nfrom t /* another */\nwhere a > $n and b = 'x' order by 1;",
        "select a, b as X from t where a > {{ .inputs.n }} and b = 'x' order by 1",
    ],
)
def test_how_a_query_is_written_does_not_count(same: str) -> None:
    assert version(same) == version(QUERY)


@pytest.mark.parametrize(
    "other",
    [
        "select a, b as X from t where a > $n and b = 'y' order by 1",
        "select a, b as x from t where a > $n and b = 'x' order by 1",
        "select a, b as X from t where a >= $n and b = 'x' order by 1",
        "select a, b as X from t where a > $n and b = 'x' order by 1 desc",
        "select a, b as X from t where a > $n and b = 'x  ' order by 1",
    ],
)
def test_what_a_query_means_counts(other: str) -> None:
    assert version(other) != version(QUERY)


def test_declared_types_count() -> None:
    assert version(QUERY, kwtypes(t=pa.Table, n=float)) != version(QUERY)
    assert version(QUERY, outputs=kwtypes(r=pa.Table)) != version(QUERY)


REASONS = {
    "select now() from t": "now()",
    "select current_date from t": "current_date",
    "select random() from t": "random()",
    "select uuid() from t": "uuid()",
    "select * from t limit 3": "LIMIT without ORDER BY",
    "select * from (select * from t limit 3)": "LIMIT without ORDER BY",
    "select distinct on (a) * from t": "DISTINCT ON without ORDER BY",
    "select * from t using sample 3": "sample",
    "select * from t tablesample reservoir(3 rows)": "sample",
    "select t.a from t positional join (select 1 as x) u": "POSITIONAL JOIN",
    "select json_group_array(a) from t": "json_group_array() without ORDER BY",
    "select reservoir_quantile(a, 0.5) from t": "reservoir_quantile() without ORDER BY",
    "select string_agg(a, ',') from t": "string_agg() without ORDER BY",
    "select first(a) from t": "first() without ORDER BY",
    "select list(a) from t": "list() without ORDER BY",
    "select row_number() over () from t": "row_number() without ORDER BY",
}
FINE = [
    "select * from t order by a limit 3",
    "select distinct on (a) * from t order by a, b",
    "select string_agg(a, ',' order by a) from t",
    "select row_number() over (order by a) from t",
    "select current_date.x from t as current_date",
    "select max(a) from t",
]


@pytest.mark.parametrize("query", REASONS)
def test_a_query_that_may_differ_from_run_to_run_is_not_cached(query: str) -> None:
    assert any(REASONS[query] in reason for reason in uncacheable_reasons(check_query(query, kwtypes(t=pa.Table))))
    with pytest.raises(SQLDefinitionError, match="cannot be cached"):
        DuckDBTask("c", query, kwtypes(t=pa.Table), cache=True)
    assert (
        DuckDBTask("c", query, kwtypes(t=pa.Table), cache=True, cache_version="mine").metadata.cache_version == "mine"
    )


@pytest.mark.parametrize("query", FINE)
def test_a_query_with_one_answer_is(query: str) -> None:
    assert uncacheable_reasons(check_query(query, kwtypes(t=pa.Table))) == []


@pytest.mark.parametrize(
    ("query", "config", "reason"),
    [
        ("select n from store.t", DuckDB(attach="store.duckdb"), "store.duckdb may change"),
        ("create temp table a as select 1 as n; select * from a", DuckDB(writes=("a",)), "it writes"),
        ("insert into store.t select 1", DuckDB(attach="store.duckdb", writes=("store",)), "it writes"),
        ("call pragma_version()", DuckDB(guard=False), "no single query"),
    ],
)
def test_what_lies_outside_of_the_inputs_is_not_cached(query: str, config: DuckDB, reason: str) -> None:
    outputs: dict[str, Any] | None = {} if query.startswith("insert") else None  # Any: annotations
    with pytest.raises(SQLDefinitionError, match=reason):
        DuckDBTask("c", query, outputs=outputs, task_config=config, cache=True)
    mine = DuckDBTask("c", query, outputs=outputs, task_config=config, cache=True, cache_version="mine")
    assert mine.metadata.cache_version == "mine"


def test_an_attached_file_that_is_an_input_counts_by_its_bytes() -> None:
    inputs = kwtypes(store=FlyteFile)
    cached = DuckDBTask("c", "select n from store.t", inputs, task_config=DuckDB(attach=("store",)), cache=True)
    assert uncacheable_reasons(cached.checked) == []


def test_the_version_of_a_function_task_is_the_querys() -> None:
    def made(query: str) -> str:
        @sql_task(query, cache=True)
        def one(n: int) -> int:
            raise NotImplementedError

        return one.metadata.cache_version

    assert made("select $n") == made("select  $n")
    assert made("select $n") != made("select $n + 1")

    @task(task_config=DuckDB("select $n"), cache=True)
    def same(n: int) -> int:
        raise NotImplementedError

    assert len(same.metadata.cache_version) == 16


def counted(task: DuckDBTask, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Grows with every run of the task's body."""
    calls: list[object] = []
    execute = task.execute

    def counting(**values: Any) -> Any:
        calls.append(values)
        return execute(**values)

    monkeypatch.setattr(task, "execute", counting)
    return calls


def test_a_second_call_comes_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEDGE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("FLEDGE_CACHE", "1")
    for name, values in {"a": [1, 2], "same": [1, 2], "other": [1, 3]}.items():
        pq.write_table(pa.table({"a": values}), tmp_path / f"{name}.parquet")
    one = DuckDBTask("cached", "select sum(a)::bigint as s from t", kwtypes(t=FlyteFile), kwtypes(s=int), cache=True)
    calls = counted(one, monkeypatch)
    with fresh_context(discover=True):  # which reads the environment
        sums = [one(t=FlyteFile(str(tmp_path / f"{name}.parquet"))) for name in ("a", "same", "other", "a")]
    assert (sums, len(calls)) == ([3, 3, 4, 3], 2)


def test_equal_tables_hit_however_they_are_cut_into_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEDGE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("FLEDGE_CACHE", "1")
    one = DuckDBTask("cached", "select sum(a)::bigint as s from t", kwtypes(t=pa.Table), kwtypes(s=int), cache=True)
    calls = counted(one, monkeypatch)
    whole = pa.table({"a": [1, 2, 3]})
    parts = pa.concat_tables([whole.slice(0, 1), whole.slice(1)])
    with fresh_context(discover=True):  # which reads the environment
        assert [one(t=table) for table in (whole, parts, pa.table({"a": [1, 2, 4]}), whole)] == [6, 6, 7, 6]
    assert len(calls) == 2


EXPLAINED = """
from fledge import FlyteFile, kwtypes
from fledge_sql import DuckDBTask
query = "select sum(a)::bigint from t where a > $n"
total = DuckDBTask("total", query, kwtypes(t=FlyteFile, n=int), kwtypes(s=int), cache=True)
"""


def explained(folder: Path, source: str) -> tuple[int, str]:
    (folder / "tasks_explained.py").write_text(source)
    command = [sys.executable, "-m", "fledge.cli", "cache", "explain", "tasks_explained.py:total", "--t", "x.parquet"]
    command += ["--n", "1"] if "$n" in source else []
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_cache_explain_says_what_makes_the_key_and_why_there_is_none(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1, 2]}), tmp_path / "x.parquet")
    status, text = explained(tmp_path, EXPLAINED)
    assert status == 0, text
    lines = dict(line.split(maxsplit=1) for line in text.replace("input ", "input_").splitlines())
    inputs = kwtypes(t=FlyteFile, n=int)
    assert lines["version"] == version("select sum(a)::bigint from t where a > $n", inputs, kwtypes(s=int))
    assert {"input_t", "input_n", "key", "hit"} <= lines.keys()
    status, text = explained(tmp_path, EXPLAINED.replace("a > $n", "a > random() limit 3").replace(", n=int", ""))
    assert status == 1
    assert "random() gives another value in each run" in text
    assert "LIMIT without ORDER BY takes any rows" in text
