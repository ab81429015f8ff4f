"""Forms a value may arrive in: MessagePack attributes, old Structs, offloaded literals; unions; guesses; imports."""

# ruff: noqa: UP007, UP045 - the spellings with Optional and Union are part of what is tested

from __future__ import annotations

import enum
import subprocess
import sys
import textwrap
from dataclasses import dataclass, field, make_dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Literal, Optional, Union

import msgspec
import pytest

from core.tests.types.strategies import Left, Right, same
from fledge import idl
from fledge.errors import TypeConversionError, UnsupportedTypeError
from fledge.storage import StorageRouter
from fledge.types import FlyteDirectory, FlyteFile, StructuredDataset, builtin_registry

REGISTRY = builtin_registry()
STORAGE = StorageRouter()


class Color(enum.Enum):
    RED = "red"


class Shade(enum.Enum):
    RED = "red"


@dataclass
class Row:
    number: int
    ratio: float = 0.0


@dataclass
class Old:
    rows: list[Row]
    keys: dict[int, str] = field(default_factory=dict)
    when: Optional[datetime] = None
    choice: Union[int, str, None] = None
    level: Literal[1, 2] = 1


def _packed(plain: object) -> idl.literals.Literal:
    literal = idl.literals.Literal()
    literal.scalar.binary.value, literal.scalar.binary.tag = msgspec.msgpack.encode(plain), "msgpack"
    return literal


@pytest.mark.parametrize(
    ("annotation", "plain", "value"),
    [
        (int, 3, 3),
        (int, 3.0, 3),
        (float, 3, 3.0),
        (str, "x", "x"),
        (bool, True, True),
        (type(None), None, None),
        (bytes, b"x", b"x"),
        (date, "2024-02-29", date(2024, 2, 29)),
        (datetime, "2024-02-29T12:00:00Z", datetime(2024, 2, 29, 12, tzinfo=timezone.utc)),
        (datetime, "2024-02-29T12:00:00.123456789Z", datetime(2024, 2, 29, 12, 0, 0, 123456, timezone.utc)),
        (datetime, "2024-02-29T12:00:00.5+00:00", datetime(2024, 2, 29, 12, 0, 0, 500000, timezone.utc)),
        (timedelta, 1.5, timedelta(seconds=1.5)),
        (Color, "red", Color.RED),
        (list[int], [1, 2], [1, 2]),
        (dict[str, list[float]], {"a": [1.5]}, {"a": [1.5]}),
        (Optional[int], None, None),
        (Optional[list[Row]], [{"number": 1}], [Row(1)]),
        (FlyteFile, {"path": "s3://b/k"}, FlyteFile("s3://b/k")),
    ],
    ids=str,
)
def test_an_attribute_of_a_structured_value_is_read(annotation: Any, plain: object, value: object) -> None:
    assert same(REGISTRY.to_python(_packed(plain), annotation, STORAGE), value)


def test_old_structs_are_read_with_their_numbers_and_keys_as_declared() -> None:
    literal = idl.literals.Literal()
    literal.scalar.generic.update(
        {
            "rows": [{"number": 3, "ratio": 2}],
            "keys": {"1": "one"},
            "when": "2024-02-29T12:00:00+00:00",
            "choice": 7,
            "level": 2,
        }
    )
    expected = Old([Row(3, 2.0)], {1: "one"}, datetime(2024, 2, 29, 12, tzinfo=timezone.utc), 7, 2)
    assert same(REGISTRY.to_python(literal, Old, STORAGE), expected)
    row = literal.scalar.generic.fields["rows"].list_value.values[0].struct_value
    row.update({"number": 3.5})
    with pytest.raises(TypeConversionError, match=r"rows\[0\]\.number: expected int, got float 3.5"):
        REGISTRY.to_python(literal, Old, STORAGE)


def test_numbers_of_the_console_are_read_as_declared() -> None:
    literal = idl.literals.Literal()
    literal.scalar.primitive.float_value = 3.0
    assert same(REGISTRY.to_python(literal, int, STORAGE), 3)
    assert same(REGISTRY.to_python(literal, Optional[int], STORAGE), 3)
    literal.scalar.primitive.integer = 3
    assert same(REGISTRY.to_python(literal, float, STORAGE), 3.0)
    assert same(REGISTRY.to_python(literal, Union[float, int], STORAGE), 3)


def test_offloaded_literals_are_fetched(tmp_path: Path) -> None:
    for annotation, value in [(list[int], [1, 2]), (Row, Row(1)), (Optional[str], "x"), (dict[str, int], {"a": 1})]:
        path = tmp_path / "literal.pb"
        path.write_bytes(REGISTRY.to_literal(value, annotation, STORAGE).SerializeToString())
        literal = idl.literals.Literal()
        literal.offloaded_metadata.uri = str(path)
        assert REGISTRY.to_python(literal, annotation, STORAGE) == value
    path = tmp_path / "itself.pb"
    literal = idl.literals.Literal()
    literal.offloaded_metadata.uri = str(path)
    path.write_bytes(literal.SerializeToString())
    with pytest.raises(TypeConversionError, match="offloaded"):
        REGISTRY.to_python(literal, int, STORAGE)
    path.write_bytes(b"\xff\xff")
    with pytest.raises(TypeConversionError, match="cannot be read"):
        REGISTRY.to_python(literal, int, STORAGE)


# -- unions ------------------------------------------------------------------------------------------------------------


