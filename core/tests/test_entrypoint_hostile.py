"""Whatever bytes stand in inputs.pb, a run leaves outputs.pb or error.pb, whole, and blames the right side."""

from __future__ import annotations

import io
import random
import shutil
from contextlib import redirect_stderr
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.tests.support import RESOLVER, cases, read_folder
from core.tests.types.strategies import Color, Leaf, Left, Right
from fledge import FlyteFile, entrypoint, idl, task
from fledge.context import FlyteContextManager

USERS = {"USER:TypeConversionError", "USER:CallError"}


@task
def takes_all(
    a: int,
    b: str,
    c: list[int],
    d: dict[str, float],
    e: Leaf,
    f: Left | Right,
    g: int | str | None,
    h: datetime,
    i: timedelta,
    j: Color,
    k: bytes,
    m: dict,  # type: ignore[type-arg] # free-form data
    n: FlyteFile,
    p: Decimal,
) -> int:
    return a


VALUES = {
    "a": 1,
    "b": "text",
    "c": [1, 2],
    "d": {"x": 1.5},
    "e": Leaf(1),
    "f": Right(2, "note"),
    "g": "one",
    "h": datetime(2024, 1, 2, tzinfo=timezone.utc),
    "i": timedelta(seconds=5),
    "j": Color.RED,
    "k": b"bytes",
    "m": {"deep": [1, {"er": None}]},
    "n": FlyteFile("s3://bucket/file"),
    "p": Decimal("1.5"),
}


def inputs() -> idl.literals.LiteralMap:
    return takes_all.input_literals(FlyteContextManager.current_context(), VALUES)


def damaged(data: bytes, chance: random.Random) -> bytes:
    """A few bytes changed, put in, taken out, or the end cut off."""
    made = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(made) + 1)
        how = chance.randrange(4)
        if how == 0 and at < len(made):
            made[at] = chance.randrange(256)
        elif how == 1:
            made[at:at] = bytes([chance.randrange(256)])
        elif how == 2:
            del made[at : at + chance.randint(1, 8)]
        elif chance.random() < 0.2:
            del made[at:]
    return bytes(made)


def check(folder: Path, data: bytes) -> None:
    """Run on these bytes and look at what is left."""
    (folder / "inputs.pb").write_bytes(data)
    shutil.rmtree(folder / "out", ignore_errors=True)
    invocation = entrypoint.Invocation(
        str(folder / "inputs.pb"),
        str(folder / "out"),
        RESOLVER,
        ["task-module", __name__, "task-name", "takes_all"],
        raw_output_data_prefix=str(folder / "raw"),
    )
    with redirect_stderr(io.StringIO()):
        failed = entrypoint.run(invocation)
    files = read_folder(folder / "out")
    assert list(files) == (["error.pb"] if failed else ["outputs.pb"])
    if not failed:
        (name,) = idl.literals.LiteralMap.FromString(files["outputs.pb"]).literals
        assert name == "o0"
        return
    error = idl.errors.ErrorDocument.FromString(files["error.pb"]).error
    is_users = error.origin == idl.execution.ExecutionError.ErrorKind.USER
    try:
        idl.literals.LiteralMap.FromString(data)
    except Exception:  # noqa: BLE001 - protobuf's DecodeError
        assert (error.code, is_users) == ("SYSTEM", False)
        assert "bytes that are not a LiteralMap" in error.message
        return
    if is_users:
        assert error.code in USERS, error.message
    else:  # a reference to data that are not there
        assert error.code == "SYSTEM"
        assert "StorageError" in error.message or "that are not a Literal" in error.message, error.message


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


@cases(1000)
@given(st.randoms(use_true_random=False))
def test_damaged_inputs_are_read_or_refused(folder: Path, chance: random.Random) -> None:
    check(folder, damaged(idl.deterministic_bytes(inputs()), chance))


@cases(300)
@given(st.binary(max_size=80))
def test_bytes_without_a_meaning_are_read_or_refused(folder: Path, data: bytes) -> None:
    check(folder, data)


def entry(name: str, data: bytes) -> bytes:
    """One item of a LiteralMap as it stands on the wire: `name` and the bytes of its literal."""
    key = name.encode()
    body = bytes([0x0A, len(key)]) + key + bytes([0x12, len(data)]) + data
    return bytes([0x0A, len(body)]) + body


@cases(300)
@given(st.sampled_from(sorted(VALUES)), st.binary(max_size=60))
def test_any_literal_in_the_place_of_one_is_read_or_refused(folder: Path, name: str, data: bytes) -> None:
    rest = inputs()
    del rest.literals[name]
    check(folder, idl.deterministic_bytes(rest) + entry(name, data))


@pytest.mark.parametrize("depth", [20, 45, 60, 5000])
def test_inputs_nested_too_deep_are_read_or_refused(folder: Path, depth: int) -> None:
    data = b""
    for _ in range(depth):  # Literal.collection, LiteralCollection.literals
        data = _field(2, _field(1, data))
    check(folder, _field(1, _field(1, b"c") + _field(2, data)))


def _field(number: int, data: bytes) -> bytes:
    size, length = len(data), bytearray()
    while size >= 0x80:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([number << 3 | 2]) + bytes([*length, size]) + data
