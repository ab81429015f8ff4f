"""Engines that a hosted Flyte runs queries on: what their connectors read from a task's template.

Source: task types, config and custom keys as flytekit's plugins for Snowflake, BigQuery and Athena write them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

__all__ = ["Athena", "BigQuery", "Engine", "Snowflake", "task_type_of"]

RESULT = "results"  # the one output that the connectors fill
_TASK_TYPES = {"snowflake": "snowflake", "bigquery": "bigquery_query_job_task", "athena": "presto", "presto": "presto"}


class Engine:
    """Base of the engines: the dialect, and what the template has to carry."""

    dialect: ClassVar[str]

    def config(self) -> dict[str, str]:
        return {}

    def custom(self, statement: str, domain: str | None) -> dict[str, Any]:  # noqa: ARG002 - Any: JSON
        return {}


@dataclass(frozen=True)
class Snowflake(Engine):
    """Where Snowflake runs the query. The private key is the connector's secret, never part of a task."""

    dialect: ClassVar[str] = "snowflake"
    user: str
    account: str
    database: str
    schema: str
    warehouse: str

    def config(self) -> dict[str, str]:
        return dict(vars(self))


@dataclass(frozen=True)
class BigQuery(Engine):
    """Where BigQuery runs the query; `query_job_config` is the `query` part of a job configuration in its REST form."""

    dialect: ClassVar[str] = "bigquery"
    project: str
    location: str | None = None
    query_job_config: Mapping[str, Any] | None = None  # Any: JSON

    def custom(self, statement: str, domain: str | None) -> dict[str, Any]:  # noqa: ARG002 - Any: JSON
        own = {"Location": self.location, "ProjectID": self.project, "Domain": domain}
        return {**own, **(self.query_job_config or {})}


@dataclass(frozen=True)
class Athena(Engine):
    """Where Athena runs the query."""

    dialect: ClassVar[str] = "athena"
    database: str | None = None
    workgroup: str | None = None
    catalog: str | None = None

    def custom(self, statement: str, domain: str | None) -> dict[str, Any]:  # noqa: ARG002 - Any: JSON
        message = {
            "statement": statement,
            "schema": self.database,
            "routingGroup": self.workgroup,
            "catalog": self.catalog,
        }
        return {key: value for key, value in message.items() if value}


def task_type_of(dialect: str) -> str:
    """What the backend dispatches on."""
    return _TASK_TYPES.get(dialect, dialect)
