"""Runs of SQL tasks as OpenLineage events, read back from the file that OpenLineage's own variables name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import pyarrow as pa
import pytest

from fledge import kwtypes
from fledge.events import CacheHit, Failed, Finished, Ignored, Retrying, Started, TaskEvent
from fledge_sql import DuckDBTask, QueryCancelled, QueryError
from fledge_sql.lineages import columns_deciding

pytest.importorskip("openlineage.client", reason="the extra `lineage` is not installed")

from fledge_sql import run_events  # it needs nothing of the client to be imported, but no test here goes without

Flights = Annotated[pa.Table, kwtypes(carrier=str, day=int, delay=float, seats=int)]
means = DuckDBTask(
    "means",
    "select carrier, avg(delay) as mean from flights where day <= $until group by carrier",
    kwtypes(flights=Flights, until=int),
)
SCRIPT = """
import logging
logging.basicConfig(level=logging.WARNING)
import pyarrow as pa
from typing import Annotated
from fledge import kwtypes, task
from fledge_sql import DuckDBTask
Flights = Annotated[pa.Table, kwtypes(carrier=str, delay=float)]
means = DuckDBTask("means", "select carrier, avg(delay) as mean from flights where delay > $d group by 1",
                   kwtypes(flights=Flights, d=float))
bad = DuckDBTask("bad", "select cast($s as int)", kwtypes(s=str), kwtypes(n=int))
@task
def other(n: int) -> int:
    return n
assert means(flights=pa.table({"carrier": ["a"], "delay": [2.0]}), d=1.0).num_rows == 1
assert other(n=1) == 1
try:
    bad(s="x")
except Exception as error:
    assert "Could not convert" in str(error)
