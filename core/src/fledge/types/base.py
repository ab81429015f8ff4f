"""What a transformer is, what it compiles to, and the registry that finds one for an annotation.

In: a Python annotation. Out: a `Converter`, compiled once, whose functions turn values into Flyte literals and back.
Nothing here loads protobuf before a converter is compiled; `TypeRegistry.check` never does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from fledge import idl
from fledge.errors import ClaimConflictError, TypeConversionError, UnsupportedTypeError
from fledge.types.hints import Unresolved, annotation_key, unwrap
from fledge.types.mismatch import Mismatch, from_foreign
from fledge.types.refusals import way_out

if TYPE_CHECKING:
    from fledge.idl import literals as pb_literals
    from fledge.idl import types as pb_types
    from fledge.storage import StorageRouter

__all__ = ["Converter", "PlainForm", "TypeRegistry", "TypeTransformer"]

V = TypeVar("V")
MAX_DEPTH = 32  # protobuf parses about 49 nested lists; deeper messages do not read back


class PlainForm:
    """A type inside a structured value: to and from what MessagePack can carry, and its JSON schema.

    `pack(value, storage)` gives None, bool, int, float, str, bytes, list or dict; `unpack(plain, storage)` the value
    again. Both raise Mismatch.
    """

    __slots__ = ("pack", "schema", "unpack")

    def __init__(
        self,
        pack: Callable[[Any, StorageRouter], Any],  # Any: each type has its own values
        unpack: Callable[[Any, StorageRouter], Any],  # Any: anything may have been read
        schema: Callable[[], dict[str, Any]],  # Any: JSON
    ) -> None:
        self.pack, self.unpack, self.schema = pack, unpack, schema


class Converter:
    """The compiled conversions of one annotation, as plain callables.

    Public: `python_type`, `literal_type`, `to_literal(value, storage, path)` and `to_python(literal, storage, path)`,
    which raise TypeConversionError. Containers use the others, which raise Mismatch: `fill(literal, value, storage)`
    writes into an empty literal, `read(literal, storage)` reads one, `fill_all(add, values, storage)` and
    `read_all(literals, storage)` do many at once, `plain` is the form inside structured values, `classes` are the exact
    run-time classes of values and `fits(value)` tells whether a value is exactly of this type at every depth.
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
        python_type: Any,  # Any: annotations are not only classes
        literal_type: Callable[[], pb_types.LiteralType],
        fill: Callable[[pb_literals.Literal, Any, StorageRouter], None],  # Any: each type has its own values
        read: Callable[[pb_literals.Literal, StorageRouter], Any],  # Any: each type has its own values
        *,
        plain: PlainForm | None = None,
        classes: tuple[type, ...] = (),
        fits: Callable[[Any], bool] | None = None,  # Any: asked about every value
        fill_all: Callable[..., None] | None = None,
        read_all: Callable[..., list[Any]] | None = None,  # Any: each type has its own values
        to_literal: Callable[..., pb_literals.Literal] | None = None,
        to_python: Callable[..., Any] | None = None,  # Any: each type has its own values
    ) -> None:
        self.python_type = python_type
        self._make_literal_type = literal_type
        self._literal_type: pb_types.LiteralType | None = None
        self.fill, self.read, self.plain, self.classes = fill, read, plain, classes
        self.fits = fits or (lambda value: type(value) in classes)
        self.fill_all = fill_all or _fill_each(fill)
        self.read_all = read_all or _read_each(read)
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


def _read_each(read: Callable[..., object]) -> Callable[..., list[object]]:
    def read_all(literals: Iterable[pb_literals.Literal], storage: StorageRouter) -> list[object]:
        return [read(literal, storage) for literal in literals]

    return read_all