def test_two_dataclasses_of_one_shape_keep_apart_even_with_one_name() -> None:
    def twin(module: str) -> Any:  # Any: a class
        made = make_dataclass("Twin", [("x", int)])
        made.__module__ = module
        return made

    first, second = twin("one"), twin("two")
    for pair in ((first, second), (Left, Right)):
        for cls in pair:
            annotation: Any = Union[pair]
            literal = REGISTRY.to_literal(cls(1), annotation, STORAGE)
            assert type(REGISTRY.to_python(literal, annotation, STORAGE)) is cls
    plain = REGISTRY.to_literal(Left(1), Union[Left, Right], STORAGE)
    assert not plain.metadata, "different titles tell them apart: no hint is needed"
    assert dict(REGISTRY.to_literal(first(1), Union[first, second], STORAGE).metadata) == {"fledge.variant": "one.Twin"}


@pytest.mark.parametrize(
    ("annotation", "value", "tag"),
    [
        (Union[float, int], 3, "int"),
        (Union[int, float], 3.0, "float"),
        (Union[int, bool], True, "bool"),
        (Optional[float], 3, "float"),
        (Union[str, Color], "red", "str"),
        (Union[Color, int], "red", "DefaultEnumTransformer"),
        (Union[date, datetime], datetime(2024, 1, 1, tzinfo=timezone.utc), "datetime"),
        (Union[list[float], list[int]], [1], "Typed List"),
        (Optional[FlyteFile], "s3://b/k", "FlyteFilePath"),
        (Union[FlyteFile, str], "s3://b/k", "str"),
    ],
    ids=str,
)
def test_the_exact_type_wins_and_then_the_declared_order(annotation: Any, value: object, tag: str) -> None:
    assert REGISTRY.to_literal(value, annotation, STORAGE).scalar.union.type.structure.tag == tag


def test_a_list_takes_the_variant_that_fits_all_of_it() -> None:
    annotation = Union[list[float], list[int], list[Optional[str]]]
    for value in ([1], [1.0], ["x", None], []):
        back = REGISTRY.to_python(REGISTRY.to_literal(value, annotation, STORAGE), annotation, STORAGE)
        assert same(back, value)


def test_two_enums_with_equal_values_keep_apart() -> None:
    for value in (Color.RED, Shade.RED):
        literal = REGISTRY.to_literal(value, Union[Color, Shade], STORAGE)
        assert REGISTRY.to_python(literal, Union[Color, Shade], STORAGE) is value


@dataclass
class Ambiguous:
    when: Union[date, str]
    which: Union[Left, Right]
    free: Union[dict, int]  # type: ignore[type-arg]  # free-form on purpose


@pytest.mark.parametrize(
    "value",
    [
        Ambiguous("2024-01-01", Right(1), {"__variant__": "int", "value": 3}),
        Ambiguous(date(2024, 1, 1), Left(1), 3),
        Ambiguous("x", Left(1), {"value": 1}),
    ],
    ids=repr,
)
def test_a_variant_inside_a_structured_value_comes_back_as_itself(value: Ambiguous) -> None:
    assert same(REGISTRY.to_python(REGISTRY.to_literal(value, Ambiguous, STORAGE), Ambiguous, STORAGE), value)


def test_only_an_ambiguous_variant_is_marked_inside_a_structured_value() -> None:
    clear = REGISTRY.to_literal(Ambiguous(date(2024, 1, 1), Left(1), 3), Ambiguous, STORAGE)
    assert b"__variant__" not in clear.scalar.binary.value
    marked = REGISTRY.to_literal(Ambiguous("2024-01-01", Left(1), 3), Ambiguous, STORAGE)
    assert msgspec.msgpack.decode(marked.scalar.binary.value)["when"] == {"__variant__": "str", "value": "2024-01-01"}


def test_a_stored_variant_that_is_not_declared_is_refused() -> None:
    literal = REGISTRY.to_literal(b"x", Union[int, bytes], STORAGE)
    with pytest.raises(TypeConversionError):
        REGISTRY.to_python(literal, Union[int, str], STORAGE)


# -- guesses -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("annotation", "guessed"),
    [
        (int, int),
        (type(None), type(None)),
        (date, datetime),
        (bytes, bytes),
        (list[dict[str, float]], list[dict[str, float]]),
        (Optional[int], Optional[int]),
        (Color, Literal["red"]),
        (Literal[1, 2], Literal[1, 2]),
        (Row, dict),
        (FlyteFile[Literal["csv"]], FlyteFile[Literal["csv"]]),
        (FlyteDirectory, FlyteDirectory),
    ],
    ids=str,
)
def test_a_python_type_is_guessed_from_the_literal_type(annotation: Any, guessed: Any) -> None:
    assert REGISTRY.guess_python_type(REGISTRY.literal_type(annotation)) == guessed


def test_guesses_of_other_types() -> None:
    made = idl.types.LiteralType()
    with pytest.raises(UnsupportedTypeError):
        REGISTRY.guess_python_type(made)
    made.structured_dataset_type.SetInParent()
    assert REGISTRY.guess_python_type(made) is StructuredDataset
    made.blob.format = "PythonPickle"
    REGISTRY.check(REGISTRY.guess_python_type(made))


# -- imports -----------------------------------------------------------------------------------------------------------


def test_importing_and_checking_loads_nothing_heavy() -> None:
    source = """
        import sys
        from typing import Literal, Optional
        from fledge.types import FlyteFile, builtin_registry
        registry = builtin_registry()
        registry.check(dict[str, list[Optional[int]]], "task.inputs.x")
        registry.check(FlyteFile[Literal["csv"]], "task.inputs.x")
        heavy = ("google.protobuf", "flyteidl", "msgspec", "numpy", "pandas", "sqlite3", "asyncio", "dataclasses",
                 "inspect", "decimal", "pickle", "click", "pluggy")
        print([name for name in heavy if name in sys.modules])
    """
    found = subprocess.run([sys.executable, "-c", textwrap.dedent(source)], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"
