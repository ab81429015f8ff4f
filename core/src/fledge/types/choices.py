"""One of a few values: Enum classes and `Literal[...]`.

An enum member travels as its value. Both are checked on the way out and on the way in: what is not listed is refused.
"""

from __future__ import annotations

import typing
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, get_args

from fledge import idl
from fledge.types.base import TypeForm, TypeTransformer
from fledge.types.converter import Converter, PlainForm
from fledge.types.hints import origin_of
from fledge.types.mismatch import Mismatch

if TYPE_CHECKING:
    from fledge.idl import literals as pb_literals
    from fledge.idl import types as pb_types
    from fledge.storage import StorageRouter
    from fledge.types.base import TypeRegistry
    from fledge.types.kinds import Annotation, Value

__all__ = ["EnumTransformer", "LiteralTransformer", "enum_refusal"]

_BASES = (str, int, float, bool)


class EnumTransformer(TypeTransformer[Enum]):
    """Enums whose values are all str (Flyte's enum type), or all int, float or bool (that simple type)."""

    handles_subclasses = True

    def __init__(self) -> None:
        super().__init__("DefaultEnumTransformer", Enum)

    def refusal(self, python_type: Annotation) -> str:
        return enum_refusal(python_type)

    def plain_form(self, python_type: Annotation, registry: TypeRegistry) -> PlainForm:
        base = registry.plain_form(_value_type(python_type))
        value_of, member_of = _value_of(python_type), _member_of(python_type)
        return PlainForm(
            lambda value, storage: value_of(value),
            lambda plain, storage: member_of(base.unpack(plain, storage)),
            lambda: {"enum": [member.value for member in python_type]},
            (python_type,),
        )

    def compile(self, python_type: Annotation, registry: TypeRegistry) -> Converter:
        base = registry.converter(_value_type(python_type))
        value_of, member_of = _value_of(python_type), _member_of(python_type)

        def fill(literal: pb_literals.Literal, value: object, storage: StorageRouter) -> None:
            base.fill(literal, value_of(value), storage)

        def read(literal: pb_literals.Literal, storage: StorageRouter) -> object:
            return member_of(base.read(literal, storage))

        def literal_type() -> pb_types.LiteralType:
            if base.python_type is not str:
                return base.literal_type
            values = [member.value for member in python_type]
            return idl.types.LiteralType(enum_type=idl.types.EnumType(values=values))

        plain = self.plain_form(python_type, registry)
        return Converter(python_type, literal_type, fill, read, plain=plain, classes=(python_type,))


def enum_refusal(enum_type: type[Enum]) -> str:
    """Why the members of an Enum cannot travel; empty when they can."""
    kinds = {type(member.value) for member in enum_type}
    if len(kinds) == 1 and kinds <= set(_BASES):
        return ""
    return "The values of an Enum must all be str, or all int, float or bool" if kinds else "It has no members"


def _value_type(enum_type: Annotation) -> type:
    return type(next(iter(enum_type)).value)


def _value_of(enum_type: Annotation) -> Callable[[Value], Value]:
    """From a member, or a value of one as it stands, to the value."""
    base = _value_type(enum_type)
    values = {member.value for member in enum_type}

    def value_of(value: Value) -> Value:
        if type(value) is enum_type:
            return value.value
        if type(value) is base and value in values:
            return value
        raise Mismatch(enum_type, value, f"one of {', '.join(map(repr, sorted(values)))}")

    return value_of


def _member_of(enum_type: Annotation) -> Callable[[Value], Value]:
    def member_of(value: Value) -> Value:
        try:
            return enum_type(value)
        except Exception as exc:  # ValueError, or whatever a user's _missing_ raises
            raise Mismatch(enum_type, value, "no member has this value") from exc

    return member_of


class LiteralTransformer(TypeForm):
    """`Literal["a", "b"]` as the simple type of its values; values of several types make a union."""

    def __init__(self) -> None:
        super().__init__("LiteralTypeTransformer")

    def matches(self, python_type: Annotation) -> bool:
        return origin_of(python_type) is typing.Literal

    def refusal(self, python_type: Annotation) -> str:
        allowed = (*_BASES, Enum, type(None))
        strange = [arg for arg in get_args(python_type) if not isinstance(arg, allowed)]
        return f"Literal takes str, int, bool, None and Enum members, not {strange[0]!r}" if strange else ""

    def plain_form(self, python_type: Annotation, registry: TypeRegistry) -> PlainForm:  # noqa: ARG002 - given by the base class
        args = get_args(python_type)
        contains = _contains(python_type)
        by_plain = {(type(_plain(arg)), _plain(arg)): arg for arg in args}

        def pack(value: object, _: StorageRouter) -> object:
            return _plain(contains(value))

        def unpack(plain: object, _: StorageRouter) -> object:
            key = int(plain) if type(plain) is float and plain.is_integer() else plain
            for found in (plain, key):
                try:
                    return by_plain[type(found), found]
                except (KeyError, TypeError):  # not listed, or a list or dict, which no one can list
                    continue
            raise Mismatch(python_type, plain)

        values = [_plain(arg) for arg in args]
        schema = {"const": values[0]} if len(values) == 1 else {"enum": values}
        classes = tuple({type(arg): None for arg in args})
        listed = frozenset((type(arg), arg) for arg in args)
        return PlainForm(pack, unpack, lambda: dict(schema), classes, lambda value: _is_listed(value, listed))

    def compile(self, python_type: Annotation, registry: TypeRegistry) -> Converter:
        groups: dict[type, list[Value]] = {}
        for arg in get_args(python_type):
            groups.setdefault(type(arg), []).append(arg)
        if len(groups) > 1:
            return registry.converter(_union_of(groups))
        ((base_type, values),) = groups.items()
        base, contains = registry.converter(base_type), _contains(python_type)

        def fill(literal: pb_literals.Literal, value: object, storage: StorageRouter) -> None:
            base.fill(literal, contains(value), storage)

        def read(literal: pb_literals.Literal, storage: StorageRouter) -> object:
            return contains(base.read(literal, storage))

        return Converter(
            python_type,
            lambda: _listed_type(base, values),
            fill,
            read,
            plain=self.plain_form(python_type, registry),
            classes=(base_type,),
            fits=lambda value: type(value) is base_type and value in values,
        )


def _union_of(groups: dict[type, list[Value]]) -> Value:
    members = tuple(kind if kind is type(None) else typing.Literal[tuple(values)] for kind, values in groups.items())
    return typing.Union[members]  # noqa: UP007 - made at run time


def _plain(value: Value) -> Value:
    return value.value if isinstance(value, Enum) else value


def _contains(python_type: Annotation) -> Callable[[Value], Value]:
    """Give a listed value back, refuse others; True is not 1."""
    listed = frozenset((type(arg), arg) for arg in get_args(python_type))

    def contains(value: Value) -> Value:
        if not _is_listed(value, listed):
            raise Mismatch(python_type, value)
        return value

    return contains


def _is_listed(value: Value, listed: frozenset[tuple[type, Value]]) -> bool:
    try:
        return (type(value), value) in listed
    except TypeError:  # a list or dict, which no one can list
        return False


def _listed_type(base: Converter, values: list[Value]) -> pb_types.LiteralType:
    made = idl.types.LiteralType()
    made.CopyFrom(base.literal_type)
    if made.HasField("enum_type"):
        made.enum_type.ClearField("values")
        made.enum_type.values.extend(value.value for value in values)
    elif base.python_type is not type(None):
        made.annotation.annotations.update({"literal_values": [_plain(value) for value in values]})
    return made