class TypeTransformer(Generic[V]):
    """Turns values of one Python type into Flyte literals and back; plugins register instances.

    Args:
        name: Kept as the tag of a union variant in the literal type.
        python_type: The exact class it handles, or the origin class of a generic. A dotted name ("pandas.DataFrame")
            stands for a class whose module need not be imported until somebody uses it.
    """

    handles_subclasses: ClassVar[bool] = False
    """Also claim subclasses; the nearest claim in the method resolution order wins."""

    keeps_metadata: ClassVar[bool] = False
    """Be handed `Annotated[T, ...]` whole instead of T."""

    has_literal_form: ClassVar[bool] = True
    """False for types that only live inside structured values."""

    is_struct: ClassVar[bool] = False
    """Its parts travel in their plain form (see `PlainForm`), and it must not contain itself."""

    def __init__(self, name: str, python_type: type[V] | str) -> None:
        self.name, self.python_type = name, python_type

    def literal_type(self, python_type: Any, registry: TypeRegistry) -> pb_types.LiteralType:  # Any: an annotation
        """The Flyte type of an annotation."""
        raise NotImplementedError(f"{type(self).__name__}.literal_type")

    def to_literal(
        self,
        value: V,
        python_type: Any,  # Any: an annotation
        registry: TypeRegistry,
        storage: StorageRouter,
        path: str,
    ) -> pb_literals.Literal:
        """A new literal. Any exception becomes a TypeConversionError with the path, the exception chained.

        `path` names the value for nested conversions; below a list or a dict it is empty and the rest is added later.
        """
        raise NotImplementedError(f"{type(self).__name__}.to_literal")

    def to_python(
        self,
        literal: pb_literals.Literal,
        python_type: Any,  # Any: an annotation
        registry: TypeRegistry,
        storage: StorageRouter,
        path: str,
    ) -> V:
        """The value of a literal, which may be of any variant: it can come from anywhere."""
        raise NotImplementedError(f"{type(self).__name__}.to_python")

    def refusal(self, python_type: Any) -> str:  # Any: an annotation
        """Why this one annotation is not supported and the way out; empty when it is. Loads no protobuf."""
        return ""

    def parts(self, python_type: Any) -> Iterable[tuple[str, Any]]:  # Any: annotations
        """The annotations inside this one, each with its step of the path (`[]`, `.name`). Loads no protobuf."""
        return ()

    def plain_form(self, python_type: Any, registry: TypeRegistry) -> PlainForm | None:  # Any: an annotation
        """How values travel inside a dataclass or another structured value; None: they cannot."""
        return None

    def compile(self, python_type: Any, registry: TypeRegistry) -> Converter:  # Any: an annotation
        """Bind the methods above to one annotation; built-in transformers override this for speed."""

        def to_literal(value: V, storage: StorageRouter, path: str = "value") -> pb_literals.Literal:
            try:
                return write(value, storage, path)
            except Mismatch as exc:
                raise exc.error("" if exc.steps and exc.steps[-1].startswith(path) else path) from exc.__cause__

        def to_python(literal: pb_literals.Literal, storage: StorageRouter, path: str = "value") -> V:
            try:
                return read(literal, storage, path)
            except Mismatch as exc:
                raise exc.error("" if exc.steps and exc.steps[-1].startswith(path) else path) from exc.__cause__

        def write(value: V, storage: StorageRouter, path: str = "") -> pb_literals.Literal:
            try:
                return self.to_literal(value, python_type, registry, storage, path)
            except Exception as exc:
                raise from_foreign(exc, python_type, value, self.name) from exc

        def read(literal: pb_literals.Literal, storage: StorageRouter, path: str = "") -> V:
            try:
                return self.to_python(literal, python_type, registry, storage, path)
            except Exception as exc:
                raise from_foreign(exc, python_type, literal, self.name) from exc

        claimed = self.python_type if isinstance(self.python_type, type) else object
        return Converter(
            python_type,
            lambda: self.literal_type(python_type, registry),
            lambda literal, value, storage: literal.CopyFrom(write(value, storage)),
            read,
            plain=self.plain_form(python_type, registry),
            classes=(python_type,) if isinstance(python_type, type) else (claimed,),
            fits=lambda value: isinstance(value, claimed),
            to_literal=to_literal,
            to_python=to_python,
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"
