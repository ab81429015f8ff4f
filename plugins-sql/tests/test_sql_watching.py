"""Progress of a running query, its plan with times and a sample of its result; nothing of it unless asked for."""

from __future__ import annotations

import gc
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fledge import FlyteContextManager, FlyteFile, Secret, kwtypes
from fledge.cancellation import Cancellation
from fledge.progress import ProgressReport, shown_to
from fledge.testing import fresh_context
from fledge_sql import DuckDB, DuckDBTask, QueryCancelled
from fledge_sql.engine import engine_version, open_cursor
from fledge_sql.hooks import render
from fledge_sql.watching import QueryPlan, plan_html, plan_of, progress_of

Table = Annotated[pa.Table, kwtypes(k=int, v=str)]
table = pa.table({"k": [1, 2, 1], "v": ["<b>a</b>", "b", "c"]})


@pytest.fixture(autouse=True)
def plain_pages(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Pages look the same whatever else is installed."""
    monkeypatch.setenv("FLEDGE_DISABLE_PLUGINS", "report")
    with fresh_context(discover=True):
        yield


def deck_of(task: DuckDBTask, folder: Path, **values: object) -> str:
    ctx = FlyteContextManager.current_context()
    with FlyteContextManager.with_context(ctx.with_(storage=ctx.storage.with_(raw_prefix=str(folder)))):
        task(**values)
    (page,) = folder.rglob("deck.html")
    return page.read_text()


def test_a_deck_shows_the_plan_with_times_and_a_sample_of_the_result(tmp_path: Path) -> None:
    query = "select k, count(*) as n, min(v) as v from t where k < $k group by k order by k"
    page = deck_of(DuckDBTask("grouped", query, kwtypes(t=Table, k=int), enable_deck=True), tmp_path, t=table, k=7)
    plan, output = page.split("<h2>Query Plan</h2>")[1].split("<h2>Output</h2>")
    steps = re.findall(r"<tr><td[^>]*>(\w+)</td><td>([\d.]+)</td><td><svg.+?</svg></td><td>(\d+)</td>", plan)
    assert any("GROUP_BY" in name and rows == "2" for name, _, rows in steps), steps
    assert "2 rows, 3 columns" in output
    assert "n: int64" in output
    assert "&lt;b&gt;a&lt;/b&gt;" in output
    assert "<b>" not in output


@pytest.mark.parametrize("output", [pa.Table, pa.RecordBatchReader, FlyteFile, list[dict]])  # type: ignore[type-arg] # free-form rows
def test_every_kind_of_result_has_its_plan(tmp_path: Path, output: type) -> None:
    task = DuckDBTask("kinds", "select k from t where k = 1", kwtypes(t=Table), kwtypes(r=output), enable_deck=True)
    assert "SCAN" in deck_of(task, tmp_path, t=table).split("<h2>Query Plan</h2>")[1]


def test_the_plan_of_a_query_with_a_secret_shows_no_values(tmp_path: Path) -> None:
    kinds = kwtypes(t=Table, s=Annotated[str, Secret(group="g", key="k")])
    task = DuckDBTask("secret", "select k from t where v = $s", kinds, enable_deck=True, deck_fields=())
    page = deck_of(task, tmp_path, t=table, s="hunter2")
    assert "FILTER" in page or "SCAN" in page
    assert "hunter2" not in page


def test_without_a_deck_nothing_is_profiled() -> None:
    query = "select coalesce(current_setting('enable_profiling')::varchar, '')"
    assert DuckDBTask("settings", query, outputs=kwtypes(p=str))() == ""
    assert DuckDBTask("settings", query, outputs=kwtypes(p=str), enable_deck=True)() == "no_output"


def test_the_two_forms_of_a_profile_are_one_plan() -> None:
    new = '{"operator": [{"name": "A", "timing": 0.5, "intermediate_rows": 3, "extra_info": {"F": ["x", "<"]}}]}'
    old = new.replace('"timing', '"operator_timing').replace('"intermediate_rows', '"operator_cardinality')
    old = old.replace('"operator"', '"children"').replace('"name', '"operator_name')
    assert plan_of(new) == plan_of(old)
    assert "F: x, &lt;" in plan_html(plan_of(new))
    assert plan_of(new, with_details=False).steps[0].details == {}


def test_the_hook_leaves_other_values_alone() -> None:
    assert render(value="text", python_type=str) is None
    assert "0 rows, 1 columns" in (render(value=pa.table({"a": pa.array([], pa.int8())}), python_type=pa.Table) or "")
    assert "<table" in (render(value=QueryPlan(()), python_type=QueryPlan) or "")


BEFORE_2 = engine_version() < "2"
SLOW = "list_sum(list_transform(range($n), lambda x: x + k)) = 1"


@pytest.mark.skipif(BEFORE_2, reason="before DuckDB 2.0 the rows it reads cannot be counted")
def test_a_running_query_reports_how_much_of_its_tables_is_read() -> None:
    scope, reports = Cancellation(), list[ProgressReport]()

    def listen(report: ProgressReport) -> None:
        reports.append(report)
        if report.done:
            scope.cancel()

    rows = pa.table({"k": pa.array(bytes(8_000_000), pa.uint8())})
    task = DuckDBTask("slow", f"select count(*) from t where {SLOW}", kwtypes(t=pa.Table, n=int), kwtypes(n=int))
    context = FlyteContextManager.current_context().with_(cancellation=scope)
    with shown_to(listen), FlyteContextManager.with_context(context), pytest.raises(QueryCancelled):
        task(t=rows, n=300)
    own = [one for one in reports if one.name == "query slow"]
    assert (own[0].done, own[0].total, own[0].unit, own[0].state) == (0, 100, "%", "running")
    assert own[-1].state == "failed"
    assert 0 < own[-1].done < 100
    assert not [one for one in threading.enumerate() if one.name == "fledge-sql-progress"]


def told_of(task: DuckDBTask, **values: object) -> tuple[Any, list[ProgressReport]]:
    reports = list[ProgressReport]()
    with shown_to(reports.append):
        result = task(**values)
    return result, [one for one in reports if one.name == f"query {task.name}"]


QUERIES = {
    "filter": "select k, v from t where v >= 'b' order by all",
    "two scans": "select a.k, b.v from t a join t b using (k) order by all",
    "one column": "select sum(k)::bigint as s from t",
    "limit": "select k from t order by k limit 1",
    "script": "create temp table x as select * from t; select count(*) as n from x",
}


@pytest.mark.parametrize("name", QUERIES)
def test_a_watched_query_gives_the_same(name: str) -> None:
    config = DuckDB(writes=("x",) if name == "script" else ())
    task = DuckDBTask("same", QUERIES[name], kwtypes(t=Table), kwtypes(r=list[dict]), config)  # type: ignore[type-arg] # free-form rows
    result, reports = told_of(task, t=table)
    assert result == task(t=table)
    assert (reports[0].state, reports[-1].state) == ("running", "finished")


@pytest.mark.parametrize("scans", [{"t": 1, "u": 1}, {"t": 2}], ids=["two tables", "two scans"])
def test_where_the_plan_depends_on_sizes_duckdb_is_told_them(scans: dict[str, int]) -> None:
    tables = {name: (table, count) for name, count in scans.items()}
    with open_cursor() as cursor, progress_of("query q", cursor, tables) as watched:
        assert [frame is table for frame, _ in watched.values()] == [True] * len(scans)


@pytest.mark.parametrize("kind", ["reader", "dataset"])
def test_tables_without_a_number_of_rows_are_watched_as_well(kind: str, tmp_path: Path) -> None:
    pq.write_table(table, tmp_path / "t.parquet")
    value = table.to_reader() if kind == "reader" else FlyteFile(str(tmp_path / "t.parquet"))
    inputs = kwtypes(t=pa.RecordBatchReader if kind == "reader" else FlyteFile)
    task = DuckDBTask("any", "select sum(k)::bigint from t", inputs, kwtypes(s=int))
    result, reports = told_of(task, t=value)
    assert (result, reports[-1].state) == (4, "finished")


def test_a_stream_is_watched_to_its_end_or_until_it_is_dropped() -> None:
    task = DuckDBTask("stream", "select k from t", kwtypes(t=Table), kwtypes(r=pa.RecordBatchReader))
    reports = list[ProgressReport]()
    with shown_to(reports.append):
        read, dropped = task.execute(t=table), task.execute(t=table)
        assert {one.state for one in reports} == {"running"}
        assert read.read_all().num_rows == 3
        del dropped
        gc.collect()
    assert [one.state for one in reports][-2:] == ["finished", "finished"]
    assert not [one for one in threading.enumerate() if one.name == "fledge-sql-progress"]


def test_nothing_is_watched_or_said_when_nobody_listens(capfd: pytest.CaptureFixture[str]) -> None:
    query = "select current_setting('enable_progress_bar')"
    task = DuckDBTask("settings", query, outputs=kwtypes(p=bool))
    assert task() is False
    assert told_of(task)[0] is True
    assert task() is False
    assert capfd.readouterr() == ("", "")
