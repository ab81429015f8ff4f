"""What SQL tasks raise. All derive from `SQLError`; none carries the value of a parameter unless its class says so."""

from __future__ import annotations

from fledge.errors import DefinitionError, FledgeError

__all__ = ["ParameterError", "QueryCancelled", "QueryError", "ReadOnlyError", "SQLDefinitionError", "SQLError"]


class SQLError(FledgeError):
    """Base of everything a SQL task raises on its own."""

    origin = "USER"


class SQLDefinitionError(SQLError, DefinitionError):
    """A query does not fit its declared inputs or outputs; found before anything runs.

    Fields: `line` and `column` (both from 1, in the author's text; 0 when the error has no place), `hint`.
    """

    def __init__(self, message: str, *, line: int = 0, column: int = 0, hint: str = "", excerpt: str = "") -> None:
        where = f"line {line}, column {column}: " if line else ""
        text = f"{where}{message}"
        if excerpt:
            text = f"{text}\n{excerpt}"
        super().__init__(f"{text}\n{hint}" if hint else text)
        self.line, self.column, self.hint = line, column, hint


class ReadOnlyError(SQLDefinitionError):
    """A query would change something, or reach beyond its declared inputs. Fields as of SQLDefinitionError."""


class ParameterError(SQLError, ValueError):
    """A value cannot be bound as the declared SQL type. Fields: `name`, `sql_type`."""

    def __init__(self, name: str, sql_type: str, reason: str) -> None:
        super().__init__(f"input {name!r} ({sql_type}): {reason}")
        self.name, self.sql_type = name, sql_type


class QueryError(SQLError, RuntimeError):
    """The engine refused or could not finish a query.

    Fields: `engine_error` (its class there, as `Conversion`), `line`, `column` (0: no place), `hint`.
    """

    def __init__(
        self, message: str, *, engine_error: str = "", line: int = 0, column: int = 0, hint: str = "", excerpt: str = ""
    ) -> None:
        where = f"line {line}, column {column}: " if line else ""
        super().__init__("\n".join(part for part in (f"{where}{message}", excerpt, hint) if part))
        self.engine_error, self.line, self.column, self.hint = engine_error, line, column, hint


class QueryCancelled(SQLError):  # noqa: N818 - the name is part of the public API
    """A running query was interrupted: by a signal, by the end of its run, or by the run's own `cancel`."""
