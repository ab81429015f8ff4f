"""Queries over attached databases, and scripts that write: what `attach` and `writes` of a DuckDB config opt in to.

A script is several statements over a private database that is closed with its call. It may write the tables and
databases that `writes` names and read the declared inputs, what it wrote and what is attached; it runs as one
transaction, and only its last statement returns.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fledge_sql.engine import Attached
from fledge_sql.errors import ParameterError, SQLDefinitionError
from fledge_sql.guard import EFFECTS, TABLE_FUNCTIONS, refusal, told_attached

if TYPE_CHECKING:
    from sqlglot.expressions import Expr

    from fledge_sql.text import BoundText

__all__ = ["NO_ACCESS", "Access", "access_of", "attached_files", "check_script"]

_DUCKDBS_OWN = frozenset({"information_schema", "main", "memory", "pg_catalog", "system", "temp"})


@dataclass(frozen=True)
class Access:
    """What a query may reach beyond its tables.

    Attributes:
        databases: Alias -> path of a database file, or None when the input of that name holds the path.
        writes: Tables (`orders`, `sales.orders`) and databases (`sales`) that may be written.
    """

    databases: Mapping[str, str | None]
    writes: tuple[str, ...] = ()

    @property
    def is_private(self) -> bool:
        return bool(self.databases or self.writes)

    def may_write(self, parts: tuple[str, ...]) -> bool:
        allowed = {_short(tuple(name.lower().split("."))) for name in self.writes}
        folded = tuple(part.lower() for part in parts)
        return _short(folded) in allowed or (len(parts) > 1 and folded[:1] in allowed)

    def may_read(self, parts: tuple[str, ...], tables: Collection[str]) -> bool:
        if len(parts) == 1:
            return parts[0].lower() in {name.lower() for name in tables} or self.may_write(parts)
        return parts[0].lower() in {name.lower() for name in self.databases} or self.may_write(parts)


NO_ACCESS = Access({})


def _short(parts: tuple[str, ...]) -> tuple[str, ...]:
    """`sales.main.orders` as `sales.orders`: main is the schema that goes without saying."""
    return (parts[0], parts[2]) if len(parts) == 3 and parts[1] == "main" else parts


def access_of(attach: object, writes: str | Iterable[str], inputs: Collection[str]) -> Access:
    """Read `attach`: names of inputs, paths (their stems are the aliases), or a mapping from alias to path.

    Raises:
        SQLDefinitionError: Two databases of one name, a name that DuckDB keeps for itself, or an entry that is none
            of these.
    """
    databases: dict[str, str | None] = {}
    pairs = attach.items() if isinstance(attach, Mapping) else [(None, one) for one in _entries(attach)]
    for alias, entry in pairs:
        from_input = alias is None and isinstance(entry, str) and entry in inputs
        name = str(entry) if from_input else alias or Path(str(entry)).stem
        if name.lower() in {known.lower() for known in databases}:
            raise SQLDefinitionError(
                f"two attached databases are called {name!r}. Name them: attach={{'name': 'path'}}"
            )
        if name.lower() in _DUCKDBS_OWN:
            way_out = "Rename the input" if from_input else "Name it: attach={'name': 'path'}"
            raise SQLDefinitionError(
                f"no attached database can be called {name!r}: DuckDB uses that name itself. {way_out}"
            )
        databases[name] = None if from_input else str(entry)
    return Access(databases, (writes,) if isinstance(writes, str) else tuple(writes))


def attached_files(access: Access, values: Mapping[str, Any]) -> list[Attached]:  # Any: as the task declares
    """The database files of one call; those that come as inputs are fetched.

    Raises:
        ParameterError: A file is missing: reading would make an empty one.
    """
    written = {name.partition(".")[0].lower() for name in access.writes}
    files = []
    for alias, fixed in access.databases.items():
        path = fixed if fixed is not None else values[alias].__fspath__()
        writable = alias.lower() in written
        if not writable and not Path(path).exists():
            raise ParameterError(alias, "a database file", f"{path} does not exist")
        files.append(Attached(alias, path, writable))
    return files


def check_script(bound: BoundText, tables: Collection[str], access: Access) -> list[bool]:
    """Check every statement; returns for each whether it is a query.

    Raises:
        ReadOnlyError: A statement writes or reads what is not allowed, or is of a kind that scripts do not hold.
        SQLDefinitionError: It does not parse.
    """
    from sqlglot import exp  # noqa: PLC0415 - heavy; loaded when a script is first checked

    kinds = []
    written: dict[str, str] = {}
    temporary: set[str] = set()
    for tree in _statements(bound):
        target = _target(tree)
        if target is None and not isinstance(tree, exp.Query):
            raise refusal(bound, 0, f"a script holds no {tree.key.upper()} statement", _SCRIPT_HINT)
        if target is not None and not access.may_write(_parts(target)):
            name = ".".join(_parts(target))
            hint = f"Allow it: writes=({name!r},). Now it is {access.writes or 'empty'}."
            raise refusal(
                bound, _place(bound, target), f"{tree.key.upper()} writes {name!r}, which is not in writes", hint
            )
        _check_reads(bound, tree, target, tables, access)
        if target is not None:
            _check_one_database(bound, tree, target, temporary, written)
        kinds.append(target is None)
    if not kinds:
        raise SQLDefinitionError("the script is empty", line=1, column=1)
    return kinds


_SCRIPT_HINT = "Allowed: queries, INSERT, UPDATE, DELETE, MERGE, TRUNCATE; CREATE, ALTER and DROP of tables and views."


def _statements(bound: BoundText) -> list[Expr]:
    import sqlglot  # noqa: PLC0415 - heavy; loaded when a script is first checked
    from sqlglot.errors import SqlglotError  # noqa: PLC0415 - as sqlglot

    logger = logging.getLogger("sqlglot")
    level = logger.level
    logger.setLevel(logging.ERROR)  # it warns of text that it keeps as a Command; that is refused
    try:
        trees = sqlglot.parse(bound.sql, dialect="duckdb")
    except SqlglotError as exc:
        raise SQLDefinitionError(f"the script cannot be read: {str(exc).splitlines()[0]}", line=1, column=1) from exc
    finally:
        logger.setLevel(level)
    return [tree for tree in trees if tree is not None and type(tree).__name__ != "Semicolon"]


def _target(tree: Expr) -> Expr | None:
    """The table that a statement writes; None when it is of no writing kind that scripts may hold."""
    from sqlglot import exp  # noqa: PLC0415 - heavy; loaded when a script is first checked

    if isinstance(tree, (exp.Create, exp.Drop, exp.Alter)) and tree.args.get("kind") not in ("TABLE", "VIEW"):
        return None
    if isinstance(tree, (exp.Drop, exp.TruncateTable)):
        tables = list(tree.find_all(exp.Table))
        return tables[0] if len(tables) == 1 else None
    if isinstance(tree, (exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Create, exp.Alter)):
        return tree.this.find(exp.Table) if tree.this is not None else None
    return None


def _check_one_database(
    bound: BoundText, tree: Expr, target: Expr, temporary: set[str], written: dict[str, str]
) -> None:
    """DuckDB's transactions write to one database; temporary tables are in none."""
    from sqlglot import exp  # noqa: PLC0415 - heavy; loaded when a script is first checked

    parts = _parts(target)
    if tree.find(exp.TemporaryProperty) or parts[-1].lower() in temporary:
        temporary.add(parts[-1].lower())
        return
    written[parts[0].lower() if len(parts) > 1 else ""] = ".".join(parts)
    if len(written) > 1:
        hint = "A script is one transaction, which writes to one database. Make scratch tables with CREATE TEMP TABLE."
        raise refusal(bound, _place(bound, target), f"the script writes {' and '.join(written.values())}", hint)


