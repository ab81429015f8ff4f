"""A SQL task where a container finds it."""

from __future__ import annotations

from fledge_sql import sql_task

__all__ = ["doubled"]


@sql_task("select $n * 2")
def doubled(n: int) -> int: ...  # type: ignore[empty-body] # the query is the body
