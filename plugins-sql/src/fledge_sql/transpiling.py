"""A task's query in, the text for another engine out, with that engine's own placeholders and nothing left to chance.

sqlglot writes functions that a target lacks, or that mean something else there, without a word. So the tree that is
written is the qualified and typed one, only functions whose meaning was compared are let through, and a parameter that
got lost on the way is an error.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fledge.errors import nearest
from fledge_sql.engine import quoted
from fledge_sql.errors import SQLDefinitionError
from fledge_sql.guard import parse_tree
from fledge_sql.lineages import HasQuery, qualified_tree

if TYPE_CHECKING:
    from sqlglot.expressions import Expr

__all__ = ["DIALECTS", "sql_dialect_number", "transpile"]

# dialect -> how it takes a parameter: bound by name, or pasted by the platform (then only types without quotes are
# safe).
DIALECTS = {
    "athena": "template",
    "bigquery": "@",
    "hive": "template",
    "presto": "template",
    "snowflake": "%",
    "spark": "template",
    "trino": "template",
}
# Functions, as sqlglot names them, that mean the same on every engine above.
_PORTABLE = frozenset(
    {
        *(
            "Abs",
            "And",
            "Avg",
            "Case",
            "Cast",
            "Ceil",
            "Coalesce",
            "Count",
            "CountIf",
            "CurrentDate",
            "DenseRank",
            "Exists",
        ),
        *("Exp", "Extract", "Floor", "If", "Lag", "Lead", "Length", "Ln", "Lower", "Max", "Min", "Nullif", "Or", "Pow"),
        *(
            "Rank",
            "Replace",
            "Round",
            "RowNumber",
            "Sqrt",
            "Stddev",
            "StddevSamp",
            "Substring",
            "Sum",
            "TimestampTrunc",
        ),
        *("Trim", "TryCast", "Upper", "Variance", "DateTrunc", "Not", "Xor"),
    }
)
_REFUSED = frozenset(
    {
        *(
            "Array",
            "ArrayAgg",
            "Bracket",
            "Columns",
            "Explode",
            "Kwarg",
            "Lambda",
            "Lateral",
            "Map",
            "Pivot",
            "PropertyEQ",
        ),
        *("Slice", "Star", "Struct", "TableSample", "ToMap", "Unnest"),
    }
)
_FREE_INTERVALS = frozenset({"bigquery", "spark"})
_SIMPLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLAIN = re.compile(r"(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DOUBLE|FLOAT|BOOLEAN|DECIMAL\(.*\))")
_MARK = re.compile(r"__fledge_([a-z_0-9]+?)_end__", re.IGNORECASE)


def transpile(task: HasQuery, dialect: str) -> tuple[str, list[str]]:
    """The query in another engine's SQL.

    Args:
        task: A SQL task.
        dialect: One of DIALECTS.

    Returns:
        The text with the engine's placeholders, and the parameters' names in the order they stand in it.

    Raises:
        SQLDefinitionError: The dialect is unknown; the query holds what the engine lacks or reads otherwise; or a
            parameter has a type that would have to be pasted into the text between quotes.
    """
    import sqlglot  # noqa: PLC0415 - heavy; transpiling is asked for rarely
    from sqlglot.errors import ErrorLevel, SqlglotError  # noqa: PLC0415 - as sqlglot

    if dialect not in DIALECTS:
        raise SQLDefinitionError(
            f"dialect {dialect!r} is unknown{nearest(dialect, DIALECTS)}. Known: {', '.join(DIALECTS)}"
        )
    tree = _typed_tree(task)
    _refuse_foreign(task, tree, dialect)
    names = _mark_parameters(tree)
    try:
        # Without comments: a platform fills in templates, and engines read parameters, in them as well.
        text = tree.sql(dialect, unsupported_level=ErrorLevel.RAISE, comments=False)
    except SqlglotError as exc:
        raise SQLDefinitionError(f"task {task.name}: {dialect} cannot run this query: {exc}") from exc
    if sorted(_MARK.findall(text)) != sorted(names):
        raise SQLDefinitionError(
            f"task {task.name}: {dialect} takes no parameter where the query has one, as in INTERVAL ($n) DAY. "
            "Compute with it in another place"
        )
    if "{{" in text:
        raise SQLDefinitionError(
            f"task {task.name}: the query holds {{{{ as text, which the platform would take for a template. "
            "Write it as '{' || '{'"
        )
    sqlglot.parse_one(text, dialect=dialect)  # what was written reads back
    ordered = _MARK.findall(text)
    if DIALECTS[dialect] == "%" and ordered:
        text = text.replace("%", "%%")  # the connector formats the text with %
    return _MARK.sub(lambda match: _placeholder(task, match[1], dialect), text), list(dict.fromkeys(ordered))


def sql_dialect_number(text: str, dialect: str) -> int:
    """The IDL's number: ANSI 1 when every reader takes the text for the same, HIVE 2 for Hive and Spark, OTHER 3.

    Source: flyteidl.core.Sql.Dialect.
    """
    import sqlglot  # noqa: PLC0415 - heavy; transpiling is asked for rarely
    from sqlglot.errors import SqlglotError  # noqa: PLC0415 - as sqlglot

    if dialect in ("hive", "spark"):
        return 2
    bare = re.sub(r"%\((\w+)\)s|@(\w+)|\{\{ \.inputs\.(\w+) \}\}", "1", text).replace("%%", "%")
    try:
        return 1 if sqlglot.parse_one(bare, dialect="") == sqlglot.parse_one(bare, dialect=dialect) else 3
    except SqlglotError:
        return 3


def _typed_tree(task: HasQuery) -> Expr:
    from sqlglot import exp  # noqa: PLC0415 - heavy; transpiling is asked for rarely
    from sqlglot.optimizer.annotate_types import annotate_types  # noqa: PLC0415 - as sqlglot

    if task.checked.columns is None:  # tables without columns: `*` cannot be written out, and is refused below
        return parse_tree(task.checked.bound)
    schema: dict[str, object] = {
        name: {column.name: column.sql_type for column in table.columns or ()}
        for name, table in task.checked.tables.items()
    }
    tree = annotate_types(qualified_tree(task), schema=schema, dialect="duckdb")
    selects = tree.selects if isinstance(tree, exp.Query) else []
    for column, select in zip(task.checked.columns, selects, strict=True):
        if isinstance(select, exp.Alias):
            select.set("alias", exp.to_identifier(column.name, quoted=True))  # the name it has on DuckDB
    for name in tree.find_all(exp.Identifier):
        # In quotes Snowflake and others would look for small letters; names that need quotes keep them.
        name.set("quoted", not _SIMPLE_NAME.fullmatch(name.name))
    return tree


def _refuse_foreign(task: HasQuery, tree: Expr, dialect: str) -> None:
    from sqlglot import exp  # noqa: PLC0415 - heavy; transpiling is asked for rarely

    for node in tree.walk():
        kind = type(node).__name__
        if kind == "Interval" and not isinstance(node.this, exp.Literal) and dialect not in _FREE_INTERVALS:
            raise SQLDefinitionError(
                f"task {task.name}: {dialect} takes no computed interval, as {node.sql('duckdb')}. "
                "Pass the point in time as a parameter, or run it on DuckDB"
            )
        if kind == "Star" and isinstance(node.parent, exp.Count):
            continue
        if kind in _REFUSED or (isinstance(node, exp.Func) and kind not in _PORTABLE):
            what = node.name if kind == "Anonymous" else node.sql("duckdb")
            way_out = (
                "Declare the tables' columns" if kind == "Star" else "Write it with functions that all engines have"
            )
            raise SQLDefinitionError(
                f"task {task.name}: {what} is not known to mean the same on {dialect}. {way_out}, or run it on DuckDB"
            )


def _mark_parameters(tree: Expr) -> list[str]:
    """Put a word in place of every parameter, which no generator changes; returns the names."""
    from sqlglot import exp  # noqa: PLC0415 - heavy; transpiling is asked for rarely

    names = []
    for node in list(tree.find_all(exp.Placeholder)):
        names.append(node.name)
        node.replace(exp.Var(this=f"__fledge_{node.name}_end__"))
    return names


def _placeholder(task: HasQuery, name: str, dialect: str) -> str:
    style = DIALECTS[dialect]
    if style == "@":
        return f"@{name}"
    if style == "%":
        return f"%({name})s"
    sql_type = task.checked.parameters[name].sql_type
    if _PLAIN.fullmatch(sql_type):
        return f"{{{{ .inputs.{name} }}}}"
    if sql_type.startswith(("DATE", "TIMESTAMP")) and dialect != "hive":
        text = f"'{{{{ .inputs.{name} }}}}'"  # the platform writes a time as RFC 3339
        return text if dialect == "spark" else f"from_iso8601_timestamp({text})"
    raise SQLDefinitionError(
        f"task {task.name}: input {name!r} ({sql_type}) would be pasted into the text for {dialect}, where a value can "
        f"become a part of the query. Numbers, booleans and times are safe; {quoted(name)} is not"
    )
