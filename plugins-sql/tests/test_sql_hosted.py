"""Queries for hosted engines: one target, the engine's placeholders, what the connectors read; refusals by name."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, NamedTuple

import pyarrow as pa
import pytest

from fledge import SerializationSettings, idl, kwtypes, task_template
from fledge_sql import Athena, BigQuery, DuckDB, DuckDBTask, Snowflake, SQLDefinitionError, sql_task, transpile

SETTINGS = SerializationSettings(project="p", domain="development", version="v")
FLIGHTS = Annotated[pa.Table, kwtypes(carrier=str, delay=float, month=int, day=dt.date)]
QUERY = "select carrier, avg(delay) as mean from flights where month <= $m and carrier like '%A' group by carrier"
SNOWFLAKE = Snowflake(user="u", account="org-acc", database="db", schema="public", warehouse="wh")


class Outputs(NamedTuple):
    results: pa.Table


def hosted(dialect: Any, query: str = QUERY, **inputs: Any) -> DuckDBTask:
    declared = kwtypes(flights=FLIGHTS, **(inputs or {"m": int}))
    return DuckDBTask("hosted", query, declared, kwtypes(results=pa.Table), DuckDB(dialect=dialect))


def test_snowflake_gets_its_config_and_pyformat_parameters() -> None:
    template = task_template(hosted(SNOWFLAKE), SETTINGS)
    assert template.type == "snowflake"
    assert template.WhichOneof("target") == "sql"
    assert dict(template.config) == {
        "user": "u",
        "account": "org-acc",
        "database": "db",
        "schema": "public",
        "warehouse": "wh",
    }
    assert "%(m)s" in template.sql.statement
    assert "LIKE '%%A'" in template.sql.statement
    assert '"flights"' not in template.sql.statement


def test_bigquery_gets_its_custom_and_named_parameters() -> None:
    engine = BigQuery(project="proj", location="EU", query_job_config={"useLegacySql": False})
    template = task_template(hosted(engine), SETTINGS)
    assert template.type == "bigquery_query_job_task"
    assert idl.json_format.MessageToDict(template.custom) == {
        "Location": "EU",
        "ProjectID": "proj",
        "Domain": "development",
        "useLegacySql": False,
    }
    assert "@m" in template.sql.statement


def test_athena_gets_the_statement_in_its_custom() -> None:
    template = task_template(hosted(Athena(database="db", workgroup="wg", catalog="cat")), SETTINGS)
    assert template.type == "presto"
    custom = idl.json_format.MessageToDict(template.custom)
    assert custom == {"statement": template.sql.statement, "schema": "db", "routingGroup": "wg", "catalog": "cat"}
    assert "{{ .inputs.m }}" in template.sql.statement


# What flytekit 1.16.31 writes for the tasks of its plugins for Snowflake, BigQuery and Athena with this configuration:
# type, config and custom of the template, and whether it has a statement. The statement is the query's.
FLYTEKIT: dict[str, tuple[Any, dict[str, Any]]] = {
    "snowflake": (
        SNOWFLAKE,
        {
            "type": "snowflake",
            "config": {"account": "org-acc", "database": "db", "schema": "public", "user": "u", "warehouse": "wh"},
            "custom": {},
            "sql": True,
        },
    ),
    "bigquery": (
        BigQuery("proj", "EU", {"useLegacySql": False, "maximumBytesBilled": "5"}),
        {
            "type": "bigquery_query_job_task",
            "config": {},
            "custom": {
                "Domain": "development",
                "Location": "EU",
                "ProjectID": "proj",
                "maximumBytesBilled": "5",
                "useLegacySql": False,
            },
            "sql": True,
        },
    ),
    "bigquery, the least": (
        BigQuery("proj"),
        {
            "type": "bigquery_query_job_task",
            "config": {},
            "custom": {"Domain": "development", "Location": None, "ProjectID": "proj"},
            "sql": True,
        },
    ),
    "athena": (
        Athena("db", "wg", "cat"),
        {
            "type": "presto",
            "config": {},
            "custom": {"statement": "...", "schema": "db", "routingGroup": "wg", "catalog": "cat"},
            "sql": False,  # ours has it as well, for whoever reads the template
        },
    ),
    "athena, the least": (
        Athena(),
        {"type": "presto", "config": {}, "custom": {"statement": "..."}, "sql": False},
    ),
}


@pytest.mark.parametrize("name", FLYTEKIT)
def test_the_connectors_find_what_flytekits_plugins_write(name: str) -> None:
    engine, expected = FLYTEKIT[name]
    template = task_template(hosted(engine), SETTINGS)
    custom = idl.json_format.MessageToDict(template.custom)
    if "statement" in custom:
        assert custom["statement"] == template.sql.statement
        custom["statement"] = "..."
    assert (template.type, dict(template.config), custom) == (expected["type"], expected["config"], expected["custom"])
    assert template.WhichOneof("target") == "sql"
    assert [(name, one.type.WhichOneof("type")) for name, one in template.interface.outputs.variables.items()] == [
        ("results", "structured_dataset_type")
    ]


def test_tables_are_no_inputs_of_a_hosted_task() -> None:
    template = task_template(hosted(SNOWFLAKE), SETTINGS)
    assert list(template.interface.inputs.variables) == ["m"]
    assert list(template.interface.outputs.variables) == ["results"]


def test_the_same_task_runs_here_on_duckdb() -> None:
    table = pa.table({"carrier": ["AA", "UA", "BB"], "delay": [1.0, 3.0, 9.0], "month": [1, 2, 1]})
    table = table.append_column("day", pa.array([dt.date(2024, 1, 1)] * 3))
    assert hosted(SNOWFLAKE)(flights=table, m=1).to_pylist() == [{"carrier": "AA", "mean": 1.0}]


@pytest.mark.parametrize(
    ("dialect", "query", "number"),
    [
        ("trino", "select carrier from flights where month <= $m", 1),
        ("snowflake", "select carrier from flights where month <= $m", 1),
        ("hive", "select carrier from flights where month <= $m", 2),
        ("spark", "select carrier from flights where month <= $m", 2),
        ("bigquery", "select carrier, count(*) from flights where month <= $m group by carrier", 3),
    ],
)
def test_the_dialect_has_the_number_of_the_idl(dialect: str, query: str, number: int) -> None:
    assert task_template(hosted(dialect, query), SETTINGS).sql.dialect == number


def test_duckdb_itself_has_no_statement() -> None:
    local = DuckDBTask("local", QUERY, kwtypes(flights=FLIGHTS, m=int))
    assert local.get_sql(SETTINGS) is None


REFUSED = {
    "a function that means something else": ("select log(delay) as x from flights where month = $m", "LOG"),
    "a function that is not everywhere": ("select median(delay) as x from flights where month = $m", "MEDIAN"),
    "nulls in greatest": ("select greatest(delay, 1.0) as x from flights where month = $m", "GREATEST"),
    "a slice": ("select carrier[1:2] as x from flights where month = $m", "1:2"),
    "a list": ("select [delay] as x from flights where month = $m", "delay"),
    "a lambda": ("select list_transform([1], lambda y: y) as x from flights where month = $m", "not known"),
    "a sample": ("select carrier from flights tablesample 10% where month = $m", "not known"),
    "a computed interval": ("select day + interval ($m) day as x from flights", "computed interval"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_an_engine_lacks_is_refused_when_the_task_is_defined(name: str) -> None:
    query, words = REFUSED[name]
    with pytest.raises(SQLDefinitionError, match=words):
        hosted("trino", query)


def test_a_text_that_would_be_pasted_between_quotes_is_refused() -> None:
    query = "select carrier from flights where carrier = $c"
    with pytest.raises(SQLDefinitionError, match="pasted into the text"):
        hosted("athena", query, c=str)
    assert "%(c)s" in (hosted("snowflake", query, c=str).get_sql(SETTINGS) or idl.tasks.Sql()).statement


def test_times_are_pasted_safely() -> None:
    query = "select carrier from flights where day >= $d"
    text, names = transpile(hosted("trino", query, d=dt.date), "trino")
    assert "CAST(from_iso8601_timestamp('{{ .inputs.d }}') AS DATE)" in text
    assert names == ["d"]


def test_the_connectors_fill_one_table_called_results() -> None:
    with pytest.raises(SQLDefinitionError, match="called 'results'"):
        DuckDBTask("h", QUERY, kwtypes(flights=FLIGHTS, m=int), kwtypes(result=pa.Table), DuckDB(dialect="snowflake"))
    with pytest.raises(SQLDefinitionError, match="called 'results'"):

        @sql_task("select count(*) from flights", dialect="bigquery")
        def count(flights: FLIGHTS) -> int:
            raise NotImplementedError

    @sql_task(QUERY, dialect="bigquery")
    def named(flights: FLIGHTS, m: int) -> Outputs:  # what the message says to write
        raise NotImplementedError

    assert list(named.interface.outputs.variables) == ["results"]


def test_an_unknown_dialect_gets_the_nearest() -> None:
    with pytest.raises(SQLDefinitionError, match="did you mean 'snowflake'"):
        hosted("snowflke")


@pytest.mark.parametrize("dialect", ["athena", "bigquery", "snowflake"])
def test_no_template_but_ours_reaches_the_platform(dialect: str) -> None:
    """It would fill in the value there, as text of the author's or behind the end of a comment."""
    commented = "select carrier /* {{ .inputs.m }} */ from flights where month <= $m -- {{ .inputs.m }} $m @m"
    text, names = transpile(hosted(dialect, commented), dialect)
    assert names == ["m"]
    assert "/*" not in text and "--" not in text  # noqa: PT018 - one fact
    assert text.count("{{") == (1 if dialect == "athena" else 0)
    with pytest.raises(SQLDefinitionError, match="take for a template"):
        hosted(dialect, "select carrier, $$ {{ .inputs.m }} $$ as x from flights where month <= $m")
    joined = "select carrier, '{' || '{ .inputs.m }}' as x from flights where month <= $m"
    assert "{ .inputs.m }}'" in transpile(hosted(dialect, joined), dialect)[0]
