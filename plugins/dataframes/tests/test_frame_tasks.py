"""Frames as tasks meet them: installed plugin, local calls, outputs that leave the process, files that are broken."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fledge import StructuredDataset, idl, kwtypes, task
from fledge.errors import LiveValueError, StorageError, TypeConversionError
from fledge.storage import LIVE_SCHEME, LiveStore, LocalStorage, StorageRouter
from fledge.types.base import TypeRegistry
from fledge_dataframes import ColumnError
from fledge_dataframes.writing import write_folder

TABLE = pa.table({"month": [1, 2, 2], "delay": [0.5, None, 2.5]})
seen: list[object] = []


@task
def late(flights: Annotated[pa.Table, kwtypes(month=int, delay=float)], over: float = 1.0) -> pa.Table:
    seen.append(flights)
    return flights.filter(pa.compute.greater(flights["delay"], over))


@task
def as_it_is(t: pa.Table) -> pa.Table:
    seen.append(t)
    return t


@task
def totals(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.groupby("month", as_index=False).sum()


@task
def by_handle(
    data: Annotated[StructuredDataset, kwtypes(month=int)],
) -> tuple[int, Annotated[StructuredDataset, kwtypes(month=int)]]:
    frame = data.open(pd.DataFrame).all()
    assert list(frame.columns) == ["month"]
    assert data.open(None).all().column_names == ["month"]
    return len(frame), data


@dataclass
class Report:
    title: str
    data: StructuredDataset


@task
def report(t: pa.Table) -> Report:
    return Report("months", StructuredDataset(dataframe=t))


@task
def read_report(report: Report) -> int:
    return int(report.data.open(pa.Table).all().num_rows)


def test_a_local_call_hands_the_same_object_through() -> None:
    seen.clear()
    assert as_it_is(t=TABLE) is TABLE
    assert seen == [TABLE]
    assert seen[0] is TABLE


WRITES_NOTHING = """
import resource
import pandas as pd
import pyarrow as pa
from fledge import task

@task
def same(t: pa.Table) -> pa.Table:
    return t

@task
def longest(frame: pd.DataFrame) -> float:
    return float(frame["a"].max())

table = pa.table({name: range(100_000) for name in "abcd"})
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # who writes a byte to any file now is refused, C++ included
try:
    open("probe", "wb", buffering=0).write(b"x")
except OSError:
    print(same(t=table) is table, longest(frame=same(t=table)))
