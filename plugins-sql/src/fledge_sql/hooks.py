"""The hooks of this plugin: `DuckDB(...)` as a task_config makes a SQL task; what decks and OpenLineage are told."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from fledge.hooks.spec import hookimpl
from fledge.lazy import lazy
from fledge_sql.duckdb_task import DuckDB, SQLFunctionTask

if TYPE_CHECKING:
    from fledge.base_task import PythonTask
    from fledge.events import TaskEvent
    from fledge_sql import run_events, watching
else:
    run_events = lazy("fledge_sql.run_events")
    watching = lazy("fledge_sql.watching")

__all__ = ["HOOK_API", "register_task_types", "render"]

HOOK_API = 1
# What tells OpenLineage's client where events go; without one of them it would print them.
_DESTINATIONS = ("OPENLINEAGE_CONFIG", "OPENLINEAGE_URL", "OPENLINEAGE__")


@hookimpl
def register_task_types(register: Callable[[type, type[PythonTask[Any]]], None]) -> None:  # Any: of any config
    """`@task(task_config=DuckDB("select ..."))` becomes a SQLFunctionTask."""
    register(DuckDB, SQLFunctionTask)


@hookimpl
def render(value: object, python_type: type) -> str | None:  # noqa: ARG001 - the value says what it is
    """The first rows of a `pa.Table`, and the plan of a query with times."""
    kind = type(value)
    if (kind.__module__, kind.__qualname__) == ("pyarrow.lib", "Table"):
        return watching.sample_html(value)
    if (kind.__module__, kind.__qualname__) == ("fledge_sql.watching", "QueryPlan"):
        return watching.plan_html(cast("watching.QueryPlan", value))
    return None


# Asked once, when plugins are loaded: an observer costs every task of the process some microseconds a call.
if any(name.startswith(_DESTINATIONS) for name in os.environ):

    @hookimpl
    def task_event(event: TaskEvent) -> None:
        """A run of a SQL task begins or ends: OpenLineage's client is told."""
        run_events.tell(event)
