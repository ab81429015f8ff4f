"""Literal types and literals are those of flytekit, byte for byte, except where a difference is intended."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from core.tests.types.golden_programs import Program, programs
from core.tests.types.strategies import same
from fledge import idl
from fledge.storage import StorageRouter
from fledge.types import FlyteDirectory, FlyteFile, HashMethod, builtin_registry

GOLDEN = json.loads(Path(__file__).with_name("golden_flytekit.json").read_text())
ROWS = {row["name"]: row for row in GOLDEN["rows"]}
PROGRAMS = programs(FlyteFile, FlyteDirectory, HashMethod)
REGISTRY = builtin_registry()
STORAGE = StorageRouter()

TYPE_DIFFERENCES = {
    "newtype": "flytekit pickles a NewType; here it is its supertype",
    "users": "as newtype, in the list of a dataclass's fields",
    "texts": "flytekit lists Decimal, UUID, time and bytes fields as pickles; here they are STRING and BINARY",
    "sets": "flytekit lists set fields as pickles, though it packs them as lists; here they are not listed",
    "points": "a NamedTuple field is listed with its type",
    "levels": "an Enum of ints is INTEGER; flytekit knows only enums of str and leaves the field out",
    "boxes": "flytekit describes Box[str] by the schema of Box[int], and lists it as a pickle",
    "int-box": "flytekit lists a field of a generic base as a pickle of its type variable",
}
VALUE_CHANGES = {
    "datetime-naive": "counts as UTC, as in flytekit",
    "enum-by-value": "comes back as the member",
}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_the_literal_type_equals_flytekits(program: Program) -> None:
    expected = idl.types.LiteralType.FromString(base64.b64decode(ROWS[program.name]["literal_type"]))
    made = REGISTRY.literal_type(program.annotation)
    equal = idl.deterministic_bytes(made) == base64.b64decode(ROWS[program.name]["literal_type"])
    assert equal == (made == expected)
    assert equal == (program.name not in TYPE_DIFFERENCES), f"{made}\n--- flytekit ---\n{expected}"


WITH_LITERAL = [program for program in PROGRAMS if "literal" in ROWS[program.name]]


@pytest.mark.parametrize("program", WITH_LITERAL, ids=lambda program: program.name)
def test_the_literal_equals_flytekits(program: Program) -> None:
    made = REGISTRY.to_literal(program.value, program.annotation, STORAGE)
    assert idl.deterministic_bytes(made) == base64.b64decode(ROWS[program.name]["literal"])


@pytest.mark.parametrize("program", WITH_LITERAL, ids=lambda program: program.name)
def test_what_flytekit_wrote_is_read(program: Program) -> None:
    literal = idl.literals.Literal.FromString(base64.b64decode(ROWS[program.name]["literal"]))
    back = REGISTRY.to_python(literal, program.annotation, STORAGE)
    if program.name in VALUE_CHANGES:
        assert not same(back, program.value)
    else:
        assert same(_by_uri(back), _by_uri(program.value))


def _by_uri(value: object) -> object:
    """Handles as their URIs: a path given for one comes back as a handle."""
    if isinstance(value, list):
        return [_by_uri(item) for item in value]
    return value.uri if isinstance(value, (FlyteFile, FlyteDirectory)) else value


def test_the_table_is_complete_and_made_by_one_flytekit() -> None:
    assert GOLDEN["flytekit"]
    assert list(ROWS) == [program.name for program in PROGRAMS]
    assert len(ROWS) >= 60
    assert set(TYPE_DIFFERENCES) | set(VALUE_CHANGES) <= set(ROWS)
