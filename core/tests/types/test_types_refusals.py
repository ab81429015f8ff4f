"""Annotations nobody can convert are refused when they are checked, with the path to the part and the way out."""

# ruff: noqa: UP007, UP045 - the spellings with Optional and Union are part of what is tested

from __future__ import annotations

import collections
import enum
import os
import pathlib
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import InitVar, dataclass, field, make_dataclass
from typing import Annotated, Any, Generic, Literal, NamedTuple, Optional, TypedDict, TypeVar, Union

import pytest
from flyteidl.admin import workflow_pb2
from flyteidl.core import compiler_pb2

from fledge import idl
from fledge.errors import DefinitionError, UnsupportedTypeError
from fledge.storage import StorageRouter
from fledge.types import FlyteDirectory, FlyteFile, Pickled, StructuredDataset, builtin_registry

REGISTRY = builtin_registry()
STORAGE = StorageRouter()
T = TypeVar("T")


class Mixed(enum.Enum):
    A = 1
    B = "b"


class Empty(enum.Enum):
    pass


class Strange:
    pass


@dataclass
class Recursive:
    value: int
    next: Recursive | None = None


@dataclass
class First:
    second: list[Second]


@dataclass
class Second:
    first: dict[str, First]


class Tree(NamedTuple):
    leaves: list[Tree]


class Linked(TypedDict):
    link: Linked


@dataclass
class Growing(Generic[T]):
    value: T
    deeper: Growing[list[T]] | None = None


@dataclass
class NeedsInit:
    value: int
    scale: InitVar[int]


@dataclass
class Inner:
    odd: Strange


@dataclass
class Outer:
    rows: dict[str, list[Inner]]


@dataclass
class WithPickle:
    value: Annotated[Strange, Pickled]


Untyped = collections.namedtuple("Untyped", "a b")  # noqa: PYI024 - without types on purpose

REFUSED: list[tuple[Any, str | None, str]] = [  # Any: annotations. Then: steps to the part at fault, and the way out
    (list, "", "list[int]"),
    (tuple[int, str], "", "NamedTuple or a dataclass"),
    (tuple, "", "tuple[int, str]"),
    (set[int], "", "list[...]"),
    (frozenset[str], "", "list[...]"),
    (complex, "", "two floats"),
    (object, "", "Name the type"),
    (Any, "", "Name the type"),
    (dict[str, Any], "[]", "Name the type"),
    (dict[bytes, int], "", "Its keys must be"),
    (dict[Union[int, str], int], "", "Its keys must be"),
    (Strange, "", "Annotated[..., Pickled]"),
    (list[Strange], "[]", "dataclass"),
    (Optional[dict[str, Strange]], "[]", "dataclass"),
    (Outer, ".rows[][].odd", "dataclass"),
    (Mixed, "", "all be str"),
    (dict[Mixed, int], "", "all be str"),
    (dict[Empty, int], "", "no members"),
    (Empty, "", "no members"),
    (Literal[b"x"], "", "not b'x'"),
    (Untyped, ".a", "Name the type"),
    (Recursive, ".next", "contains itself"),
    (First, ".second[].first[]", "contains itself"),
    (Tree, ".leaves[]", "contains itself"),
    (Linked, ".link", "contains itself"),
    (Growing[int], None, "nested too deep"),
    (Growing, ".value", "Box[int]"),
    (T, "", "Box[int]"),
    (NeedsInit, "", "InitVar 'scale'"),
    (WithPickle, ".value", "cannot travel inside"),
    (Pickled, "", "Annotated[T, Pickled]"),
    (Sequence[int], "", "list[...]"),
    (Mapping[str, int], "", "dict[str, ...]"),
    (Iterator[int], "", "list[...]"),
    (Callable[[int], int], "", "Use"),
    (collections.OrderedDict, "", "dict[str, ...]"),
    (pathlib.Path, "", "FlyteFile or FlyteDirectory"),
    (os.PathLike, "", "FlyteFile or FlyteDirectory"),
    (typing.TextIO, "", "FlyteFile"),
    (StructuredDataset, "", "pip install fledge-dataframes"),
    (3, "", "not a type"),
    (type, "", "dataclass"),
]


@pytest.mark.parametrize(("annotation", "steps", "hint"), REFUSED, ids=lambda part: str(part)[:40])
def test_an_unsupported_annotation_is_refused(annotation: Any, steps: str | None, hint: str) -> None:
    with pytest.raises(UnsupportedTypeError) as caught:
        REGISTRY.check(annotation, "job.inputs.x")
    assert hint in str(caught.value)
    assert steps is None or caught.value.path == f"job.inputs.x{steps}"
    with pytest.raises(UnsupportedTypeError):
        REGISTRY.converter(annotation)


