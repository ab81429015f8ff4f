"""Literals and literal types equal the ones flytekit makes (checked in under golden/), and its files are read."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import pandas as pd
import pyarrow as pa
import pytest

from fledge import idl
from fledge.interface import kwtypes
from fledge.storage import StorageRouter
from fledge.types.base import TypeRegistry
from fledge.types.datasets import StructuredDataset

GOLDEN = Path(__file__).parent / "golden"
WRITTEN = json.loads((GOLDEN / "frames.json").read_text())


def _cases() -> ModuleType:
    spec = importlib.util.spec_from_file_location("golden_frames", Path(__file__).with_name("make_golden_frames.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CASES = _cases()
ANNOTATIONS: dict[str, Any] = CASES.frame_types(kwtypes, StructuredDataset)  # Any: annotations
VALUES: dict[str, tuple[str, Any]] = CASES.values(StructuredDataset)  # Any: frames of any kind


def test_every_case_has_golden_bytes() -> None:
    assert WRITTEN["types"].keys() == ANNOTATIONS.keys()
    assert WRITTEN["literals"].keys() == VALUES.keys()


@pytest.mark.parametrize("name", ANNOTATIONS)
def test_the_literal_type_is_flytekits(name: str, registry: TypeRegistry) -> None:
    expected = idl.types.LiteralType.FromString(bytes.fromhex(WRITTEN["types"][name]))
    assert registry.converter(ANNOTATIONS[name]).literal_type == expected


@pytest.mark.parametrize("name", VALUES)
def test_the_literal_is_flytekits(name: str, registry: TypeRegistry, tmp_path: Path) -> None:
    annotation, value = VALUES[name]
    expected = idl.literals.Literal.FromString(bytes.fromhex(WRITTEN["literals"][name]))
    literal = registry.converter(ANNOTATIONS[annotation]).to_literal(value, StorageRouter(str(tmp_path)))
    assert CASES.without_uris(literal) == expected


def _flytekits(name: str) -> idl.literals.Literal:
    literal = idl.literals.Literal()
    literal.scalar.structured_dataset.uri = str(GOLDEN / f"flytekit_{name}")
    literal.scalar.structured_dataset.metadata.structured_dataset_type.format = "parquet"
    return literal


def test_an_arrow_table_that_flytekit_wrote_is_read_back_equal(registry: TypeRegistry) -> None:
    read: Any = registry.converter(pa.Table).to_python(_flytekits("arrow"), StorageRouter())
    assert read.equals(CASES.ALL, check_metadata=True)


def test_a_pandas_frame_that_flytekit_wrote_keeps_its_row_labels(registry: TypeRegistry) -> None:
    read: Any = registry.converter(pd.DataFrame).to_python(_flytekits("pandas"), StorageRouter())
    pd.testing.assert_frame_equal(read, pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}, index=["p", "q"]))


def test_a_csv_file_that_flytekit_wrote_is_read(registry: TypeRegistry) -> None:
    literal = _flytekits("csv")
    literal.scalar.structured_dataset.metadata.structured_dataset_type.format = "csv"
    annotation = Annotated[pa.Table, kwtypes(a=str, b=float, c=bool)]
    read: Any = registry.converter(annotation).to_python(literal, StorageRouter())
    assert read.to_pydict() == {
        "a": ["007", None, 'say "x",\ny'],
        "b": [1.5, None, -0.0],
        "c": [True, False, True],
    }


def test_a_schema_literal_of_old_versions_is_read(registry: TypeRegistry) -> None:
    literal = idl.literals.Literal()
    literal.scalar.schema.uri = str(GOLDEN / "flytekit_arrow")
    literal.scalar.schema.type.columns.add(name="i")
    literal.scalar.schema.type.columns.add(name="s")
    read: Any = registry.converter(pa.Table).to_python(literal, StorageRouter())
    assert read.equals(CASES.ALL.select(["i", "s"]))
