"""A query, its declared inputs and outputs in; a checked query out, or an error with line, column and way out.

DuckDB judges on empty tables of the declared columns: names, types, arity, grouping, and what the result will be.
Placeholders and inputs are compared both ways. Nothing is run and no data is read.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from fledge.errors import nearest
from fledge_sql.engine import Column, Cursor, EngineError, open_cursor, quoted
from fledge_sql.errors import QueryError, SQLDefinitionError
from fledge_sql.guard import TableUse, check_read_only, syntax_error
from fledge_sql.results import check_result
from fledge_sql.schemas import (
    DeclaredColumn,
    NameInput,
    Native,
    Output,
    ParameterInput,
    TableInput,
    declare_input,
    declare_output,
)
from fledge_sql.scripts import NO_ACCESS, Access, access_of, check_script
from fledge_sql.text import (
    BoundText,
    Placeholder,
    bind,
    error_at,
    excerpt,
    foreign_use,
    line_column,
    placeholder_names,
    scan,
    unknown_placeholder,
    without_end,
)

__all__ = ["CheckedQuery", "check_query", "query_error"]

MAX_NAME_COMBINATIONS = 64
_WITHOUT_VALUES = frozenset({"Catalog", "IO", "Out of Memory", "Parser", "Permission"})  # errors of the engine


@dataclass(frozen=True)
class CheckedQuery:
    """A query that may run.

    Attributes:
        text: The author's text.
        parameters, names, tables: The declared inputs by their meaning.
        outputs: The declared outputs; empty when none were given.
        uses: The tables the query reads, each as in the choice of names that reads it most often; empty when it is not
            guarded.
        columns: Names and types of the result; None when some table declares no columns.
        access: What it may reach beyond its tables.
        statements: For each statement whether it is a query; more than one only in a script that writes.
    """

    text: str
    placeholders: tuple[Placeholder, ...]
    parameters: Mapping[str, ParameterInput]
    names: Mapping[str, NameInput]
    tables: Mapping[str, TableInput]
    outputs: tuple[Output, ...]
    uses: tuple[TableUse, ...]
    columns: tuple[Column, ...] | None
    access: Access = NO_ACCESS
    statements: tuple[bool, ...] = (True,)

    @cached_property
    def bound(self) -> BoundText:
        """The text that runs, with the first allowed value for every name."""
        return self.bind({name: declared.allowed[0] for name, declared in self.names.items()})

    def bind(self, chosen: Mapping[str, str]) -> BoundText:
        """The text that runs when the names are these."""
        return bind(self.text, self.placeholders, lambda placeholder: _rendered(placeholder, self.parameters, chosen))

    def scans_of(self, table: str) -> int:
        """How often the query reads a table, for any choice of names: 1: at most once; 0: not guarded, nobody knows."""
        return _scans(use for use in self.uses if use.name.lower() == table.lower())

    @property
    def used_parameters(self) -> list[str]:
        return [name for name in placeholder_names(self.placeholders) if name in self.parameters]


def check_query(
    query: str,
    inputs: Mapping[str, Native],
    outputs: Mapping[str, Native] | None = None,
    *,
    guard: bool = True,
    attach: object = (),
    writes: str | Iterable[str] = (),
    by_signature: bool = False,
) -> CheckedQuery:
    """Check a query against its declared inputs and outputs.

    Args:
        query: SQL in DuckDB's dialect, with `$name` or `{{ .inputs.name }}` for values.
        inputs: Name to type, or to (type, default).
        outputs: Name to type; None: the result is not compared.
        guard: False: run what the guards would refuse, and what only DuckDB can parse.
        attach, writes: As of DuckDB: databases to reach, and what a script may write.
        by_signature: Inputs and outputs are those of a function; errors say how to change them there.

    Raises:
        SQLDefinitionError: With the place of the first fault. ReadOnlyError, a child, when a guard refuses.
    """
    placeholders = scan(query)
    access = access_of(attach, writes, inputs)
    inputs = {name: given for name, given in inputs.items() if access.databases.get(name, "") is not None}
    declared = [declare_input(name, given[0] if isinstance(given, tuple) else given) for name, given in inputs.items()]
    parameters = {one.name: one for one in declared if isinstance(one, ParameterInput)}
    names = {one.name: one for one in declared if isinstance(one, NameInput)}
    tables = {one.name: one for one in declared if isinstance(one, TableInput)}
    draft = CheckedQuery(
        query,
        placeholders,
        parameters,
        names,
        tables,
        tuple(declare_output(name, annotation) for name, annotation in (outputs or {}).items()),
        (),
        None,
        access,
    )
    _check_placeholders(draft, by_signature=by_signature)
    _check_used(draft)
    with open_cursor() as cursor, _deep_refused():
        checked = [
            _checked_text(cursor, draft, draft.bind(chosen), guard=guard, by_signature=by_signature)
            for chosen in _combinations(names.values())
        ]
    if guard and not access.writes:
        _check_tables_used(draft, {use.name.lower() for one in checked for use in one.uses})
    return replace(checked[0], uses=_most_uses([one.uses for one in checked], names.values()))


@contextmanager
def _deep_refused() -> Iterator[None]:
    """The readers of a query call themselves for what is nested in it."""
    try:
        yield
    except RecursionError as exc:
        hint = (
            "Split it with WITH, or write a list in place of a long chain: x IN $xs for x = 1 OR x = 2 OR ... "
            "task_config=DuckDB(guard=False) runs it unchecked."
        )
        raise SQLDefinitionError("the query is nested too deep to be checked", hint=hint) from exc


def query_error(bound: BoundText, exc: EngineError, known: Iterable[str] = ()) -> SQLDefinitionError:
    """The engine's complaint at the author's place, with the nearest known name."""
    position = exc.position if exc.position is not None else _mentioned(bound.sql, exc.message)
    message = _headline(exc)
    near = nearest(exc.name, known) if exc.name else ""
    if not near and exc.candidates and "(" not in exc.candidates[0]:
        near = f"; did you mean {exc.candidates[0]!r}?"
    place = bound.author_position(position or 0)
    line, column = line_column(bound.author, place)
    return SQLDefinitionError(
        message + near, line=line, column=column, hint=_way_out(exc), excerpt=excerpt(bound.author, place)
    )


def _checked_text(
    cursor: Cursor, query: CheckedQuery, bound: BoundText, *, guard: bool, by_signature: bool
) -> CheckedQuery:
    """The query with what one choice of names shows: the tables it uses and the columns of its result."""
    if not without_end(bound.author):
        raise SQLDefinitionError("the query is empty", line=1, column=1)
    if query.access.writes:
        kinds = check_script(bound, query.tables, query.access)
        if query.outputs and not kinds[-1]:
            way_out = "-> None" if by_signature else "outputs={}"
            message = f"output {query.outputs[0].name!r} has no value: the script's last statement is no query"
            last = max(len(without_end(bound.author)) - 1, 0)
            raise error_at(bound.author, last, message, f"End with a SELECT, or declare no output: {way_out}")
        return replace(query, statements=tuple(kinds))
    if not guard:
        try:
            cursor.statement_kinds(bound.sql)
        except EngineError as exc:
            raise syntax_error(bound, exc) from exc
        return query
    uses = tuple(check_read_only(cursor, bound, query.tables, query.access.databases, by_signature=by_signature))
    wanted = {use.name.lower() for use in uses}
    tables = [table for table in query.tables.values() if table.name.lower() in wanted]
    if any(table.columns is None for table in tables) or any(use.qualifier for use in uses):
        return replace(query, uses=uses)
    for table in tables:
        cursor.create_empty(table.name, [Column(one.name, one.sql_type) for one in table.columns or ()])
    types = {name: query.parameters[name].sql_type for name in query.used_parameters}
    try:
        columns = tuple(cursor.typed_columns(bound.sql, types))
    except EngineError as exc:
        raise query_error(bound, exc, _column_names(tables)) from exc
    check_result(query.outputs, columns, bound)
    return replace(query, uses=uses, columns=columns)


def _check_placeholders(query: CheckedQuery, *, by_signature: bool) -> None:
    text, parameters, names, tables = query.text, query.parameters, query.names, query.tables
    for placeholder in query.placeholders:
        for name in placeholder.names:
            if name in tables:
                hint = f"A table is read by its name: FROM {name}."
                raise error_at(text, placeholder.at, f"input {name!r} is a table, not a value", hint)
            if name not in parameters and name not in names:
                raise unknown_placeholder(text, placeholder, name, [*parameters, *names], by_signature=by_signature)
            if placeholder.literal and (name in names or parameters[name].sql_type.endswith(("]", ")", "BLOB"))):
                if name in parameters and parameters[name].sql_type.startswith("DECIMAL"):
                    continue
                hint = "Only a value with one obvious text can stand in quotes. Drop the quotes."
                raise error_at(text, placeholder.at, f"input {name!r} cannot be a part of a literal", hint)
    folded: dict[str, str] = {}
    for name in (*parameters, *names, *tables):
        other = folded.setdefault(name.lower(), name)
        if other != name:
            raise SQLDefinitionError(f"inputs {other!r} and {name!r} are the same name in SQL. Rename one of them")


def _check_used(query: CheckedQuery) -> None:
    used = set(placeholder_names(query.placeholders))
    for name in (*query.parameters, *query.names):
        if name in used:
            continue
        foreign = foreign_use(query.text, name)
        if foreign is not None:
            place, form = foreign
            hint = f"Write ${name} or {{{{ .inputs.{name} }}}}."
            message = f"input {name!r} is not used by the query: `{form}` is another tool's syntax"
            raise error_at(query.text, place, message, hint)
        written = re.search(rf"\${re.escape(name)}\b|\{{\{{\s*\.inputs\.{re.escape(name)}\s*\}}\}}", query.text)
        if written is None:
            hint = f"Use it as ${name} or {{{{ .inputs.{name} }}}}, or drop the input."
            line, column = line_column(query.text, 0)
            raise SQLDefinitionError(f"input {name!r} is not used by the query", line=line, column=column, hint=hint)
        hint = (
            "In comments, dollar quotes and (as $name) in quotes it is text. Take it out of there, or drop the input."
        )
        raise error_at(
            query.text, written.start(), f"input {name!r} is not used by the query: here it is only text", hint
        )


def _check_tables_used(query: CheckedQuery, used: set[str]) -> None:
    for name in query.tables:
        if name.lower() not in used:
            hint = f"Read it by its name: FROM {name}. Or drop the input."
            raise SQLDefinitionError(f"input table {name!r} is not used by the query", line=1, column=1, hint=hint)


def _scans(uses: Iterable[TableUse]) -> int:
    return sum(2 if use.repeats else 1 for use in uses)


def _most_uses(choices: list[tuple[TableUse, ...]], names: Collection[NameInput]) -> tuple[TableUse, ...]:
    """Of every table the uses in the choice that reads it most often."""
    read = [[use.name.lower() for use in uses] for uses in choices]
    if all(tables == read[0] for tables in read):
        return choices[0]
    most: dict[str, tuple[TableUse, ...]] = {}
    for uses, tables in zip(choices, read, strict=True):
        for table in tables:
            own = tuple(use for use in uses if use.name.lower() == table)
            most[table] = max(most.get(table, ()), own, key=_scans)
    kept = tuple(use for uses in most.values() for use in uses)
    if _choices(names) > MAX_NAME_COMBINATIONS:  # some were not looked at
        return tuple(replace(use, repeats=True) for use in kept)
    return kept


def _choices(names: Iterable[NameInput]) -> int:
    return math.prod(len(one.allowed) for one in names)


def _combinations(names: Iterable[NameInput]) -> Iterable[dict[str, str]]:
    """Every choice of names; when there are too many, every name at least once."""
    declared = list(names)
    if _choices(declared) <= MAX_NAME_COMBINATIONS:
        for choice in itertools.product(*(one.allowed for one in declared)):
            yield {one.name: name for one, name in zip(declared, choice, strict=True)}
        return
    for index in range(max(len(one.allowed) for one in declared)):
        yield {one.name: one.allowed[index % len(one.allowed)] for one in declared}


def _rendered(placeholder: Placeholder, parameters: Mapping[str, ParameterInput], chosen: Mapping[str, str]) -> str:
    """The expression that stands for a placeholder: always a parameter with a CAST to its declared type."""
    if placeholder.literal:
        expression = _literal(placeholder, parameters)
    elif placeholder.name in chosen:
        return quoted(chosen[placeholder.name])
    else:
        declared = parameters[placeholder.name]
        cast = f"CAST(${placeholder.name} AS {declared.sql_type})"
        if declared.element_type and placeholder.list_of:
            select = f"SELECT unnest({cast})"
            return select if placeholder.list_of == "in (" else f"({select})"
        expression = f"({cast})"
    return f"CAST({expression} AS {placeholder.cast})" if placeholder.cast else expression


def _literal(placeholder: Placeholder, parameters: Mapping[str, ParameterInput]) -> str:
    parts = []
    for index, piece in enumerate(placeholder.literal):
        if index % 2:
            text = f"CAST(CAST(${piece} AS {parameters[piece].sql_type}) AS VARCHAR)"
            # ISO 8601 writes a T between day and time of day; DuckDB's own text has a space there.
            parts.append(f"replace({text}, ' ', 'T')" if parameters[piece].sql_type.startswith("TIMESTAMP") else text)
        elif piece:
            parts.append(f"{placeholder.prefix}'{piece}'")
    return f"({' || '.join(parts)})"


def _column_names(tables: Iterable[TableInput]) -> list[str]:
    found: list[DeclaredColumn] = [column for table in tables for column in table.columns or ()]
    return list(dict.fromkeys(column.name for column in found))


def _headline(exc: EngineError) -> str:
    """The engine's message without its list of candidate functions."""
    lines = [line.strip() for line in exc.message.splitlines()]
    kept = itertools.takewhile(lambda line: not line.startswith(("Candidate", "Did you mean")), lines)
    return " ".join(line for line in kept if line)


