"""A checked query in; out: the version that its results are cached under, and what speaks against caching them.

The version follows the meaning: comments, spaces and the case of keywords do not count, a literal does, and so do the
declared types, the names and types of the result and the engine's version. Inputs are the core's part of the key.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from fledge_sql.engine import Cursor, EngineError, engine_version, open_cursor
from fledge_sql.errors import SQLDefinitionError
from fledge_sql.guard import parse_tree, walk

if TYPE_CHECKING:
    from fledge_sql.checking import CheckedQuery

__all__ = ["cache_version", "check_cacheable", "uncacheable_reasons"]

Node = dict[str, Any]  # Any: DuckDB's tree as JSON

# Another value in each run, though the engine calls some of them stable within a query.
_CLOCKS = frozenset(
    {
        *("ago", "current_date", "current_localtime", "current_localtimestamp", "current_time", "current_timestamp"),
        *("get_current_time", "get_current_timestamp", "localtime", "localtimestamp", "now", "today"),
        *("transaction_timestamp", "txid_current", "current_query", "current_setting", "version", "pg_backend_pid"),
    }
)
_ORDERED = frozenset(
    {
        *("any_value", "arbitrary", "array_agg", "first", "group_concat", "last", "list", "listagg", "string_agg"),
        *("json_group_array", "json_group_object", "reservoir_quantile"),
        *("first_value", "last_value", "nth_value", "row_number", "lag", "lead", "ntile"),
    }
)


def cache_version(query: CheckedQuery) -> str:
    """A digest of everything about the query that changes its results, except the values of its inputs."""
    tree = parse_tree(query.bound)
    meaning = {
        "sql": tree.sql("duckdb", comments=False),
        "parameters": {name: one.sql_type for name, one in sorted(query.parameters.items())},
        "names": {name: one.allowed for name, one in sorted(query.names.items())},
        "tables": {name: repr(one.columns) for name, one in sorted(query.tables.items())},
        "outputs": [(one.name, one.kind, repr(one.annotation), repr(one.columns)) for one in query.outputs],
        "result": [(one.name, one.sql_type) for one in query.columns or ()],
        "engine": engine_version().rsplit(".", 1)[0],
    }
    return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()[:16]


def uncacheable_reasons(query: CheckedQuery) -> list[str]:
    """Why two runs with equal inputs may differ; empty when they may not."""
    access = query.access
    if access.writes:
        return ["it writes, which a run that comes from the cache would not"]
    reasons = [
        f"the attached file {path} may change from run to run; as a FlyteFile input its bytes would count"
        for path in access.databases.values()
        if path is not None
    ]
    with open_cursor() as cursor:
        try:
            roots = cursor.parse(query.bound.sql)
        except EngineError:
            return [*reasons, "it is no single query whose meaning could be told"]
        volatile = _volatile_functions(cursor)
    reasons += [reason for root in roots for node in walk(root) if (reason := _reason(node, volatile))]
    return list(dict.fromkeys(reasons))


def check_cacheable(name: str, query: CheckedQuery) -> None:
    """Refuse to cache what may differ from run to run.

    Raises:
        SQLDefinitionError: With every reason.
    """
    reasons = uncacheable_reasons(query)
    if reasons:
        raise SQLDefinitionError(
            f"task {name} cannot be cached: {'; '.join(reasons)}. Change the query, or take the responsibility with "
            "a cache_version of your own"
        )


def _volatile_functions(cursor: Cursor) -> frozenset[str]:
    rows = cursor.run("SELECT DISTINCT function_name FROM duckdb_functions() WHERE stability = 'VOLATILE'")
    return frozenset(row[0] for row in rows)


def _reason(node: Node, volatile: frozenset[str]) -> str:
    kind = node.get("type")
    if node.get("sample"):
        return "a sample differs in each run"
    if kind in ("SELECT_NODE", "SET_OPERATION_NODE"):
        return _reason_of_query(node)
    if kind == "JOIN" and node.get("ref_type") == "POSITIONAL":
        return "POSITIONAL JOIN depends on the order of the rows"
    names = node.get("column_names")
    if kind == "COLUMN_REF" and isinstance(names, list) and len(names) == 1 and names[0].lower() in _CLOCKS:
        return f"{names[0]} gives another value in each run"
    name = str(node.get("function_name", "")).lower()
    if name in volatile or name in _CLOCKS:
        return f"{name}() gives another value in each run"
    if name in _ORDERED and not _has_order(node):
        return f"{name}() without ORDER BY depends on the order of the rows"
    return ""


def _reason_of_query(node: Node) -> str:
    modifiers = {modifier.get("type"): modifier for modifier in node.get("modifiers", ())}
    ordered = "ORDER_MODIFIER" in modifiers
    if not ordered and modifiers.keys() & {"LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER"}:
        return "LIMIT without ORDER BY takes any rows"
    if not ordered and modifiers.get("DISTINCT_MODIFIER", {}).get("distinct_on_targets"):
        return "DISTINCT ON without ORDER BY takes any rows"
    return ""


def _has_order(node: Node) -> bool:
    within = node.get("order_bys", {})
    return bool((isinstance(within, dict) and within.get("orders")) or node.get("orders"))