"""


def test_between_local_tasks_no_file_is_written(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(WRITES_NOTHING)
    (tmp_path / "temp").mkdir()
    env = {"TMPDIR": str(tmp_path / "temp"), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-B", "one.py"]
    ran = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.stderr) == ("True 99999.0\n", "")
    assert list((tmp_path / "temp").iterdir()) == []


def test_frames_of_all_libraries_go_into_one_task() -> None:
    assert late(flights=TABLE).to_pydict() == {"month": [2], "delay": [2.5]}
    assert late(flights=TABLE.to_pandas()).to_pydict() == {"month": [2], "delay": [2.5]}
    assert late(flights=TABLE.to_reader()).to_pydict() == {"month": [2], "delay": [2.5]}
    assert totals(frame=late(flights=TABLE, over=0.0)).to_dict("list") == {"month": [1, 2], "delay": [0.5, 2.5]}


def test_a_wrong_column_is_named_with_its_task_input() -> None:
    with pytest.raises(ColumnError, match=r"inputs\.flights\.columns\.month: expected int64, got string"):
        late(flights=pa.table({"month": ["x"], "delay": [1.0]}))


def test_a_handle_reads_the_declared_columns_and_goes_on_as_it_came() -> None:
    count, handle = by_handle(data=StructuredDataset(dataframe=TABLE))
    assert count == 3
    assert handle.open(pa.Table).all().column_names == ["month"]


def test_a_dataset_inside_a_dataclass_is_written() -> None:
    made = report(t=TABLE)
    assert LIVE_SCHEME not in str(made.data.uri)
    assert read_report(report=made) == 3


def test_a_handle_made_by_hand_is_opened_without_a_task(tmp_path: Path) -> None:
    write_folder(TABLE, str(tmp_path / "kept"))
    code = (
        "import sys, pandas as pd, pyarrow as pa; from fledge import StructuredDataset\n"
        "frame = StructuredDataset(uri=sys.argv[1]).open(pd.DataFrame).all()\n"
        "print(StructuredDataset(dataframe=frame, uri='/never/written').open(pa.Table).all().column_names)"
    )
    ran = subprocess.run([sys.executable, "-c", code, tmp_path / "kept"], capture_output=True, text=True, check=True)
    assert ran.stdout == "['month', 'delay']\n"


def test_the_hook_module_imports_no_frame_library() -> None:
    code = "import sys, fledge_dataframes.hooks; print({'pyarrow', 'pandas', 'polars', 'numpy'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"


def test_a_handle_of_a_frame_is_written_where_its_uri_says(tmp_path: Path, registry: TypeRegistry) -> None:
    wanted = str(tmp_path / "kept")
    converter = registry.converter(StructuredDataset)
    literal = converter.to_literal(StructuredDataset(dataframe=TABLE, uri=wanted), StorageRouter(live=LiveStore()))
    assert literal.scalar.structured_dataset.uri == wanted
    assert pq.read_table(wanted).equals(TABLE)


def _literal(uri: str, file_format: str = "parquet") -> idl.literals.Literal:
    literal = idl.literals.Literal()
    literal.scalar.structured_dataset.uri = uri
    literal.scalar.structured_dataset.metadata.structured_dataset_type.format = file_format
    return literal


def test_a_live_frame_outside_its_run_is_an_error_that_says_so(registry: TypeRegistry) -> None:
    converter = registry.converter(pa.Table)
    literal = converter.to_literal(TABLE, StorageRouter(live=LiveStore()))
    for storage in (StorageRouter(), StorageRouter(live=LiveStore())):
        with pytest.raises(LiveValueError, match=r"^fledge-live:///\w+: this .* lived in a"):
            converter.to_python(literal, storage)


@pytest.mark.parametrize("annotation", [pa.Table, pd.DataFrame, pa.RecordBatchReader])
def test_broken_files_are_named(annotation: type, tmp_path: Path, registry: TypeRegistry) -> None:
    converter = registry.converter(annotation)
    (tmp_path / "nothing").touch()
    (tmp_path / "text").write_text("month,delay\n1,2\n")
    (tmp_path / "folder").mkdir()
    for name, reason in {
        "nothing": "cannot be read as parquet",
        "text": "cannot be read as parquet",
        "folder": "holds no parquet file",
        "gone": "does not exist",
    }.items():
        uri = str(tmp_path / name)
        with pytest.raises(StorageError, match=f"^{uri}: {reason}") as caught:
            converter.to_python(_literal(uri), StorageRouter())
        assert caught.value.uri == uri
    with pytest.raises(StorageError, match="is stored as feather; parquet and csv are read"):
        converter.to_python(_literal(str(tmp_path / "text"), "feather"), StorageRouter())
    for name, reason in {
        "nothing": "cannot be read as csv: Empty CSV file",
        "folder": "holds no csv file",
        "gone": "does not exist",
    }.items():
        with pytest.raises(StorageError, match=f"^{tmp_path / name}: {reason}"):
            converter.to_python(_literal(str(tmp_path / name), "csv"), StorageRouter())


def test_a_cut_off_file_is_named(tmp_path: Path, registry: TypeRegistry) -> None:
    write_folder(pa.table({"a": list(range(10_000))}), str(tmp_path / "t"))
    file = tmp_path / "t" / "00000"
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(StorageError, match="cannot be read as parquet"):
        registry.converter(pa.Table).to_python(_literal(str(tmp_path / "t")), StorageRouter())


def test_a_table_of_another_shape_beside_the_first_is_named(tmp_path: Path, registry: TypeRegistry) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "0.parquet")
    pq.write_table(pa.table({"a": ["x"]}), tmp_path / "1.parquet")
    with pytest.raises(StorageError, match="cannot be read as parquet"):
        registry.converter(pa.Table).to_python(_literal(str(tmp_path)), StorageRouter())


def test_a_reader_that_fails_half_way_leaves_nothing(tmp_path: Path, registry: TypeRegistry) -> None:
    def batches() -> object:
        yield TABLE.to_batches()[0]
        raise RuntimeError("the source is gone")

    reader = pa.RecordBatchReader.from_batches(TABLE.schema, batches())
    with pytest.raises(TypeConversionError, match="the source is gone"):
        registry.converter(pa.RecordBatchReader).to_literal(reader, StorageRouter(str(tmp_path)), "outputs.o0")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, registry: TypeRegistry) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"/file/.*cannot be written"):
        registry.converter(pa.Table).to_literal(TABLE, StorageRouter(str(tmp_path / "file")))


class _Elsewhere(LocalStorage):
    """A storage of another scheme, kept in a local folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, from_path: str, uri: str) -> None:
        super().put(from_path, str(self.root / uri.partition("://")[2]))

    def get(self, uri: str, to_path: str) -> None:
        super().get(str(self.root / uri.partition("://")[2]), to_path)


def test_a_frame_goes_to_another_storage_and_back(tmp_path: Path, registry: TypeRegistry) -> None:
    storage = StorageRouter("else://bucket/raw", {"else": lambda: _Elsewhere(tmp_path)})
    converter = registry.converter(pa.Table)
    literal = converter.to_literal(TABLE, storage)
    assert literal.scalar.structured_dataset.uri.startswith("else://bucket/raw/")
    read: Any = converter.to_python(literal, storage)
    assert read.equals(TABLE)
