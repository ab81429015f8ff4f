"""The hooks of this plugin: `DuckDB(...)` as a task_config makes a SQL task."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fledge.hooks.spec import hookimpl
from fledge_sql.duckdb_task import DuckDB, SQLFunctionTask

if TYPE_CHECKING:
    from fledge.base_task import PythonTask

__all__ = ["HOOK_API", "register_task_types"]

HOOK_API = 1


@hookimpl
def register_task_types(register: Callable[[type, type[PythonTask[Any]]], None]) -> None:  # Any: of any config
    """`@task(task_config=DuckDB("select ..."))` becomes a SQLFunctionTask."""
    register(DuckDB, SQLFunctionTask)
