"""Annotations as written to annotations that can be used.

In: the annotations of a class, which may be strings, forward references, `int | None`, `type` aliases or names that do
not exist yet. Out: resolved annotations with `Annotated` kept, and an `Unresolved` marker in place of each one that
cannot be resolved now.
"""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Mapping
from typing import Annotated, ForwardRef, NewType, get_args, get_type_hints

if typing.TYPE_CHECKING:
    from fledge.types.kinds import Annotation

__all__ = [
    "Unresolved",
    "annotation_key",
    "class_hints",
    "class_of",
    "is_qualified",
    "is_union",
    "origin_of",
    "substitute",
    "unwrap",
]

_QUALIFIERS = ("Required", "NotRequired", "ReadOnly", "Final")  # by name: older Pythons take them from elsewhere


class Unresolved:
    """An annotation that cannot be resolved: `text` as written, `reason`, and whether its name may still come."""

    __slots__ = ("may_come", "reason", "text")

    def __init__(self, text: str, reason: str, *, may_come: bool = False) -> None:
        self.text, self.reason, self.may_come = text, reason, may_come

    def __repr__(self) -> str:
        return f"Unresolved({self.text!r})"


class _Holder:
    """Something with annotations for `get_type_hints` to look at."""


def class_hints(cls: type) -> dict[str, Annotation]:
    """The annotations a class itself declares (not those it inherits), `Annotated` kept.

    Names are looked up in its module first, then in the class, as `typing.get_type_hints` does: a field may have the
    name of its type.
    """
    module = sys.modules.get(cls.__module__)
    names: dict[str, Annotation] = {**vars(cls), cls.__name__: cls, **(vars(module) if module else {})}
    names.update({parameter.__name__: parameter for parameter in getattr(cls, "__type_params__", ())})
    annotations: Mapping[str, Annotation] = vars(cls).get("__annotations__", {})
    return {name: _resolve(annotation, names) for name, annotation in annotations.items()}


def _resolve(annotation: Annotation, names: dict[str, Annotation]) -> Annotation:
    holder = _Holder()
    holder.__annotations__ = {"it": annotation}
    try:
        return get_type_hints(holder, names, include_extras=True)["it"]
    except NameError as exc:
        return Unresolved(_as_text(annotation), _missing(exc.name or str(exc)), may_come=True)
    except (AttributeError, SyntaxError, TypeError) as exc:
        return Unresolved(_as_text(annotation), f"It cannot be evaluated: {type(exc).__name__}: {exc}")


def _missing(name: str) -> str:
    return f"The name {name!r} cannot be resolved: define it"


def _as_text(annotation: object) -> str:
    if isinstance(annotation, ForwardRef):
        return annotation.__forward_arg__
    return annotation if isinstance(annotation, str) else str(annotation)


def origin_of(annotation: Annotation) -> Annotation:
    """What stands before the brackets; None when there are no brackets."""
    origin: Annotation = typing.get_origin(annotation)
    return origin


def class_of(annotation: Annotation) -> Annotation:
    """The class of a generic alias, or the class itself."""
    origin = origin_of(annotation)
    return annotation if origin is None else origin


def unwrap(annotation: Annotation) -> tuple[Annotation, tuple[Annotation, ...]]:
    """The annotation below `Annotated`, `NewType`, `type` aliases and qualifiers, and all metadata, innermost first."""
    metadata: tuple[Annotation, ...] = ()
    while True:
        origin = origin_of(annotation)
        if origin is Annotated:
            metadata = (*annotation.__metadata__, *metadata)
            annotation = annotation.__origin__
        elif isinstance(annotation, NewType):
            annotation = annotation.__supertype__
        elif type(annotation).__name__ == "TypeAliasType" or type(origin).__name__ == "TypeAliasType":
            annotation = _alias_value(annotation, origin)
        elif getattr(origin, "_name", None) in _QUALIFIERS:
            (annotation,) = get_args(annotation)
        elif isinstance(annotation, (str, ForwardRef)):
            text = _as_text(annotation)
            return Unresolved(text, _missing(text), may_come=True), metadata
        else:
            return (type(None) if annotation is None else annotation), metadata


def is_qualified(annotation: Annotation) -> bool | None:
    """True for `Required[...]`, False for `NotRequired[...]`, None for neither: what a TypedDict key says of itself."""
    while (origin := origin_of(annotation)) is not None:
        name = getattr(origin, "_name", None) or getattr(origin, "__name__", "")
        if name in ("Required", "NotRequired"):
            return str(name) == "Required"
        if origin is not Annotated and name != "ReadOnly":
            return None
        annotation = annotation.__origin__ if origin is Annotated else get_args(annotation)[0]
    return None


def _alias_value(annotation: Annotation, origin: Annotation) -> Annotation:
    alias = annotation if origin is None else origin
    try:
        value = alias.__value__
    except NameError as exc:
        return Unresolved(str(annotation), _missing(exc.name or str(exc)), may_come=True)
    return substitute(value, dict(zip(alias.__type_params__, get_args(annotation), strict=False)))


def substitute(annotation: Annotation, values: Mapping[Annotation, Annotation]) -> Annotation:
    """The annotation with its type variables replaced."""
    if not values or isinstance(annotation, Unresolved):
        return annotation
    if isinstance(annotation, typing.TypeVar):
        return values.get(annotation, annotation)
    parameters = getattr(annotation, "__parameters__", ())
    if not parameters or (isinstance(annotation, type) and not get_args(annotation)):
        return annotation
    return annotation[tuple(values.get(parameter, parameter) for parameter in parameters)]


def is_union(annotation: Annotation) -> bool:
    """`Union[...]`, `Optional[...]` and `X | Y`."""
    return origin_of(annotation) is typing.Union or isinstance(annotation, types.UnionType)


def annotation_key(annotation: Annotation) -> object:
    """A dictionary key that tells annotations apart where `==` does not: the order of a union's members counts.

    Metadata counts by identity, as it need not be hashable.
    """
    args = getattr(annotation, "__args__", None)
    if args is None or (isinstance(annotation, type) and not get_args(annotation)):
        return annotation
    origin = origin_of(annotation)
    if origin is Annotated:
        metadata = tuple(map(id, annotation.__metadata__))
        return (origin, annotation_key(annotation.__origin__), metadata)
    if origin is typing.Literal:
        return (origin, tuple((type(arg), arg) for arg in args))
    return (origin, tuple(annotation_key(arg) for arg in args))
