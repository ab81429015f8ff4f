"""Dicts inside MessagePack: their keys, and free-form data, where only the values say what they are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from enum import Enum
from typing import TYPE_CHECKING

from fledge.types.hints import Unresolved
from fledge.types.mismatch import Mismatch, key_step
from fledge.types.scalars import INT64_MAX, INT64_MIN

if TYPE_CHECKING:
    from fledge.storage import StorageRouter
    from fledge.types.kinds import Annotation, Value

__all__ = ["convert_dict", "copy_free_dict", "is_key", "key_from_text"]

_FREE_DEPTH = 32
_KEYS = (str, int, float, bool, date, datetime)
_FREE_SCALARS = frozenset({type(None), bool, float, str, bytes})
_FREE_KEYS = frozenset({str, int, float, bool})


def is_key(key: Annotation) -> bool:
    """May values of this type be keys of a dict?"""
    if isinstance(key, Unresolved) or key in _KEYS:
        return True
    return isinstance(key, type) and (issubclass(key, Enum) or (key.__module__, key.__name__) == ("uuid", "UUID"))


def convert_dict(
    mapping: object,
    convert_key: Callable[..., Value],
    convert_value: Callable[..., Value],
    storage: StorageRouter,
    python_type: Annotation,
) -> dict[Value, Value]:
    """Convert keys and values, either way."""
    if type(mapping) is not dict:
        raise Mismatch(python_type, mapping)
    made, key = {}, None
    try:
        for key, value in mapping.items():
            made[convert_key(key, storage)] = convert_value(value, storage)
    except Mismatch as exc:
        raise exc.inside(key_step(key)) from exc.__cause__
    if len(made) != len(mapping):
        raise Mismatch(python_type, mapping, "two keys become one")
    return made


def key_from_text(key_type: Annotation, unpack: Callable[..., Annotation]) -> Callable[..., Annotation]:
    """JSON knows only text as keys, so an old Struct brings the key 1 as "1"."""
    if key_type not in (int, float):
        return unpack

    def from_text(plain: object, storage: StorageRouter) -> object:
        if type(plain) is str:
            try:
                return key_type(plain)
            except ValueError:
                raise Mismatch(key_type, plain) from None
        return unpack(plain, storage)

    return from_text


def copy_free(value: Value, depth: int = 0) -> Value:
    """A copy of free-form data: None, bool, int, float, str, bytes, and lists and dicts of them."""
    kind = type(value)
    if kind in _FREE_SCALARS:
        return value
    if kind is int:
        if not INT64_MIN <= value <= INT64_MAX:
            raise Mismatch(int, value, f"outside of int64, {INT64_MIN} .. {INT64_MAX}")
        return value
    if depth >= _FREE_DEPTH:
        raise Mismatch("free-form data", value, f"nested deeper than {_FREE_DEPTH}")
    step: object = None
    try:
        if kind is list:
            copies = []
            for step, item in enumerate(value):  # noqa: B007 - read where it fails
                copies.append(copy_free(item, depth + 1))
            return copies
        if kind is dict:
            copied = {}
            for step, item in value.items():
                if type(step) not in _FREE_KEYS:
                    raise Mismatch("a key that is str, int, float or bool", step)  # noqa: TRY301 - its step joins the path below
                copied[copy_free(step)] = copy_free(item, depth + 1)
            return copied
    except Mismatch as exc:
        raise exc.inside(key_step(step)) from exc.__cause__
    raise Mismatch("None, bool, int, float, str, bytes, list or dict", value)


def copy_free_dict(value: object, _: StorageRouter) -> object:
    if type(value) is not dict:
        raise Mismatch(dict, value)
    return copy_free(value)