@pytest.mark.parametrize(
    ("module", "name", "plugin"),
    [
        ("pandas.core.frame", "DataFrame", "fledge-dataframes"),
        ("pyarrow.lib", "Table", "fledge-dataframes"),
        ("polars.dataframe.frame", "DataFrame", "fledge-dataframes"),
        ("pydantic.main", "BaseModel", "fledge-pydantic"),
    ],
)
def test_a_type_of_a_known_library_names_its_plugin(module: str, name: str, plugin: str) -> None:
    base = type(name, (), {"__module__": module})
    for annotation in (base, type("Mine", (base,), {})):
        with pytest.raises(UnsupportedTypeError, match=f"pip install {plugin}"):
            REGISTRY.check(annotation)


SUPPORTED: list[Any] = [  # Any: annotations
    dict,
    dict[str, dict[int, list[str]]],
    Optional[Literal["a", 2]],
    Annotated[Strange, Pickled],
    Annotated[Any, Pickled()],
    Annotated[list[int], "note", {"any": ["metadata"]}],
    FlyteFile[Literal["csv"]],
    FlyteDirectory,
    Annotated[FlyteFile, "note"],
]


@pytest.mark.parametrize("annotation", SUPPORTED, ids=str)
def test_a_supported_annotation_passes(annotation: Any) -> None:
    REGISTRY.check(annotation, "job.inputs.x")
    assert REGISTRY.literal_type(annotation).WhichOneof("type")


def test_a_refusal_is_a_definition_error_and_a_type_error() -> None:
    with pytest.raises(UnsupportedTypeError) as caught:
        REGISTRY.check(list[complex], "job.inputs.x")
    assert isinstance(caught.value, (DefinitionError, TypeError))
    assert caught.value.python_type is complex


# -- depth -------------------------------------------------------------------------------------------------------------


def _nested(kind: str, annotation: Any, value: Any) -> tuple[Any, Any]:
    if kind == "list":
        return list[annotation], [value]
    if kind == "dict":
        return dict[str, annotation], {"k": value}
    if kind == "union":
        return Union[annotation, bytes, None], value
    if kind == "tuple":
        made = make_dataclass("Made", [("f", tuple[annotation, int])])
        return made, made((value, 1))
    if kind == "file":
        made = make_dataclass("Made", [("f", annotation), ("g", FlyteFile)])
        return made, made(value, FlyteFile("s3://a/b"))
    made = make_dataclass("Made", [("f", annotation), ("n", int, field(default=3))])
    return made, made(value)


@pytest.mark.parametrize(
    "kinds", ["list", "dict", "dataclass", "tuple", "file", "union list", "list union dict dataclass"]
)
def test_what_passes_the_depth_check_reads_back_even_inside_a_list_of_workflows(kinds: str) -> None:
    annotation: Any = int
    value: Any = 1
    depth = 0
    while True:
        annotation, value = _nested(kinds.split()[depth % len(kinds.split())], annotation, value)
        if not _passes(annotation):
            break
        depth += 1
        _read_workflows(annotation)
        literals = idl.literals.LiteralMap()
        literals.literals["x"].CopyFrom(REGISTRY.to_literal(value, annotation, STORAGE))
        received = idl.literals.LiteralMap.FromString(literals.SerializeToString())
        assert REGISTRY.to_python(received.literals["x"], annotation, STORAGE) == value
    assert depth >= 7


def _passes(annotation: Any) -> bool:
    try:
        REGISTRY.check(annotation)
    except UnsupportedTypeError as exc:
        return "nested too deep" not in str(exc)
    return True


def _read_workflows(annotation: Any) -> None:
    listed = workflow_pb2.WorkflowList()
    closure: compiler_pb2.CompiledWorkflowClosure = listed.workflows.add().closure.compiled_workflow
    variable = closure.tasks.add().template.interface.inputs.variables["x"]
    variable.type.CopyFrom(REGISTRY.literal_type(annotation))
    workflow_pb2.WorkflowList.FromString(listed.SerializeToString())


def test_32_nested_lists_pass_and_33_do_not() -> None:
    annotation: Any = int
    for _ in range(32):
        annotation = list[annotation]
    REGISTRY.check(annotation)
    with pytest.raises(UnsupportedTypeError, match="nested too deep"):
        REGISTRY.check(list[annotation])
