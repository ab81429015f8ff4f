"""Is a query read-only, over its declared inputs only? Parse trees in, nothing or an error with a place out.

Several guards, each enough on its own for what it sees: the number and kind of statements by DuckDB; DuckDB's own parse
tree (nodes, tables by scope, table functions, functions with effects); sqlglot's tree; and the settings of the database
(see `engine`). What sqlglot cannot parse is refused, because then only one reader has understood the text.
"""

from __future__ import annotations

import keyword
import logging
import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from fledge.errors import nearest
from fledge_sql.engine import Cursor, EngineError
from fledge_sql.errors import ReadOnlyError, SQLDefinitionError
from fledge_sql.text import BoundText, excerpt, line_column, way_in

if TYPE_CHECKING:
    from sqlglot.expressions import Expr

__all__ = [
    "EFFECTS",
    "TABLE_FUNCTIONS",
    "TableUse",
    "check_read_only",
    "parse_tree",
    "refusal",
    "syntax_error",
    "tables_read",
    "told_attached",
    "walk",
]

Node = dict[str, Any]  # Any: DuckDB's tree as JSON

TABLE_FUNCTIONS = frozenset(
    {"generate_series", "generate_subscripts", "json_each", "json_tree", "range", "repeat", "repeat_row", "unnest"}
)
_QUERY_NODES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
_SHOWS = frozenset({"DESCRIBE", "SUMMARY"})
# Functions that change state from inside a SELECT, or that the next call could see.
EFFECTS = frozenset({"currval", "getvariable", "nextval", "setseed", "setval", "write_log"})
_REFUSED_TREES = (
    *("DML", "DDL", "Command", "Drop", "Alter", "TruncateTable", "Copy", "Attach", "Detach", "Set", "Pragma", "Use"),
    *("Transaction", "Commit", "Rollback", "Into", "Show"),
)
_READING = "A query task reads its declared inputs and nothing else. DuckDB(writes=..., attach=...) opts in to more."


@dataclass(frozen=True)
class TableUse:
    """A table that a query reads, as written; `position` in the text that was parsed.

    `repeats`: a common table expression of the query is recursive or used twice, and the table may be read more often.
    """

    name: str
    qualifier: tuple[str, ...]
    position: int
    repeats: bool = False


def check_read_only(
    cursor: Cursor,
    bound: BoundText,
    tables: Collection[str],
    databases: Collection[str] = (),
    *,
    by_signature: bool = False,
) -> list[TableUse]:
    """Refuse everything but one query over `tables` and the attached `databases`; returns the tables it reads.

    `by_signature`: the tables are the parameters of a function, and so is the way out.

    Raises:
        ReadOnlyError: The query is no query, reads what is not declared, or has effects.
        SQLDefinitionError: It does not parse.
    """
    kinds = _statement_kinds(cursor, bound)
    if len(kinds) != 1:
        raise refusal(
            bound, _second_statement(cursor, bound), f"{len(kinds)} statements; a query task runs exactly one"
        )
    if kinds[0] == "MULTI" or (kinds[0] == "CREATE" and "pivot" in bound.sql.lower()):
        raise refusal(
            bound, 0, "a PIVOT whose columns depend on the data; list them: PIVOT ... ON column IN ('a', 'b')"
        )
    if kinds[0] != "SELECT":
        raise refusal(bound, 0, f"the statement is {kinds[0]}; a query task takes one that only reads")
    (root,) = _parsed(cursor, bound)
    _check_nodes(bound, root)
    _check_sqlglot(bound, parse_tree(bound))
    uses = tables_read(bound.sql, root)
    for use in uses:
        _check_table(bound, use, tables, databases, by_signature=by_signature)
    return uses


def parse_tree(bound: BoundText) -> Expr:
    """The one statement as sqlglot's tree.

    Raises:
        SQLDefinitionError: sqlglot cannot read what DuckDB has read; `guard=False` is the way out.
    """
    import sqlglot  # noqa: PLC0415 - heavy; loaded when a query is first checked
    from sqlglot.errors import SqlglotError  # noqa: PLC0415 - as above

    logger = logging.getLogger("sqlglot")
    level = logger.level
    logger.setLevel(logging.ERROR)  # it warns of text that it keeps as a Command; that is refused below
    try:
        statements = [tree for tree in sqlglot.parse(bound.sql, dialect="duckdb") if tree is not None]
    except SqlglotError as exc:
        place: dict[str, Any] = next(
            (error for error in getattr(exc, "errors", ()) if error.get("line")), {}
        )  # Any: sqlglot's
        # sqlglot gives the column where the token ends.
        position = _offset(bound.sql, place.get("line", 1), place.get("col", 1) - len(place.get("highlight") or "") + 1)
        text = place.get("description") or str(exc).splitlines()[0]
        hint = "DuckDB may still read it: task_config=DuckDB(guard=False) runs it unguarded and without lineage."
        raise _error(bound, position, f"the second parser cannot read this: {text}", hint) from exc
    finally:
        logger.setLevel(level)
    statements = [tree for tree in statements if type(tree).__name__ != "Semicolon"]
    if len(statements) != 1:
        raise refusal(bound, 0, f"{len(statements)} statements; a query task runs exactly one")
    return statements[0]


