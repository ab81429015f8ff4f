"""What an annotation compiles to: plain callables from values to Flyte literals and back.

In: the functions of one type. Out: a `Converter` that containers and tasks call without any dispatch. Compiling one
loads the Flyte messages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from fledge import idl
from fledge.errors import FledgeError, UnsupportedTypeError, short_repr
from fledge.types.mismatch import Mismatch, from_foreign

if TYPE_CHECKING:
    from fledge.idl import literals as pb_literals
    from fledge.idl import types as pb_types
    from fledge.storage import StorageRouter
    from fledge.types.base import TypeRegistry, TypeTransformer
    from fledge.types.kinds import Annotation, Plain, Value

__all__ = ["Converter", "PlainForm", "plain_form_of"]


class PlainForm:
    """A type inside a structured value: to and from what MessagePack can carry, and its JSON schema.

    `pack(value, storage)` gives None, bool, int, float, str, bytes, list or dict; `unpack(plain, storage)` the value
    again. Both raise Mismatch. `schema()` is called when a literal type is made. `classes` and `fits` are as in
    `Converter`. Values of exactly the class `as_is` are
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
        for name, given in (("pack", pack), ("unpack", unpack), ("schema", schema)):
            if not callable(given):
                raise TypeError(f"PlainForm(pack, unpack, schema): {name} is to be a function, not {short_repr(given)}")
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


# -- forms from outside ------------------------------------------------------------------------------------------------


def plain_form_of(
    transformer: TypeTransformer[Value], python_type: Annotation, registry: TypeRegistry
) -> PlainForm | None:
    """How a transformer's values travel inside structured values; None: they cannot.

    What a plugin's functions raise becomes a Mismatch that names them, so that it gets the path of the value.

    Raises:
        UnsupportedTypeError: A plugin's transformer gives no form, or cannot give the JSON schema.
    """
    cls = type(transformer)
    if cls.__module__.startswith("fledge.types."):
        return transformer.plain_form(python_type, registry)
    who = f"{cls.__module__}.{cls.__qualname__}.plain_form"
    form = _asked(lambda: transformer.plain_form(python_type, registry), python_type, who)
    if form is None:
        return None
    if not isinstance(form, PlainForm):
        raise UnsupportedTypeError("value", python_type, f"{who} gave {short_repr(form)}, which is no PlainForm")
    return PlainForm(
        _guarded(form.pack, python_type, f"{who} (pack)"),
        _guarded(form.unpack, python_type, f"{who} (unpack)"),
        lambda: _asked(form.schema, python_type, f"{who} (schema)"),
        form.classes,
        form.fits,
        form.as_is,
    )


def _guarded(convert: Callable[..., Value], python_type: Annotation, who: str) -> Callable[..., Value]:
    def guarded(value: object, storage: StorageRouter) -> object:
        try:
            return convert(value, storage)
        except Exception as exc:
            error = from_foreign(exc, python_type, value, who, "value")
            if error is exc:
                raise
            raise error from exc

    return guarded


def _asked(ask: Callable[[], Value], python_type: Annotation, who: str) -> Value:
    try:
        return ask()
    except FledgeError:
        raise
    except Exception as exc:
        raise UnsupportedTypeError("value", python_type, f"{who}: {type(exc).__name__}: {exc}") from exc