def _way_out(exc: EngineError) -> str:
    if exc.kind == "Binder" and "No function matches" in exc.message:
        offered = [line.strip() for line in exc.message.splitlines() if "->" in line][:4]
        return f"The function takes: {'; '.join(offered)}" if offered else ""
    if "GROUP BY" in exc.message:
        return "Add it to GROUP BY, or wrap it in any_value(...)."
    return ""


def _mentioned(sql: str, message: str) -> int | None:
    """The place of the first name that the message quotes; some messages come without a position."""
    for name in re.findall(r'"([^"]+)"', message):
        found = re.search(rf"(?<![\w\"]){re.escape(name)}(?![\w\"])", sql, re.IGNORECASE)
        if found is not None:
            return found.start()
    return None


def run_error(bound: BoundText, exc: EngineError, secrets: Collection[str], hint: str = "") -> QueryError:
    """An error of a running query, at the author's place.

    Args:
        bound: The text that ran.
        exc: What the engine said.
        secrets: Parameters whose values must not be seen. The engine quotes values in many forms (cut, escaped, as part
            of a list), so its words are left out where they may hold one.
        hint: A way out, when the caller knows one.
    """
    message = _headline(exc)
    if secrets and exc.kind not in _WITHOUT_VALUES:
        listed = ", ".join(f"${name}" for name in secrets)
        message = f"{exc.kind} Error; the engine's words are left out, because they may show a secret: {listed}"
    fields: dict[str, Any] = {"engine_error": exc.kind}  # Any: keyword arguments of one constructor
    if exc.position is not None:
        place = bound.author_position(exc.position)
        fields["line"], fields["column"] = line_column(bound.author, place)
        fields["excerpt"] = excerpt(bound.author, place)
    return QueryError(message, hint=hint or _way_out(exc), **fields)
