"""Whatever bytes arrive as a literal, reading them gives a value of the type or a TypeConversionError, nothing else."""

# ruff: noqa: UP007 - the spellings with Optional and Union are part of what is tested

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, Union

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.tests.support import cases
from core.tests.types.strategies import Box, Color, Derived, Leaf, Left, Number, Options, Pair, Right, typed_values
from fledge import idl
from fledge.errors import StorageError, TypeConversionError
from fledge.storage import StorageRouter
from fledge.types import FlyteDirectory, FlyteFile, Pickled, builtin_registry

REGISTRY = builtin_registry()
STORAGE = StorageRouter()
ANNOTATIONS: list[Any] = [  # Any: annotations
    int,
    float,
    str,
    bool,
    type(None),
    date,
    datetime,
    timedelta,
    bytes,
    Decimal,
    Color,
    Number,
    Literal["a", 1],
    Literal["a"],
    Leaf,
    Derived,
    Box[list[int]],
    Pair,
    Options,
    Union[Left, Right],
    Union[int, str, None],
    list[int],
    list[float],
    list[list[str]],
    dict[str, int],
    dict[int, Leaf],
    dict[Color, list[int]],
    dict,
    list[Leaf | None],
    FlyteFile,
    FlyteFile[Literal["csv"]],
    FlyteDirectory,
    Annotated[int, Pickled],
]


def _read_all(literal: idl.literals.Literal) -> None:
    for annotation in ANNOTATIONS:
        try:
            REGISTRY.to_python(literal, annotation, STORAGE)
        except (TypeConversionError, StorageError):  # StorageError: a URI out of nothing leads nowhere
            continue


@cases(3000)
@given(st.binary(max_size=60))
def test_random_message_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        literal = idl.literals.Literal.FromString(data)
    except Exception:  # noqa: BLE001 - no literal: nothing to read
        return
    _read_all(literal)


@cases(200)
@given(typed_values(), st.randoms(use_true_random=False))
def test_damaged_messages_are_read_or_refused(case: tuple[Any, Any], chance: random.Random) -> None:  # Any: any type
    data = bytearray(idl.deterministic_bytes(REGISTRY.to_literal(case[1], case[0], STORAGE)))
    for _ in range(10):
        if data:
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            literal = idl.literals.Literal.FromString(bytes(data))
        except Exception:  # noqa: BLE001 - no literal any more
            continue
        _read_all(literal)
        try:
            REGISTRY.to_python(literal, case[0], STORAGE)
        except (TypeConversionError, StorageError):
            continue


def _packed(data: bytes) -> idl.literals.Literal:
    literal = idl.literals.Literal()
    literal.scalar.binary.value, literal.scalar.binary.tag = data, "msgpack"
    return literal


@cases(1600)
@given(st.binary(max_size=30))
def test_random_messagepack_bytes_are_read_or_refused(data: bytes) -> None:
    _read_all(_packed(data))


KEYS = st.sampled_from(
    ["number", "text", "value", "note", "name", "deep", "path", "metadata", "content", "at", "span", "a"]
)
INTS = st.integers(-(2**63), 2**64 - 1)
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=4)
    | st.binary(max_size=4),
    lambda data: st.lists(data, max_size=4) | st.dictionaries(KEYS | st.integers(0, 9), data, max_size=4),
    max_leaves=12,
)


@cases(1600)
@given(PLAIN)
def test_unexpected_plain_values_are_read_or_refused(plain: object) -> None:
    _read_all(_packed(msgspec.msgpack.encode(plain)))


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=4),
    lambda data: st.lists(data, max_size=3) | st.dictionaries(KEYS, data, max_size=3),
    max_leaves=8,
)


@cases(400)
@given(st.dictionaries(KEYS, JSON_VALUES, max_size=4))
def test_unexpected_structs_are_read_or_refused(fields: dict[str, Any]) -> None:  # Any: JSON
    literal = idl.literals.Literal()
    literal.scalar.generic.update(fields)
    _read_all(literal)


@pytest.mark.parametrize(
    "data", [b"\x91" * 100_000, b"\x81\x01" * 50_000, b"\xdf\xff\xff\xff\xff", b"\xc7\xff\x05abc", b""]
)
def test_messagepack_bombs_are_refused(data: bytes) -> None:
    _read_all(_packed(data))


def test_a_timestamp_extension_is_no_datetime() -> None:
    data = msgspec.msgpack.encode({"x": msgspec.msgpack.Ext(-1, b"\x00\x00\x00\x01")})
    with pytest.raises(TypeConversionError):
        REGISTRY.to_python(_packed(data), dict, STORAGE)
