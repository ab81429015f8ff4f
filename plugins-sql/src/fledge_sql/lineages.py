"""A checked query in; out: which input columns it reads, and from which each column of its result is made.

Names are the real ones: DuckDB's for the result, the declared ones for the inputs. `columns_read` also counts WHERE,
JOIN, GROUP BY and ORDER BY: a query fails, or means something else, when one of these columns is taken away.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

from fledge_sql.arrow_types import arrow_schema
from fledge_sql.errors import SQLDefinitionError
from fledge_sql.guard import parse_tree

if TYPE_CHECKING:
    from sqlglot.expressions import Expr

    from fledge_sql.checking import CheckedQuery

__all__ = ["HasQuery", "column_lineage", "columns_deciding", "columns_read", "output_schema", "qualified_tree"]


class HasQuery(Protocol):
    """A SQL task, as the functions here see one."""

    @property
    def name(self) -> str: ...

    @property
    def checked(self) -> CheckedQuery: ...


def output_schema(task: HasQuery) -> Any:  # Any: pa.Schema; pyarrow has no types of its own
    """The Arrow schema of a task's result, known without running it.

    Raises:
        SQLDefinitionError: A table of the query declares no columns.
    """
    columns = task.checked.columns
    if columns is None:
        raise _unknown(task)
    return arrow_schema(columns)


def columns_read(task: HasQuery) -> dict[str, set[str]]:
    """Input table -> its columns that the query reads, wherever they stand in it.

    Raises:
        SQLDefinitionError: A column cannot be told from the tables that declare none.
    """
    found: dict[str, set[str]] = {name: set() for name in task.checked.tables}
    for table, column, _ in _uses(task):
        found[table].add(column)
    return found


def columns_deciding(task: HasQuery) -> set[tuple[str, str]]:
    """The (input, column) pairs that choose, join, group or order rows; their values need not be in the result.

    Raises:
        SQLDefinitionError: As columns_read.
    """
    used = list(_uses(task))
    shown = {pair for pairs in column_lineage(task).values() for pair in pairs}
    return {(table, column) for table, column, is_shown in used if not is_shown or (table, column) not in shown}


def column_lineage(task: HasQuery) -> dict[str, set[tuple[str, str]]]:
    """Column of the result -> the (input, column) pairs its values are made of.

    Raises:
        SQLDefinitionError: As columns_read.
    """
    from sqlglot import exp  # noqa: PLC0415 - heavy; lineage is asked for rarely
    from sqlglot.lineage import lineage  # noqa: PLC0415 - as sqlglot

    if task.checked.columns is None:
        raise _unknown(task)
    names = _declared_names(task)
    # All columns at once: the signature of sqlglot's function does not say that None is allowed.
    nodes: Any = lineage(None, qualified_tree(task), schema=_schema(task), dialect="duckdb")
    result: dict[str, set[tuple[str, str]]] = {}
    for column, root in zip(task.checked.columns, nodes.values(), strict=True):
        pairs = result.setdefault(column.name, set())
        for node in root.walk():
            table = node.expression
            if isinstance(table, exp.Table) and table.name.lower() in names:
                name, columns = names[table.name.lower()]
                read = node.name.rsplit(".", 1)[-1].strip('"')
                pairs.add((name, columns.get(read.lower(), read)))
    return result


def _uses(task: HasQuery) -> Iterator[tuple[str, str, bool]]:
    """Input, column, and whether it stands in a SELECT list, for every place where a column of an input stands."""
    from sqlglot import exp  # noqa: PLC0415 - heavy; lineage is asked for rarely
    from sqlglot.optimizer.scope import traverse_scope  # noqa: PLC0415 - as sqlglot

    names = _declared_names(task)
    for scope in traverse_scope(qualified_tree(task)):
        for column in scope.columns:
            source = scope.sources.get(column.table)
            if isinstance(source, exp.Table) and source.name.lower() in names:
                table, columns = names[source.name.lower()]
                part: Expr = column
                while part.parent is not None and not isinstance(part.parent, exp.Query):
                    part = part.parent
                yield table, columns.get(column.name.lower(), column.name), part.arg_key == "expressions"


def qualified_tree(task: HasQuery) -> Expr:
    """The query's tree with every column given its table and `*` written out; the text that runs is another one."""
    from sqlglot import exp  # noqa: PLC0415 - heavy; lineage is asked for rarely
    from sqlglot.errors import SqlglotError  # noqa: PLC0415 - as sqlglot
    from sqlglot.optimizer.qualify import qualify  # noqa: PLC0415 - as sqlglot

    tree = parse_tree(task.checked.bound)
    for exists in tree.find_all(exp.Exists):
        if isinstance(exists.this, exp.Select) and exists.this.is_star:
            exists.this.set("expressions", [exp.Literal.number(1)])  # EXISTS (SELECT * ...) reads no column by its *
    try:
        return qualify(tree, schema=_schema(task), dialect="duckdb", validate_qualify_columns=True)
    except SqlglotError as exc:
        raise SQLDefinitionError(
            f"task {task.name}: the lineage of its columns cannot be told: {exc}. "
            "Declare the columns of its tables: Annotated[pa.Table, kwtypes(...)]"
        ) from exc


def _schema(task: HasQuery) -> dict[str, object]:
    return {
        name: {column.name: column.sql_type for column in table.columns}
        for name, table in task.checked.tables.items()
        if table.columns is not None
    }


def _declared_names(task: HasQuery) -> dict[str, tuple[str, dict[str, str]]]:
    """Folded table name -> (declared name, folded column name -> declared name): SQL names have no case."""
    return {
        name.lower(): (name, {column.name.lower(): column.name for column in table.columns or ()})
        for name, table in task.checked.tables.items()
    }


def _unknown(task: HasQuery) -> SQLDefinitionError:
    undeclared = ", ".join(name for name, table in task.checked.tables.items() if table.columns is None)
    return SQLDefinitionError(
        f"task {task.name}: the result is known once every table declares its columns; {undeclared} does not. "
        "Write Annotated[pa.Table, kwtypes(column=type, ...)]"
    )
