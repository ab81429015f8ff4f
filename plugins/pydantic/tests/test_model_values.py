"""Models as values: literals and types equal flytekit's (checked in under golden/), and what comes back went in."""

from __future__ import annotations

import importlib.util
import json
import math
import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    computed_field,
    field_validator,
)
from pydantic_core import PydanticSerializationError

from fledge import FlyteDirectory, FlyteFile, StructuredDataset, idl, task
from fledge.errors import StorageError, TypeConversionError, UnsupportedTypeError
from fledge.storage import LiveStore, StorageRouter
from fledge.types.base import TypeRegistry
from fledge.types.builtin import builtin_registry
from fledge_pydantic.hooks import register_types

STORAGE = StorageRouter()


def _cases() -> ModuleType:
    spec = importlib.util.spec_from_file_location("golden_models", Path(__file__).with_name("make_golden_models.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # pydantic looks names of annotations up there
    spec.loader.exec_module(module)
    return module


CASES = _cases()
WRITTEN = json.loads(CASES.GOLDEN.read_text())


def _registry() -> TypeRegistry:
    made = builtin_registry()
    register_types(made.register)
    return made


REGISTRY = _registry()


def _trip(value: Any, annotation: Any) -> Any:  # Any: models and annotations
    return REGISTRY.to_python(REGISTRY.to_literal(value, annotation, STORAGE), annotation, STORAGE)


class Node(BaseModel):
    value: int
    children: list[Node] = []


class Careful(BaseModel):
    model_config = ConfigDict(strict=True)
    at: datetime
    number: int = Field(alias="No.")
    ratio: float = 1.0
    by_id: dict[int, float] = {}

    @field_validator("ratio")
    @classmethod
    def _positive(cls, ratio: float) -> float:
        if ratio < 0:
            raise ValueError("must be positive")
        return ratio


class Account(BaseModel):
    user: str
    password: SecretStr | None = None


@dataclass
class Journey:
    start: Any
    stops: list[Any]


@task
def add_child(node: Node, value: int) -> Node:
    return node.model_copy(update={"children": [*node.children, Node(value=value)]})


@given(
    st.recursive(
        st.builds(Node, value=st.integers(-(2**63), 2**63 - 1)),
        lambda inner: st.builds(Node, value=st.just(0), children=st.lists(inner, max_size=3)),
        max_leaves=6,
    )
)
def test_a_model_survives(node: Node) -> None:
    assert _trip(node, Node) == node


INTEGERS = st.integers(-(2**63), 2**63 - 1)
POINTS = st.builds(CASES.Point, x=INTEGERS, y=st.floats(allow_nan=False))


@given(
    st.builds(
        CASES.Everything,
        i=INTEGERS,
        f=st.floats(allow_nan=False),
        s=st.text(max_size=5),
        at=st.datetimes(timezones=st.just(timezone.utc)),
        on=st.dates(),
        took=st.timedeltas(timedelta(days=-1000), timedelta(days=1000)),
        colour=st.sampled_from(CASES.Colour),
        many=st.lists(POINTS, max_size=2),
        by_name=st.dictionaries(st.text(), INTEGERS, max_size=2),
        maybe=st.none() | POINTS,
        either=INTEGERS | st.text(),
        deep=st.dictionaries(st.text(), st.lists(POINTS, max_size=2), max_size=2),
    )
)
def test_a_model_of_every_kind_survives(value: BaseModel) -> None:
    assert _trip(value, CASES.Everything) == value


def test_every_case_has_golden_bytes() -> None:
    assert WRITTEN["types"].keys() == CASES.ANNOTATIONS.keys()
    assert WRITTEN["literals"].keys() == CASES.VALUES.keys()


@pytest.mark.parametrize("name", CASES.ANNOTATIONS)
def test_the_literal_type_is_flytekits(name: str) -> None:
    expected = idl.types.LiteralType.FromString(bytes.fromhex(WRITTEN["types"][name]))
    assert REGISTRY.literal_type(CASES.ANNOTATIONS[name]) == expected


@pytest.mark.parametrize("name", CASES.VALUES)
def test_the_literal_is_flytekits(name: str) -> None:
    kind, value = CASES.VALUES[name]
    expected = idl.literals.Literal.FromString(bytes.fromhex(WRITTEN["literals"][name]))
    assert REGISTRY.to_literal(value, CASES.ANNOTATIONS[kind], STORAGE) == expected
    assert REGISTRY.to_python(expected, CASES.ANNOTATIONS[kind], STORAGE) == value


def test_a_model_of_handles_is_flytekits() -> None:
    pytest.importorskip("fledge_dataframes.hooks").register_types((registry := _registry()).register)
    model, value = CASES.handles(FlyteFile, FlyteDirectory, StructuredDataset)
    expected = idl.types.LiteralType.FromString(bytes.fromhex(WRITTEN["handles"]["type"]))
    assert registry.literal_type(model) == expected
    literal = registry.to_literal(value, model, STORAGE)
    assert literal == idl.literals.Literal.FromString(bytes.fromhex(WRITTEN["handles"]["literal"]))
    read = registry.to_python(literal, model, STORAGE)
    assert (read.file, read.many, read.by_name) == (value.file, value.many, value.by_name)
    assert (read.data.uri, read.data.file_format) == ("s3://bucket/data", "parquet")


class Parcel(BaseModel):
    file: FlyteFile
    folders: list[FlyteDirectory] = []


class Shipment(BaseModel):
    parcels: dict[str, Parcel]


class Report(BaseModel):
    file: FlyteFile[Literal["csv"]]


class Study(BaseModel):
    data: StructuredDataset


def test_files_of_a_model_are_published_and_come_back(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "a.txt").write_text("hello")
    storage = StorageRouter(str(tmp_path / "raw"), keep_local=False)
    value = Shipment(parcels={"a": Parcel(file=f"{tmp_path}/here/a.txt", folders=[f"{tmp_path}/here"])})  # type: ignore[arg-type, list-item] # a path becomes a handle
    literal = REGISTRY.to_literal(value, Shipment, storage)
    (tmp_path / "here" / "a.txt").unlink()
    read = REGISTRY.to_python(literal, Shipment, storage).parcels["a"]
    assert Path(read.file).read_text() == "hello"
    assert Path(read.folders[0], "a.txt").read_text() == "hello"
    assert str(read.file).startswith(str(tmp_path / "raw"))


def test_a_file_that_is_not_there_is_named_with_the_path_of_its_field() -> None:
    for annotation, value, path in (
        (Parcel, Parcel(file=FlyteFile("/nope")), "inputs.p"),
        (list[Shipment], [Shipment(parcels={"a": Parcel(file=FlyteFile("/nope"))})], r"inputs.p[0]"),
    ):
        with pytest.raises(TypeConversionError, match=f"^{re.escape(path)}: .*there is no file at /nope"):
            REGISTRY.to_literal(value, annotation, STORAGE, "inputs.p")
    literal = REGISTRY.to_literal({"parcels": {"a": {"file": {"path": "/nope"}}}}, dict, STORAGE)
    with pytest.raises(TypeConversionError, match=r"^inputs\.s\.parcels\.a\.file: .*there is no file at /nope"):
        REGISTRY.to_python(literal, Shipment, STORAGE, "inputs.s")


def test_a_storage_that_fails_stays_its_own_error() -> None:
    storage = StorageRouter("nowhere://bucket", keep_local=False)
    with pytest.raises(StorageError, match=r"^nowhere://bucket/.*no storage for scheme 'nowhere'"):
        REGISTRY.to_literal(Parcel(file=FlyteFile(__file__)), Parcel, storage)


def test_a_dataset_in_a_model_needs_a_plugin_that_reads_it() -> None:
    with pytest.raises(UnsupportedTypeError, match=r"^t\.inputs\.s\[\]\.data: .*pip install fledge-dataframes"):
        REGISTRY.check(list[Study], "t.inputs.s")


def test_a_frame_in_a_model_is_written() -> None:
    pa = pytest.importorskip("pyarrow")
    pytest.importorskip("fledge_dataframes.hooks").register_types((registry := _registry()).register)
    storage = StorageRouter(live=LiveStore())  # as in a local run
    value = Study(data=StructuredDataset(dataframe=pa.table({"a": [1, 2]})))
    read = registry.to_python(registry.to_literal(value, Study, storage), Study, StorageRouter())
    assert read.data.open(pa.Table).all().to_pydict() == {"a": [1, 2]}


def test_a_model_of_handles_is_pydantics_own_outside_tasks() -> None:
    value = Parcel(file=FlyteFile("s3://b/k", metadata={"a": "b"}))
    assert value.model_dump() == {"file": value.file, "folders": []}
    assert value.model_dump_json() == '{"file":{"path":"s3://b/k","metadata":{"a":"b"}},"folders":[]}'
    assert Parcel.model_validate_json(value.model_dump_json()) == value
    for bad in (5, {"uri": "x"}):
        with pytest.raises(ValidationError, match=r"(?s)file\n.*nothing that stands for a handle"):
            Parcel.model_validate({"file": bad})
    with pytest.raises(PydanticSerializationError, match="has no uri before"):
        Study(data=StructuredDataset(dataframe=[1])).model_dump_json()
    assert Report.model_validate({"file": "a.csv"}).file.extension() == "csv"
    assert Report.model_json_schema()["properties"]["file"]["title"] == "FlyteFile"


def test_a_strict_model_with_aliases_survives() -> None:
    value = Careful.model_validate({"at": datetime.now(), "No.": 3, "ratio": math.inf, "by_id": {7: 0.5}})  # noqa: DTZ005 - any moment
    assert _trip(value, Careful) == value


def test_a_struct_literal_of_old_versions_is_read() -> None:
    literal = idl.literals.Literal()
    literal.scalar.generic.update({"value": 1, "children": [{"value": 2}]})
    assert REGISTRY.to_python(literal, Node, STORAGE) == Node(value=1, children=[Node(value=2)])


def test_a_task_takes_and_gives_models() -> None:
    assert add_child(node=Node(value=1), value=2) == Node(value=1, children=[Node(value=2)])


def test_a_model_travels_inside_a_dataclass() -> None:
    @dataclass
    class Trip:
        start: Node
        stops: list[Node]

    value = Trip(Node(value=1), [Node(value=2)])
    assert _trip(value, Trip) == value


def test_the_models_that_lead_back_to_themselves_have_a_finite_type() -> None:
    structure = REGISTRY.literal_type(Node).structure.dataclass_type
    assert set(structure) == {"value"}
    assert REGISTRY.literal_type(list[Node]).collection_type == REGISTRY.literal_type(Node)


def test_a_validator_that_raises_is_named_with_the_path_of_its_field() -> None:
    bad = Careful.model_construct(at=datetime.now(), number=3, ratio=-1.0)  # noqa: DTZ005 - any moment
    literal = REGISTRY.to_literal(bad, Careful, STORAGE)
    with pytest.raises(
        TypeConversionError, match=r"^inputs\.c\.ratio: .*got float -1\.0 \(.*must be positive\)"
    ) as caught:
        REGISTRY.to_python(literal, Careful, STORAGE, "inputs.c")
    assert caught.value.path == "inputs.c.ratio"


def test_a_wrong_value_deep_inside_has_its_path() -> None:
    literal = REGISTRY.to_literal([{"value": 1, "children": [{"value": "x"}, {}]}], list[dict], STORAGE)  # type: ignore[type-arg] # free-form data
    with pytest.raises(TypeConversionError, match=r"^inputs\.n\[0\]\.children\[0\]\.value: .*; and 1 more\)"):
        REGISTRY.to_python(literal, list[Node], STORAGE, "inputs.n")


@pytest.mark.parametrize("value", [{"value": 1}, 1, None, Journey(1, [])])
def test_what_is_no_model_is_refused(value: object) -> None:
    with pytest.raises(TypeConversionError, match=r"^inputs\.n: expected .*Node, got"):
        REGISTRY.to_literal(value, Node, STORAGE, "inputs.n")


def test_a_subclass_is_refused_as_it_would_lose_its_fields() -> None:
    class Named(Node):
        name: str = ""

    with pytest.raises(TypeConversionError, match="a subclass would come back as its base"):
        REGISTRY.to_literal(Named(value=1), Node, STORAGE)


def test_a_value_that_its_model_would_not_take_is_refused() -> None:
    with pytest.raises(TypeConversionError, match=r"(?s)^inputs\.n: .*it cannot be dumped: .*value"):
        REGISTRY.to_literal(Node.model_construct(value="x"), Node, STORAGE, "inputs.n")


def test_an_integer_too_large_for_messagepack_is_refused() -> None:
    with pytest.raises(TypeConversionError, match="expected integers of 64 bits"):
        REGISTRY.to_literal(Node(value=2**70), Node, STORAGE, "inputs.n")


def test_a_secret_is_refused_when_the_task_is_defined() -> None:
    class Holder(BaseModel):
        accounts: dict[str, Account]

    for annotation in (Account, Holder, list[Holder]):
        with pytest.raises(
            UnsupportedTypeError, match=r"Account\.password is a SecretStr, which is written as asterisks"
        ):
            REGISTRY.check(annotation, "t.inputs.a")


def test_a_computed_field_is_computed_again() -> None:
    class Square(BaseModel):
        side: int

        @computed_field  # type: ignore[prop-decorator] # mypy's plugin for pydantic is not in use
        @property
        def area(self) -> int:
            return self.side**2

    assert _trip(Square(side=3), Square).area == 9


def test_the_hook_module_does_not_import_pydantic() -> None:
    code = "import sys, fledge_pydantic.hooks; print('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