def tables_read(sql: str, root: Node) -> list[TableUse]:
    """Every table of DuckDB's tree that is not a common table expression in its scope."""
    repeats = _may_repeat(root)
    return [
        TableUse(name, qualifier, _position(sql, node), repeats)
        for name, qualifier, node in _base_tables(root, frozenset())
    ]


def _may_repeat(root: Node) -> bool:
    """Whether a common table expression is recursive or used twice: DuckDB may then run what is in it again."""
    nodes = list(walk(root))
    used = Counter(str(node["table_name"]).lower() for node in nodes if node.get("type") == "BASE_TABLE")
    maps = (node["cte_map"] for node in nodes if isinstance(node.get("cte_map"), dict))
    named = {entry["key"].lower() for one in maps for entry in one.get("map", ())}
    return any(node.get("type") == "RECURSIVE_CTE_NODE" for node in nodes) or any(used[name] > 1 for name in named)


def _base_tables(node: object, visible: frozenset[str]) -> Iterator[tuple[str, tuple[str, ...], Node]]:
    if isinstance(node, list):
        for item in node:
            yield from _base_tables(item, visible)
        return
    if not isinstance(node, dict):
        return
    if node.get("type") == "BASE_TABLE":
        name = node.get("table_name", "")
        qualifier = tuple(node[key] for key in ("catalog_name", "schema_name") if node.get(key))
        if qualifier or name.lower() not in visible:
            yield name, qualifier, node
    entries = node["cte_map"].get("map", ()) if isinstance(node.get("cte_map"), dict) else ()
    for entry in entries:
        body = entry["value"]
        recursive = _is_recursive(body)
        yield from _base_tables(body, visible | {entry["key"].lower()} if recursive else visible)
        visible = visible | {entry["key"].lower()}
    if node.get("type") == "RECURSIVE_CTE_NODE":
        visible = visible | {str(node.get("cte_name", "")).lower()}
    for key, value in node.items():
        if key != "cte_map":
            yield from _base_tables(value, visible)


def _is_recursive(body: Node) -> bool:
    query = body.get("query_node") or body.get("query", {}).get("node") or {}
    return bool(query.get("type") == "RECURSIVE_CTE_NODE")


def walk(node: object) -> Iterator[Node]:
    """Every node of DuckDB's tree, from the root down."""
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from walk(value)
    elif isinstance(node, list):
        for item in node:
            yield from walk(item)


def _check_nodes(bound: BoundText, root: Node) -> None:
    for node in walk(root):
        kind = node.get("type")
        if not isinstance(kind, str):
            continue
        if kind.endswith("_NODE") and kind not in _QUERY_NODES:
            what = kind.removesuffix("_QUERY_NODE").removesuffix("_NODE")
            raise refusal(bound, _first_position(bound.sql, node), f"{what} inside the query")
        if kind == "TABLE_FUNCTION":
            _check_table_function(bound, node)
        elif kind == "SHOW_REF" and node.get("show_type") not in _SHOWS:
            raise refusal(bound, 0, "SHOW reads the catalog")
        elif kind == "FUNCTION" and str(node.get("function_name", "")).lower() in EFFECTS:
            raise refusal(
                bound, _position(bound.sql, node), f"function {node['function_name']}() changes or reads state"
            )


def _check_table_function(bound: BoundText, node: Node) -> None:
    name = str(node.get("function", {}).get("function_name", ""))
    if name.lower() not in TABLE_FUNCTIONS:
        raise refusal(
            bound, _position(bound.sql, node), f"table function {name}() is not allowed", _table_function_hint(name)
        )


def _table_function_hint(name: str) -> str:
    if name.lower().startswith(("read_", "parquet_", "sniff_", "glob")):
        return (
            "Files come in as inputs: declare FlyteFile or FlyteDirectory of parquet and read it by the input's name."
        )
    return f"Allowed table functions: {', '.join(sorted(TABLE_FUNCTIONS))}. {_READING}"


