"""A query's result in, the declared output out; and the comparison of the two before anything runs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fledge.errors import nearest, type_name
from fledge_sql.errors import SQLDefinitionError
from fledge_sql.schemas import Output, matches
from fledge_sql.text import BoundText, excerpt, line_column

if TYPE_CHECKING:
    from fledge_sql.engine import Column

__all__ = ["check_result"]

# What Arrow or parquet would change in silence or refuse after the query ran; matched where a type stands, at any
# depth.
_NAMELESS = r"[A-Z_]+( WITH TIME ZONE)?(\(\d+,\d+\))?(\[\d*\])*[,)]"  # a field that is a type alone, as row(1, 'a') has
_UNSAFE = re.compile(
    r"(?<![\w\"])(?:(?P<type>INTERVAL|BIT|UHUGEINT|BIGNUM|GEOMETRY|VARIANT|TYPE)(?=$|[\[\],)])|(?P<union>UNION)\("
    rf"|(?P<zone>TIME WITH TIME ZONE)|(?P<null>\"NULL\")|(?P<struct>STRUCT)\({_NAMELESS})"
)
# What a dict of no declared types cannot hold on its way to the next task.
_NOT_FREE = re.compile(r"(?<![\w\"])(DATE|DECIMAL|INTERVAL|MAP|TIME|TIMESTAMP)(\w*)(?=$|[\[\],)( ])")
_INSTEAD = {
    "INTERVAL": "extract(epoch FROM x) or CAST(x AS VARCHAR)",
    "BIT": "CAST(x AS VARCHAR)",
    "UHUGEINT": "CAST(x AS DECIMAL(38,0)) or CAST(x AS VARCHAR)",
    "BIGNUM": "CAST(x AS VARCHAR)",
    "GEOMETRY": "CAST(x AS VARCHAR)",
    "VARIANT": "CAST(x AS JSON)",
    "TYPE": "CAST(x AS VARCHAR)",
    "STRUCT": "{'name': x, ...}: its fields have no names",
    "UNION": "union_tag(x) and union_extract(x, ...)",
    "TIME WITH TIME ZONE": "CAST(x AS TIME)",
    '"NULL"': "CAST(NULL AS ...) with the type you mean",
}


def check_result(outputs: Sequence[Output], columns: Sequence[Column], bound: BoundText) -> None:
    """Compare what a query gives with what is declared.

    Raises:
        SQLDefinitionError: Names, number or types of columns do not fit, or a type would not survive.
    """
    if not outputs:
        return
    if len(outputs) == 1 and outputs[0].kind != "scalar":
        _check_table(outputs[0], columns, bound)
        return
    for output in outputs:
        if output.kind != "scalar":
            raise SQLDefinitionError(
                f"output {output.name!r} is a table beside others. A query gives one table, or one row of scalars"
            )
    if len(outputs) == 1:
        if len(columns) != 1:
            listed = ", ".join(column.name for column in columns)
            raise _error(
                bound, f"output {outputs[0].name!r} is one value, but the query gives {len(columns)} columns: {listed}"
            )
        _check_scalar(outputs[0], columns[0], bound)
        return
    by_name = {column.name: column for column in columns}
    _check_names([output.name for output in outputs], columns, bound)
    for output in outputs:
        _check_scalar(output, by_name[output.name], bound)


def unsafe_type(sql_type: str) -> str:
    """The part of a type that neither Arrow nor parquet keeps; empty when all survives."""
    found = _UNSAFE.search(_without_enums(sql_type))
    return next((group for group in found.groupdict().values() if group), "") if found else ""


def _without_enums(sql_type: str) -> str:
    return re.sub(r"ENUM\('(?:[^']|'')*'(?:, '(?:[^']|'')*')*\)", "ENUM", sql_type)


def _check_table(output: Output, columns: Sequence[Column], bound: BoundText) -> None:
    for name, count in Counter(column.name.lower() for column in columns).items():
        if count > 1:
            raise _error(
                bound, f"{count} columns of the result are called {name!r}", name, "Give each a name: ... AS name."
            )
    if output.kind in ("table", "file"):
        for column in columns:
            unsafe = unsafe_type(column.sql_type)
            if unsafe:
                message = (
                    f"column {column.name!r} has type {column.sql_type}: {unsafe} does not survive in Arrow and parquet"
                )
                raise _error(bound, message, column.name, f"Convert it in the query, as {_INSTEAD[unsafe]}.")
    if output.annotation is dict:
        _check_free(columns, bound)
    if output.columns is None:
        return
    _check_names([column.name for column in output.columns], columns, bound)
    by_name = {column.name: column for column in columns}
    if output.kind != "rows" and [c.name for c in output.columns] != [c.name for c in columns]:
        raise _error(
            bound,
            f"output {output.name!r} declares the columns in another order: declared {_listed(output.columns)}, "
            f"the query gives {_listed(columns)}",
        )
    for declared in output.columns:
        given = by_name[declared.name]
        if not declared.fits(given.sql_type):
            message = (
                f"column {given.name!r} is {given.sql_type}, but output {output.name!r} declares {declared.sql_type}"
            )
            raise _error(
                bound,
                message,
                given.name,
                f"Cast it: CAST(... AS {declared.sql_type}) AS {quoted_if_needed(given.name)}.",
            )


def _check_free(columns: Sequence[Column], bound: BoundText) -> None:
    for column in columns:
        found = _NOT_FREE.search(_without_enums(column.sql_type))
        if found or unsafe_type(column.sql_type):
            hint = (
                "Declare list[Row] with a dataclass or TypedDict Row, or convert it in the query: CAST(x AS VARCHAR)."
            )
            raise _error(
                bound,
                f"column {column.name!r} is {column.sql_type}, which a free dict does not hold",
                column.name,
                hint,
            )


def _check_names(declared: Sequence[str], columns: Sequence[Column], bound: BoundText) -> None:
    given = [column.name for column in columns]
    for name in declared:
        if name not in given:
            extra = [one for one in given if one not in declared]
            message = f"the result has no column {name!r}, which is declared{nearest(name, extra)}"
            raise _error(bound, message, hint=f"It has: {', '.join(given)}.")
    for name in given:
        if name not in declared:
            raise _error(bound, f"the result's column {name!r} is not declared; declared: {', '.join(declared)}", name)


def _check_scalar(output: Output, column: Column, bound: BoundText) -> None:
    if not matches(output.accepts, column.sql_type):
        wanted = type_name(output.annotation)
        message = f"column {column.name!r} is {column.sql_type}, but output {output.name!r} is declared {wanted}"
        raise _error(bound, message, column.name, "Cast it in the query, or declare the type it has.")


def quoted_if_needed(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_]\w*", name) else '"' + name.replace('"', '""') + '"'


def _listed(columns: Sequence[object]) -> str:
    return ", ".join(str(getattr(column, "name", column)) for column in columns)


def _error(bound: BoundText, message: str, column_name: str = "", hint: str = "") -> SQLDefinitionError:
    """At the last place where the column's name stands in the author's text, else at its beginning."""
    places = (
        [m.start() for m in re.finditer(rf"(?<!\w){re.escape(column_name)}(?!\w)", bound.author)] if column_name else []
    )
    position = places[-1] if places else len(bound.author) - len(bound.author.lstrip())
    line, column = line_column(bound.author, position)
    return SQLDefinitionError(message, line=line, column=column, hint=hint, excerpt=excerpt(bound.author, position))