def _check_reads(bound: BoundText, tree: Expr, target: Expr | None, tables: Collection[str], access: Access) -> None:
    from sqlglot import exp  # noqa: PLC0415 - heavy; loaded when a script is first checked

    names = {cte.alias_or_name.lower() for cte in tree.find_all(exp.CTE)}
    for node in tree.walk():
        if isinstance(node, (exp.DML, exp.Command, exp.Copy, exp.Into)) and node is not tree:
            raise refusal(bound, 0, f"{node.key.upper()} inside a statement", _SCRIPT_HINT)
        if isinstance(node, exp.Anonymous) and node.name.lower() in EFFECTS:
            raise refusal(bound, 0, f"function {node.name}() changes or reads state", _SCRIPT_HINT)
        if not isinstance(node, exp.Table) or node is target:
            continue
        if not isinstance(node.this, exp.Identifier):
            function = node.this.name if isinstance(node.this, exp.Anonymous) else node.this.key
            if function.lower().replace("_", "") not in {name.replace("_", "") for name in TABLE_FUNCTIONS}:
                raise refusal(bound, 0, f"table function {function}() is not allowed", _SCRIPT_HINT)
            continue
        parts = _parts(node)
        if len(parts) == 1 and parts[0].lower() in names:
            continue
        if not access.may_read(parts, tables):
            attached = told_attached(parts[0], access.databases) if len(parts) > 1 else ""
            message = f"table {'.'.join(parts)!r} is neither an input nor in writes{attached}"
            raise refusal(bound, _place(bound, node), message)


def _parts(table: Expr) -> tuple[str, ...]:
    return tuple(part.name for part in table.parts)  # type: ignore[attr-defined] # exp.Table has it; its base has not


def _place(bound: BoundText, table: Expr) -> int:
    found = bound.sql.lower().find(_parts(table)[-1].lower())
    return max(found, 0)


def _entries(attach: object) -> list[object]:
    if isinstance(attach, (str, Path)):
        return [attach]
    entries: list[object] = list(attach) if isinstance(attach, Iterable) else [None]
    if all(isinstance(one, (str, Path)) for one in entries):
        return entries
    raise SQLDefinitionError(f"attach={attach!r}: give paths or names of inputs, or a mapping from name to path")
