"""SQL tasks on DuckDB: typed, bound, checked before they run, and read-only unless told otherwise.

This is the plugin's public door. Every name is loaded when it is first used; importing it loads neither DuckDB nor
sqlglot nor pyarrow.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fledge_sql.checking import check_query
    from fledge_sql.duckdb_task import DuckDB, DuckDBTask, sql_task
    from fledge_sql.errors import (
        ParameterError,
        QueryCancelled,
        QueryError,
        ReadOnlyError,
        SQLDefinitionError,
        SQLError,
    )
    from fledge_sql.hosted import Athena, BigQuery, Snowflake
    from fledge_sql.lineages import column_lineage, columns_read, output_schema
    from fledge_sql.schemas import Identifier
    from fledge_sql.transpiling import transpile

__all__ = [
    "Athena",
    "BigQuery",
    "DuckDB",
    "DuckDBTask",
    "Identifier",
    "ParameterError",
    "QueryCancelled",
    "QueryError",
    "ReadOnlyError",
    "SQLDefinitionError",
    "SQLError",
    "Snowflake",
    "check_query",
    "column_lineage",
    "columns_read",
    "output_schema",
    "sql_task",
    "transpile",
]

_HOMES = {
    "fledge_sql.checking": ("check_query",),
    "fledge_sql.duckdb_task": ("DuckDB", "DuckDBTask", "sql_task"),
    "fledge_sql.errors": (
        "ParameterError",
        "QueryCancelled",
        "QueryError",
        "ReadOnlyError",
        "SQLDefinitionError",
        "SQLError",
    ),
    "fledge_sql.hosted": ("Athena", "BigQuery", "Snowflake"),
    "fledge_sql.lineages": ("column_lineage", "columns_read", "output_schema"),
    "fledge_sql.schemas": ("Identifier",),
    "fledge_sql.transpiling": ("transpile",),
}


def __getattr__(name: str) -> object:
    for home, names in _HOMES.items():
        if name in names:
            value: object = getattr(import_module(home), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module 'fledge_sql' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