def _check_table(
    bound: BoundText, use: TableUse, tables: Collection[str], databases: Collection[str], *, by_signature: bool
) -> None:
    known = {name.lower() for name in tables}
    if use.qualifier:
        if use.qualifier[0].lower() in {name.lower() for name in databases}:
            return
        full = ".".join((*use.qualifier, use.name))
        attached = told_attached(use.qualifier[0], databases)
        raise refusal(bound, use.position, f"table {full!r} is not a declared input{attached}")
    if use.name.lower() not in known:
        declared = f"declared tables: {', '.join(sorted(tables))}" if tables else "the task declares no table"
        message = f"table {use.name!r} is not a declared input{nearest(use.name, tables)} ({declared})"
        raise refusal(bound, use.position, message, _way_in_of_table(use.name, by_signature=by_signature))


def told_attached(name: str, databases: Collection[str]) -> str:
    """What a message about an unknown database ends with: the nearest one and all there are."""
    return f"{nearest(name, databases)} (attached: {', '.join(databases)})" if databases else ""


def _way_in_of_table(name: str, *, by_signature: bool) -> str:
    """A file or another name that Python has not, as `x-y.csv`, comes in under one that it has."""
    if name.isidentifier() and not keyword.iskeyword(name):
        return way_in(name, "pa.Table", by_signature=by_signature) + "."
    known = re.sub(r"\W+", "_", PurePath(name).stem).strip("_")
    if not known.isidentifier() or keyword.iskeyword(known):
        known = f"t_{known}" if known else "t"
    kind = "FlyteFile" if name.endswith(".parquet") else "pa.Table"
    return f"{way_in(known, kind, by_signature=by_signature)}. Read it by that name: FROM {known}."


def _check_sqlglot(bound: BoundText, tree: Expr) -> None:
    from sqlglot import exp  # noqa: PLC0415 - heavy; loaded when a query is first checked

    if not isinstance(tree, (exp.Query, exp.Values, exp.Describe, exp.Summarize, exp.Pivot)):
        raise refusal(bound, 0, f"the statement is {tree.key.upper()}; a query task takes one that only reads")
    refused = tuple(getattr(exp, name) for name in _REFUSED_TREES)
    for node in tree.walk():
        if isinstance(node, refused) and not isinstance(node, exp.Query):
            raise refusal(bound, 0, f"{node.key.upper()} inside the query")


def _statement_kinds(cursor: Cursor, bound: BoundText) -> list[str]:
    try:
        return cursor.statement_kinds(bound.sql)
    except EngineError as exc:
        raise syntax_error(bound, exc) from exc


def _parsed(cursor: Cursor, bound: BoundText) -> list[Node]:
    try:
        return cursor.parse(bound.sql)
    except EngineError as exc:
        raise syntax_error(bound, exc) from exc


def syntax_error(bound: BoundText, exc: EngineError) -> SQLDefinitionError:
    """A text that DuckDB's parser refuses, at the author's place."""
    hint = ""
    if exc.position is not None and bound.is_placeholder(exc.position):
        hint = (
            "The grammar takes no parameter here. Try parentheses around it, or a place where an expression may stand."
        )
    return _error(bound, len(bound.sql) if exc.position is None else exc.position, exc.message, hint)


def _second_statement(cursor: Cursor, bound: BoundText) -> int:
    """Where the second statement begins."""
    for index, character in enumerate(bound.sql):
        if character == ";":
            try:
                if cursor.statement_kinds(bound.sql[: index + 1]):
                    rest = bound.sql[index + 1 :]
                    return index + 1 + len(rest) - len(rest.lstrip())
            except EngineError:  # this semicolon stands in a literal or a comment
                continue
    return 0


def _position(sql: str, node: Node) -> int:
    place = node.get("query_location", 0)
    return len(sql.encode()[:place].decode(errors="ignore"))


def _first_position(sql: str, node: Node) -> int:
    places = [one["query_location"] for one in walk(node) if "query_location" in one]
    return len(sql.encode()[: min(places)].decode(errors="ignore")) if places else 0


def _offset(sql: str, line: int, column: int) -> int:
    lines = sql.splitlines(keepends=True)
    return sum(map(len, lines[: line - 1])) + max(column - 1, 0)


def _place(bound: BoundText, position: int) -> tuple[int, int]:
    return line_column(bound.author, bound.author_position(position))


def refusal(bound: BoundText, position: int, what: str, hint: str = _READING) -> ReadOnlyError:
    """The error of a guard, at the author's place."""
    line, column = _place(bound, position)
    return ReadOnlyError(
        what, line=line, column=column, hint=hint, excerpt=excerpt(bound.author, bound.author_position(position))
    )


def _error(bound: BoundText, position: int, message: str, hint: str = "") -> SQLDefinitionError:
    line, column = _place(bound, position)
    return SQLDefinitionError(
        message, line=line, column=column, hint=hint, excerpt=excerpt(bound.author, bound.author_position(position))
    )
