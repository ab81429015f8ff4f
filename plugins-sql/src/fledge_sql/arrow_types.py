"""Arrow schemas in, DuckDB's own names of the types out, and back; asked of DuckDB and remembered per schema."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from fledge_sql.engine import Column, EngineError, open_cursor, quoted
from fledge_sql.errors import SQLDefinitionError

__all__ = ["arrow_schema", "sql_columns"]

Schema = Any  # Any: pyarrow has no types of its own


def sql_columns(where: str, schema: Schema) -> tuple[Column, ...]:
    """The columns as DuckDB reads them.

    Raises:
        SQLDefinitionError: DuckDB cannot read a column; the message names it.
    """
    schema = schema.remove_metadata()  # pandas says nothing of types there, and pyarrow before 22 cannot hash it
    try:
        return _sql_columns(schema)
    except EngineError as exc:
        for field in schema:
            try:
                _sql_columns(_one(field))
            except EngineError:
                raise SQLDefinitionError(
                    f"{where}: column {field.name!r} has Arrow type {field.type}, which DuckDB does not read. "
                    "Cast it before, as table.set_column(...) with a type of pyarrow that DuckDB knows"
                ) from exc
        raise SQLDefinitionError(f"{where}: DuckDB does not read this schema: {exc.message}") from exc


def _one(field: Any) -> Schema:  # Any: pyarrow has no types of its own
    import pyarrow as pa  # noqa: PLC0415 - heavy; here an Arrow field is at hand, so it is loaded already

    return pa.schema([field])


@lru_cache(maxsize=512)
def _sql_columns(schema: Schema) -> tuple[Column, ...]:
    with open_cursor() as cursor:
        cursor.register("t", schema.empty_table())
        return tuple(cursor.columns("SELECT * FROM t"))


def arrow_schema(columns: Sequence[Column]) -> Schema:
    """The Arrow schema of a result with these columns."""
    listed = ", ".join(f"CAST(NULL AS {column.sql_type}) AS {quoted(column.name)}" for column in columns)
    with open_cursor() as cursor:
        return cursor.table(f"SELECT {listed} LIMIT 0").schema