"""


def told(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPENLINEAGE_")}
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env={**kept, **variables}, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done


def to_file(path: Path) -> dict[str, str]:
    return {
        "OPENLINEAGE__TRANSPORT__TYPE": "file",
        "OPENLINEAGE__TRANSPORT__LOG_FILE_PATH": str(path),
        "OPENLINEAGE__TRANSPORT__APPEND": "true",
    }


def as_json(event: TaskEvent, task: DuckDBTask = means) -> dict[str, Any]:  # Any: JSON
    from openlineage.client.serde import Serde

    model = run_events.run_event(task, event, "0189f8a0-0000-7000-8000-000000000000")
    made: dict[str, Any] = Serde.to_dict(model)  # Any: JSON
    return made


def names(datasets: list[dict[str, Any]]) -> list[tuple[str, str]]:  # Any: JSON
    return [(one["namespace"], one["name"]) for one in datasets]


def test_runs_are_written_to_the_file_that_openlineages_variables_name(tmp_path: Path) -> None:
    told(tmp_path, **to_file(tmp_path / "events.jsonl"), OPENLINEAGE_NAMESPACE="shop")
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [(one["job"]["name"], one["eventType"]) for one in events] == [
        ("means", "START"),
        ("means", "COMPLETE"),
        ("bad", "START"),
        ("bad", "FAIL"),
    ]
    assert events[0]["run"]["runId"] == events[1]["run"]["runId"] != events[2]["run"]["runId"]
    assert {UUID(one["run"]["runId"]).version for one in events} == {7}
    assert {one["job"]["namespace"] for one in events} == {"shop"}
    error = events[3]["run"]["facets"]["errorMessage"]
    assert error["message"].startswith("QueryError: line 1")
    assert error["programmingLanguage"] == "PYTHON"


def test_nothing_is_written_and_nothing_observed_without_a_destination(tmp_path: Path) -> None:
    told(tmp_path)
    assert list(tmp_path.iterdir()) == []
    code = (
        "from fledge import FlyteContextManager\n"
        "plugins = FlyteContextManager.current_context().plugins\n"
        "plugins.load()\n"
        "import fledge_sql.hooks as hooks, sys\n"
        "assert not hasattr(hooks, 'task_event')\n"
        "assert 'openlineage' not in sys.modules and 'fledge_sql.run_events' not in sys.modules\n"
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPENLINEAGE_")}
    subprocess.run([sys.executable, "-c", code], check=True, env=kept)


def test_a_destination_that_cannot_be_written_costs_no_run(tmp_path: Path) -> None:
    done = told(tmp_path, **to_file(tmp_path / "missing" / "events.jsonl"))
    assert "plugin sql: task_event() failed" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_event_carries_schemas_columns_and_the_query() -> None:
    event = as_json(Finished("means", seconds=0.1))
    (table,), (result,) = event["inputs"], event["outputs"]
    assert (table["namespace"], table["name"]) == ("fledge", "means.flights")
    assert [one["name"] for one in table["facets"]["schema"]["fields"]] == ["carrier", "day", "delay", "seats"]
    assert result["name"] == "means.result"
    assert [(one["name"], one["type"]) for one in result["facets"]["schema"]["fields"]] == [
        ("carrier", "VARCHAR"),
        ("mean", "DOUBLE"),
    ]
    lineage = result["facets"]["columnLineage"]
    assert {
        name: [(one["name"], one["field"], one["transformations"][0]["type"]) for one in made["inputFields"]]
        for name, made in lineage["fields"].items()
    } == {"carrier": [("means.flights", "carrier", "DIRECT")], "mean": [("means.flights", "delay", "DIRECT")]}
    assert [(one["field"], one["transformations"][0]["type"]) for one in lineage["dataset"]] == [
        ("carrier", "INDIRECT"),
        ("day", "INDIRECT"),
    ]
    assert event["job"]["facets"]["sql"]["query"] == means.query
    assert event["run"]["facets"]["processing_engine"]["name"] == "DuckDB"


def test_an_event_has_what_the_specification_requires() -> None:
    """Of events: eventTime, producer, schemaURL, run and job; of facets: _producer and _schemaURL."""
    event = as_json(Started("means"))
    assert {"eventTime", "producer", "schemaURL", "run", "job"} <= event.keys()
    assert event["eventTime"].endswith("+00:00")
    facets = [
        facet
        for holder in (event["run"], event["job"], *event["inputs"], *event["outputs"])
        for facet in holder["facets"].values()
    ]
    assert len(facets) == 5
    for facet in facets:
        assert facet["_producer"].startswith("urn:fledge-sql:")
        assert facet["_schemaURL"].startswith("https://openlineage.io/spec/")


@pytest.mark.parametrize(
    ("event", "state"),
    [
        (Started("means"), "START"),
        (Finished("means", seconds=1.0), "COMPLETE"),
        (Failed("means", error=QueryError("no")), "FAIL"),
        (Retrying("means", attempt=1, error=QueryError("no")), "FAIL"),
        (Failed("means", error=QueryCancelled("stop")), "ABORT"),
        (Failed("means", error=KeyboardInterrupt()), "ABORT"),
        (Ignored("means"), "ABORT"),
    ],
)
def test_the_state_says_how_a_run_went(event: TaskEvent, state: str) -> None:
    assert as_json(event)["eventType"] == state


def test_a_table_without_declared_columns_has_no_lineage() -> None:
    loose = DuckDBTask("loose", "select * from t", kwtypes(t=pa.Table))
    event = as_json(Started("loose"), loose)
    assert [one.get("facets", {}) for one in event["inputs"] + event["outputs"]] == [{}, {}]


def test_attached_databases_are_datasets_of_their_own(tmp_path: Path) -> None:
    from fledge_sql import DuckDB

    path = tmp_path / "store.duckdb"
    script = "create table store.t as select 1 as n; select count(*) from store.t"
    write = DuckDBTask("write", script, outputs=kwtypes(n=int), task_config=DuckDB(attach=path, writes=("store",)))
    assert ("file", str(path)) in names(as_json(Started("write"), write)["outputs"])
    assert write() == 1
    read = DuckDBTask("read", "select n from store.t", outputs=kwtypes(n=int), task_config=DuckDB(attach=path))
    assert names(as_json(Started("read"), read)["inputs"]) == [("file", str(path))]


def test_events_of_other_tasks_and_of_the_cache_say_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in to_file(tmp_path / "events.jsonl").items():
        monkeypatch.setenv(name, value)
    run_events.tell(Started("no such task"))
    run_events.tell(CacheHit("means"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("query", "deciding"),
    [
        ("select carrier from flights", set()),
        ("select seats from flights order by delay", {"delay"}),
        ("select carrier from flights where day in (select seats from flights)", {"day", "seats"}),
        ("select delay from flights where delay > 1", {"delay"}),
        ("with f as (select carrier, day as d from flights) select carrier from f where d = 1", {"day"}),
        ("select a.carrier from flights a join flights b on a.day = b.seats", {"day", "seats"}),
    ],
)
def test_the_columns_that_decide_about_rows_are_known(query: str, deciding: set[str]) -> None:
    task = DuckDBTask("deciding", query, kwtypes(flights=Flights))
    assert columns_deciding(task) == {("flights", name) for name in deciding}
