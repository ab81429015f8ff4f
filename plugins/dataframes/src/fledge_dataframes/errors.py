"""The one error of this package: a frame has another column than declared."""

from __future__ import annotations

from fledge.errors import TypeConversionError
from fledge.types.mismatch import Mismatch

__all__ = ["ColumnError", "ColumnMismatch"]


class ColumnError(TypeConversionError):
    """A frame has another column than declared.

    Fields: `path` (as `inputs.flights.columns.month`), `expected`, `value` and `reason`, all texts.
    """

    def __init__(self, path: str, expected: str, value: str, reason: str = "") -> None:
        text = f"{path}: expected {expected}, got {value}"
        super(TypeConversionError, self).__init__(f"{text} ({reason})" if reason else text)
        self.path, self.expected, self.value, self.reason = path, expected, value, reason


class ColumnMismatch(Mismatch):
    """On its way to become a ColumnError: `column` is the name, with the way to the bad part (`when.start[]`)."""

    def __init__(self, column: str, expected: object, found: object, reason: str = "") -> None:
        super().__init__(str(expected), str(found), reason)
        self.inside(f".columns.{column}")

    def error(self, path: str) -> ColumnError:
        return ColumnError(path + "".join(reversed(self.steps)), str(self.expected), str(self.value), self.reason)
