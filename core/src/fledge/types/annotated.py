"""Metadata of `Annotated[T, ...]` that the type layer itself reads: `HashMethod` and `Pickled`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from fledge.types.converter import Converter
from fledge.types.hints import unwrap
from fledge.types.mismatch import Mismatch

if TYPE_CHECKING:
    from fledge.idl import literals as pb_literals
    from fledge.storage import StorageRouter
    from fledge.types.kinds import Annotation, Value

__all__ = ["HashMethod", "Pickled", "hash_method", "hashed", "is_pickled"]

V = TypeVar("V")


class HashMethod(Generic[V]):
    """`Annotated[T, HashMethod(f)]`: `f(value)` stands for the value in cache keys."""

    def __init__(self, function: Callable[[V], str]) -> None:
        self._function = function

    def calculate(self, value: V) -> str:
        return self._function(value)


class Pickled:
    """`Annotated[T, Pickled]`: values of T travel as pickles. Reading one runs code: trust where it comes from."""


def hash_method(annotation: Annotation) -> HashMethod[Value] | None:
    """The first HashMethod of an annotation, if it has one."""
    return next((item for item in unwrap(annotation)[1] if isinstance(item, HashMethod)), None)


def is_pickled(item: object) -> bool:
    """Is this metadata `Pickled` or `Pickled()`?"""
    return item is Pickled or isinstance(item, Pickled)


def hashed(inner: Converter, method: HashMethod[Value]) -> Converter:
    """A converter like `inner` that also sets the hash of the literals it writes."""

    def fill(literal: pb_literals.Literal, value: object, storage: StorageRouter) -> None:
        inner.fill(literal, value, storage)
        try:
            literal.hash = method.calculate(value)
        except Exception as exc:
            reason = f"its HashMethod failed: {type(exc).__name__}: {exc}"
            raise Mismatch(inner.python_type, value, reason) from exc

    return Converter(
        inner.python_type,
        lambda: inner.literal_type,
        fill,
        inner.read,
        plain=inner.plain,
        classes=inner.classes,
        fits=inner.fits,
        read_all=inner.read_all,
    )
