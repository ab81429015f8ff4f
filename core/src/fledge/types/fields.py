"""The fields of dataclasses, TypedDict and NamedTuple classes, with resolved annotations.

In: a class or a generic alias of one. Out: its fields in declared order; type variables are replaced by what the alias,
or a base in brackets, says they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from fledge.lazy import lazy
from fledge.types.hints import class_hints, class_of, is_qualified, substitute

if TYPE_CHECKING:
    import dataclasses

    from fledge.types.kinds import Annotation
else:
    dataclasses = lazy("dataclasses")

__all__ = ["NO_DEFAULT", "Field", "dataclass_fields", "lost_init_var", "named_tuple_fields", "typed_dict_fields"]

NO_DEFAULT: Annotation = object()


class Field(NamedTuple):
    """One field; `required`: it has neither a default nor a factory."""

    name: str
    annotation: Annotation
    required: bool
    default: Annotation = NO_DEFAULT
    init: bool = True
    description: str = ""


def dataclass_fields(python_type: Annotation) -> list[Field]:
    """The fields of a dataclass, inherited ones included; those with `init=False` are set after construction."""
    missing = dataclasses.MISSING
    hints = _all_hints(python_type)
    return [
        Field(
            field.name,
            hints.get(field.name, field.type),
            field.default is missing and field.default_factory is missing,
            NO_DEFAULT if field.default is missing else field.default,
            field.init,
            str(field.metadata.get("description", "")),
        )
        for field in dataclasses.fields(class_of(python_type))
    ]


def lost_init_var(cls: Annotation) -> str:
    """The name of an InitVar without a default, which no value remembers; empty for none."""
    kept, missing = {field.name for field in dataclasses.fields(cls)}, dataclasses.MISSING
    for name, field in cls.__dataclass_fields__.items():
        is_init_var = name not in kept and "InitVar" in str(field.type)
        if is_init_var and field.default is missing and field.default_factory is missing:
            return str(name)
    return ""


def typed_dict_fields(python_type: Annotation) -> list[Field]:
    """The keys of a TypedDict."""
    cls = class_of(python_type)
    made = []
    for name, annotation in _all_hints(python_type).items():
        written = is_qualified(annotation)
        required = name in cls.__required_keys__ if written is None else written
        made.append(Field(name, annotation, required))
    return made


def named_tuple_fields(python_type: Annotation) -> list[Field]:
    """The fields of a NamedTuple; those of `collections.namedtuple` have no types, which is refused later."""
    cls = class_of(python_type)
    hints = _all_hints(python_type)
    defaults = cls._field_defaults
    return [
        Field(name, hints.get(name, Any), name not in defaults, defaults.get(name, NO_DEFAULT)) for name in cls._fields
    ]


def _all_hints(python_type: Annotation) -> dict[str, Annotation]:
    """Annotations of the class and its bases, those of bases first, as Python orders fields."""
    cls = class_of(python_type)
    own = dict(zip(getattr(cls, "__parameters__", ()), get_args(python_type), strict=False))
    found: dict[str, Annotation] = {}
    for base in reversed(vars(cls).get("__orig_bases__") or cls.__bases__):
        origin = class_of(base)
        if isinstance(origin, type) and origin not in _WITHOUT_FIELDS:  # TypedDict and NamedTuple are functions
            found.update({name: substitute(hint, own) for name, hint in _all_hints(base).items()})
    return {**found, **{name: substitute(hint, own) for name, hint in class_hints(cls).items()}}


_WITHOUT_FIELDS = (object, tuple, dict)
