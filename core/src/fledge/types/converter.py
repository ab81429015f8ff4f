"""What an annotation compiles to: plain callables from values to Flyte literals and back.

In: the functions of one type. Out: a `Converter` that containers and tasks call without any dispatch. Compiling one
loads the Flyte messages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from fledge import idl
from fledge.types.mismatch import Mismatch

if TYPE_CHECKING:
    from fledge.idl import literals as pb_literals
    from fledge.idl import types as pb_types
    from fledge.storage import StorageRouter
    from fledge.types.kinds import Annotation, Plain, Value

__all__ = ["Converter", "PlainForm"]


class PlainForm:
    """A type inside a structured value: to and from what MessagePack can carry, and its JSON schema.

    `pack(value, storage)` gives None, bool, int, float, str, bytes, list or dict; `unpack(plain, storage)` the value
    again. Both raise Mismatch. `classes` and `fits` are as in `Converter`. Values of exactly the class `as_is` are
    their own plain form: nobody has to call.
    """

    __slots__ = ("as_is", "classes", "fits", "pack", "schema", "unpack")

    def __init__(
        self,
        pack: Callable[[Value, StorageRouter], Value],
        unpack: Callable[[Value, StorageRouter], Value],
        schema: Callable[[], dict[str, Plain]],
        classes: tuple[type, ...] = (),
        fits: Callable[[Value], bool] | None = None,
        as_is: type | None = None,
    ) -> None:
        self.pack, self.unpack, self.schema, self.classes, self.as_is = pack, unpack, schema, classes, as_is
        self.fits = fits or (lambda value: type(value) in classes)


class Converter:
    """The compiled conversions of one annotation, as plain callables.

    Public: `python_type`, `literal_type`, `to_literal(value, storage, path)` and `to_python(literal, storage, path)`,
    which raise TypeConversionError. Containers use the others, which raise Mismatch: `fill(literal, value, storage)`
    writes into an empty literal, `read(literal, storage)` reads one, `fill_all(add, values, storage)` adds many and
    stops with the one that does not fit just added, `read_all(literals, storage)` reads many where that is faster,
    `plain` is the form inside structured values, `classes` are the exact run-time classes of values and `fits(value)`
    tells whether a value is exactly of this type at every depth.
    """

    __slots__ = (
        "_literal_type",
        "_make_literal_type",
        "classes",
        "fill",
        "fill_all",
        "fits",
        "plain",
        "python_type",
        "read",
        "read_all",
        "to_literal",
        "to_python",
    )

    def __init__(
        self,
        python_type: Annotation,
        literal_type: Callable[[], pb_types.LiteralType],
        fill: Callable[[pb_literals.Literal, Value, StorageRouter], None],
        read: Callable[[pb_literals.Literal, StorageRouter], Value],
        *,
        plain: PlainForm | None = None,
        classes: tuple[type, ...] = (),
        fits: Callable[[Value], bool] | None = None,
        fill_all: Callable[..., None] | None = None,
        read_all: Callable[..., list[Value]] | None = None,
        to_literal: Callable[..., pb_literals.Literal] | None = None,
        to_python: Callable[..., Value] | None = None,
    ) -> None:
        self.python_type = python_type
        self._make_literal_type = literal_type
        self._literal_type: pb_types.LiteralType | None = None
        self.fill, self.read, self.plain, self.classes = fill, read, plain, classes
        self.fits = fits or (lambda value: type(value) in classes)
        self.fill_all = fill_all or _fill_each(fill)
        self.read_all = read_all
        self.to_literal = to_literal or _to_literal(fill)
        self.to_python = to_python or _to_python(read)

    @property
    def literal_type(self) -> pb_types.LiteralType:
        """The Flyte type, built on first use and shared: copy it before you change it."""
        if self._literal_type is None:
            self._literal_type = self._make_literal_type()
        return self._literal_type

    def __repr__(self) -> str:
        return f"Converter({self.python_type!r})"


def _to_literal(fill: Callable[..., None]) -> Callable[..., pb_literals.Literal]:
    new = idl.literals.Literal

    def to_literal(value: object, storage: StorageRouter, path: str = "value") -> pb_literals.Literal:
        literal = new()
        try:
            fill(literal, value, storage)
        except Mismatch as exc:
            raise exc.error(path) from exc.__cause__
        return literal

    return to_literal


def _to_python(read: Callable[..., object]) -> Callable[..., object]:
    def to_python(literal: pb_literals.Literal, storage: StorageRouter, path: str = "value") -> object:
        try:
            return read(literal, storage)
        except Mismatch as exc:
            raise exc.error(path) from exc.__cause__

    return to_python


def _fill_each(fill: Callable[..., None]) -> Callable[..., None]:
    def fill_all(add: Callable[[], pb_literals.Literal], values: Iterable[object], storage: StorageRouter) -> None:
        for value in values:
            fill(add(), value, storage)

    return fill_all
