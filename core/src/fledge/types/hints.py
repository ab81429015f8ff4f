"""Annotations as written to annotations that can be used.

In: a function or class whose annotations may be strings, forward references, `int | None`, `type` aliases or names that
do not exist yet. Out: resolved annotations with `Annotated` kept, and an `Unresolved` marker in place of each one whose
names cannot be found now.
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
    "resolve_hints",
    "substitute",
    "unwrap",
]

_QUALIFIERS = ("Required", "NotRequired", "ReadOnly", "Final")  # by name: older Pythons take them from elsewhere


class Unresolved:
    """An annotation with a name that cannot be resolved yet: `text` as written, `name` the missing one."""

    __slots__ = ("name", "text")

    def __init__(self, text: str, name: str) -> None:
        self.text, self.name = text, name

    def __repr__(self) -> str:
        return f"Unresolved({self.text!r})"


class _Holder:
    """Something with annotations for `get_type_hints` to look at."""


def resolve_hints(
    function: Annotation,
    localns: Mapping[str, Annotation] | None = None,
) -> dict[str, Annotation]:
    """The annotations of a function, in order, `return` among them; names are looked up where it was written."""
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    names = dict(localns or ())
    for name, cell in zip(getattr(function.__code__, "co_freevars", ()), function.__closure__ or (), strict=False):
        try:
            names[name] = cell.cell_contents
        except ValueError:  # a variable of the enclosing function that is not assigned yet: stays unresolved
            continue
    for parameter in getattr(function, "__type_params__", ()):
        names.setdefault(parameter.__name__, parameter)
    return _resolve(getattr(function, "__annotations__", {}), function.__globals__, names)


def class_hints(cls: type) -> dict[str, Annotation]:
    """The annotations a class itself declares (not those it inherits); names are looked up where it was written."""
    module = sys.modules.get(cls.__module__)
    names: dict[str, Annotation] = {cls.__name__: cls, **vars(cls)}
    for parameter in getattr(cls, "__type_params__", ()):
        names[parameter.__name__] = parameter
    return _resolve(vars(cls).get("__annotations__", {}), vars(module) if module else {}, names)


def _resolve(
    annotations: Mapping[str, Annotation],
    globalns: dict[str, Annotation],
    localns: dict[str, Annotation],
) -> dict[str, Annotation]:
    resolved = {}
    for name, annotation in annotations.items():
        holder = _Holder()
        holder.__annotations__ = {name: annotation}
        try:
            resolved[name] = get_type_hints(holder, globalns, localns, include_extras=True)[name]
        except NameError as exc:
            missing = getattr(exc, "name", None) or str(exc).split("'")[1]
            resolved[name] = Unresolved(_as_text(annotation), missing)
    return resolved


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
            return Unresolved(text, text), metadata
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
        return Unresolved(str(annotation), getattr(exc, "name", None) or str(annotation))
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
