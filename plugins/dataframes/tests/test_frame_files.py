"""What frames look like as files: CSV for those who ask, folders by value, and only what is wanted is read."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fledge import StructuredDataset, idl, kwtypes
from fledge.errors import DefinitionError, StorageError, TypeConversionError, UnsupportedTypeError
from fledge.storage import LiveStore, StorageRouter, materialize
from fledge.types.builtin import builtin_registry
from fledge_dataframes import ColumnError, PartitionedBy
from fledge_dataframes.hooks import register_types
from fledge_dataframes.ranges import file_system

Annotation = Any  # Any: annotations are of no type of their own
REGISTRY = builtin_registry()
register_types(REGISTRY.register)


def _write(
    value: Any, annotation: Annotation, storage: StorageRouter | None = None
) -> idl.literals.Literal:  # Any: frames
    return REGISTRY.converter(annotation).to_literal(value, storage or StorageRouter(), "inputs.t")


def _read(literal: idl.literals.Literal, annotation: Annotation, storage: StorageRouter | None = None) -> Any:
    return REGISTRY.converter(annotation).to_python(literal, storage or StorageRouter(), "inputs.t")


def _literal(uri: object, file_format: str = "parquet") -> idl.literals.Literal:
    literal = idl.literals.Literal()
    literal.scalar.structured_dataset.uri = str(uri)
    literal.scalar.structured_dataset.metadata.structured_dataset_type.format = file_format
    return literal


def _uri(literal: idl.literals.Literal) -> Path:
    return Path(literal.scalar.structured_dataset.uri)


# -- CSV ---------------------------------------------------------------------------------------------------------------

MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1))  # noqa: DTZ001 - frames may hold moments without a zone
TEXTS: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [  # Any: values of any column
    (pa.bool_(), st.booleans()),
    (pa.int8(), st.integers(-128, 127)),
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.uint32(), st.integers(0, 2**32 - 1)),
    (pa.float32(), st.floats(width=32, allow_nan=False)),
    (pa.float64(), st.floats(allow_nan=False)),
    (pa.string(), st.text()),
    (pa.large_string(), st.text("ab\n\"', ;é", max_size=5)),
    (pa.date32(), st.dates(date(1900, 1, 1), date(2100, 1, 1))),
    (pa.timestamp("s"), MOMENTS.map(lambda at: at.replace(microsecond=0))),
    (pa.timestamp("us"), MOMENTS),
    (pa.timestamp("us", "UTC"), MOMENTS.map(lambda at: at.replace(tzinfo=timezone.utc))),
    (pa.time64("us"), st.times()),
    (pa.decimal128(7, 2), st.integers(-(10**7) + 1, 10**7 - 1).map(lambda cents: Decimal(cents).scaleb(-2))),
]


@st.composite
def text_tables(draw: st.DrawFn) -> pa.Table:
    """Shape (0 to 5 rows, 1 to 3 columns)."""
    rows = draw(st.integers(0, 5))
    names = draw(st.lists(st.text('ab.," é\n', min_size=1, max_size=3), min_size=1, max_size=3, unique=True))
    columns = []
    for _ in names:
        kind, cells = draw(st.sampled_from(TEXTS))
        columns.append(pa.array(draw(st.lists(st.none() | cells, min_size=rows, max_size=rows)), kind))
    return pa.table(columns, names=names)


@given(text_tables())
def test_a_table_survives_csv_with_its_declared_types(table: pa.Table) -> None:
    annotation = Annotated[pa.Table, table.schema, "csv"]
    literal = _write(table, annotation)
    assert literal.scalar.structured_dataset.metadata.structured_dataset_type.format == "csv"
    assert [file.name for file in _uri(literal).iterdir()] == [".csv"]
    assert _read(literal, annotation).equals(table)
    stream = _read(literal, Annotated[pa.RecordBatchReader, table.schema])
    assert stream.read_all().equals(table)


def test_an_empty_text_is_not_a_missing_one() -> None:
    table = pa.table({"a": ["", None, "NA", "00501"]})
    annotation = Annotated[pa.Table, kwtypes(a=str), "csv"]
    assert _read(_write(table, annotation), annotation).equals(table)
    assert _read(_write(table, annotation), pa.Table).equals(table)  # the writer's declaration is in the literal


def test_columns_without_a_declared_type_are_what_their_text_looks_like() -> None:
    table = pa.table({"code": ["7a"], "n": pa.array([1], pa.int8()), "f": [0.5], "b": [True], "d": [date(2013, 1, 2)]})
    read = _read(_write(table, Annotated[pa.Table, "csv"]), pa.Table)
    assert read.schema.types == [pa.string(), pa.int64(), pa.float64(), pa.bool_(), pa.date32()]


def test_a_handle_chooses_its_format() -> None:
    frame = pd.DataFrame({"a": [1, 2]})
    by_handle = _write(StructuredDataset(dataframe=frame, file_format="csv"), StructuredDataset)
    assert (_uri(by_handle) / ".csv").read_text() == '"a"\n1\n2\n'
    told = StructuredDataset(dataframe=frame, file_format="csv")
    by_annotation = _write(told, Annotated[StructuredDataset, "parquet"])
    assert pq.read_table(_uri(by_annotation)).num_rows == 2
    assert _read(by_handle, StructuredDataset).open(pd.DataFrame).all().equals(frame)
    with pytest.raises(TypeConversionError, match="written and read as parquet and csv, not as 'feather'"):
        _write(StructuredDataset(dataframe=frame, file_format="feather"), StructuredDataset)


def test_a_format_that_is_not_written_is_refused_when_the_task_is_defined() -> None:
    with pytest.raises(UnsupportedTypeError, match="written and read as parquet and csv, not as 'feather'"):
        REGISTRY.check(Annotated[pa.Table, "feather"], "t.outputs.o0")
    REGISTRY.check(Annotated[StructuredDataset, "feather"], "t.outputs.o0")  # a handle may hold another's URI
    with pytest.raises(UnsupportedTypeError, match=r"PartitionedBy\('a'\) is for parquet, not for 'csv'"):
        REGISTRY.check(Annotated[pa.Table, "csv", PartitionedBy("a")], "t.outputs.o0")


def test_a_live_frame_becomes_csv_when_it_leaves_the_process(tmp_path: Path) -> None:
    live = StorageRouter(str(tmp_path), live=LiveStore())
    literal = _write(pd.DataFrame({"a": [1]}), Annotated[pd.DataFrame, "csv"], live)
    made = idl.literals.LiteralMap(literals={"o0": literal})
    assert (_uri(materialize(made, live).literals["o0"]) / ".csv").read_text() == '"a"\n1\n'


@pytest.mark.parametrize("live", [True, False], ids=["live", "written"])
@pytest.mark.parametrize(
    "column",
    [[[1]], [{"x": 1}], [b"x"], [timedelta(1)], pa.array([1], pa.uint64())],
    ids=["list", "struct", "bytes", "duration", "uint64"],
)
def test_what_text_cannot_hold_is_refused_also_in_a_local_run(column: Any, live: bool) -> None:
    storage = StorageRouter(live=LiveStore() if live else None)
    with pytest.raises(ColumnError, match=r"^inputs\.t\.columns\.b: expected a type that csv can store, got"):
        _write(pa.table({"a": [1], "b": column}), Annotated[pa.Table, "csv"], storage)


@pytest.mark.parametrize("kind", [pa.Table, pa.RecordBatchReader])
def test_a_text_of_another_type_is_named_with_its_column(kind: Annotation, tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("a,b\n1,2\n3,x\n")
    with pytest.raises(ColumnError, match=r"^inputs\.t\.columns\.b: expected int64, got other text \(.*'x'\)"):
        _read(_literal(tmp_path, "csv"), Annotated[kind, kwtypes(a=int, b=int)])
    with pytest.raises(ColumnError, match=r"columns\.c: expected int64, got no such column"):
        _read(_literal(tmp_path / "one.csv", "csv"), Annotated[kind, kwtypes(c=int)])


def test_csv_files_of_a_folder_are_one_table(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("a,b\n1,x\n")
    (tmp_path / "2.csv").write_text("a,b\n2,y\n")
    (tmp_path / "_SUCCESS").touch()
    annotation = Annotated[pa.Table, kwtypes(b=str)]
    assert _read(_literal(tmp_path, "csv"), annotation).to_pydict() == {"b": ["x", "y"]}
    stream = _read(_literal(tmp_path, "csv"), Annotated[pa.RecordBatchReader, kwtypes(b=str)])
    assert stream.read_all().to_pydict() == {"b": ["x", "y"]}
    (tmp_path / "2.csv").write_text("a,b\n0.5,y\n")
    assert _read(_literal(tmp_path, "csv"), pa.Table).to_pydict() == {"a": [1.0, 0.5], "b": ["x", "y"]}
    (tmp_path / "2.csv").write_text("a,b\nz,y\n")
    with pytest.raises(StorageError, match=r"cannot be read as csv: .*Unable to merge"):
        _read(_literal(tmp_path, "csv"), pa.Table)
    (tmp_path / "3.csv").write_text("a,a\n1,2\n")
    with pytest.raises(ColumnError, match=r"columns\.a: expected one column of this name"):
        _read(_literal(tmp_path / "3.csv", "csv"), pa.Table)


def test_a_csv_file_that_is_cut_off_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3")
    with pytest.raises(StorageError, match=r"t\.csv: cannot be read as csv: .*Expected 2 columns, got 1"):
        _read(_literal(tmp_path / "t.csv", "csv"), pa.Table)


# -- folders by value --------------------------------------------------------------------------------------------------

FOLDERS: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [  # Any: values of any column
    (pa.bool_(), st.booleans()),
    (pa.int8(), st.integers(-3, 3)),
    (pa.uint64(), st.sampled_from([0, 2**64 - 1])),
    (pa.string(), st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=3)),
    (pa.large_string(), st.sampled_from(["01", "1", "a/b", "..", "", "%2F", "ü"])),
    (pa.date32(), st.dates(date(2013, 1, 1), date(2013, 1, 3))),
]


@st.composite
def partitioned(draw: st.DrawFn) -> tuple[pa.Table, tuple[str, ...]]:
    """A table of 0 to 8 rows in 2 to 4 columns, and the columns to partition by: all but `row`, in any order."""
    rows = draw(st.integers(0, 8))
    columns: dict[str, pa.Array] = {"row": pa.array(range(rows), pa.int32())}
    for number in range(draw(st.integers(1, 3))):
        kind, cells = draw(st.sampled_from(FOLDERS))
        columns[f"k{number}"] = pa.array(draw(st.lists(st.none() | cells, min_size=rows, max_size=rows)), kind)
    names = draw(st.permutations(sorted(columns)))
    return pa.table({name: columns[name] for name in names}), tuple(name for name in names if name != "row")


@given(partitioned())
def test_a_partitioned_frame_survives_up_to_the_order_of_rows(case: tuple[pa.Table, tuple[str, ...]]) -> None:
    table, columns = case
    literal = _write(table, Annotated[pa.Table, PartitionedBy(*columns)])
    read = _read(literal, pa.Table)
    assert read.schema.equals(table.schema, check_metadata=True)
    assert read.sort_by("row").equals(table)
    stream = _read(literal, pa.RecordBatchReader)
    assert stream.read_all().sort_by("row").equals(table)
    if table.num_rows:
        assert all(f"/{columns[0]}=" in str(file) for file in _uri(literal).rglob("*.parquet"))


def test_rows_keep_their_order_in_each_folder() -> None:
    table = pa.table({"k": [n % 2 for n in range(100_000)], "row": range(100_000)})
    read = _read(_write(table, Annotated[pa.Table, PartitionedBy("k")]), pa.Table)
    assert read["row"].to_pylist() == [*range(0, 100_000, 2), *range(1, 100_000, 2)]


def test_a_reader_is_partitioned_batch_by_batch() -> None:
    table = pa.table({"k": ["a", "b", "a"], "row": [0, 1, 2]})
    literal = _write(table.to_reader(max_chunksize=1), Annotated[pa.RecordBatchReader, PartitionedBy("k")])
    assert sorted(path.name for path in _uri(literal).iterdir()) == ["k=a", "k=b"]
    assert _read(literal, pa.Table).sort_by("row").equals(table)


def test_pandas_and_flytekits_way_read_what_was_partitioned() -> None:
    frame = pd.DataFrame({"month": [1, 2, 1], "delay": [0.5, 1.5, 2.5]})
    literal = _write(frame, Annotated[pd.DataFrame, PartitionedBy("month")])
    assert sorted(pd.read_parquet(_uri(literal))["delay"]) == [0.5, 1.5, 2.5]
    back = _read(literal, pd.DataFrame).sort_values("delay", ignore_index=True)
    pd.testing.assert_frame_equal(back, frame)


@pytest.mark.parametrize("live", [True, False], ids=["live", "written"])
@pytest.mark.parametrize(
    ("columns", "path", "message"),
    [
        (("mont",), "mont", r"a column to partition by, got no such column; did you mean 'month'\?"),
        (("at",), "at", r"integers, texts, booleans or dates to partition by, got timestamp\[us\] \(cast it first\)"),
        (("month", "at", "carrier"), "at", "integers, texts, booleans or dates to partition by"),
    ],
)
def test_a_column_that_makes_no_folders_is_named(columns: tuple[str, ...], path: str, message: str, live: bool) -> None:
    table = pa.table({"month": [1], "at": [datetime(2013, 1, 1)], "carrier": ["AA"]})  # noqa: DTZ001 - as above
    storage = StorageRouter(live=LiveStore() if live else None)
    with pytest.raises(ColumnError, match=rf"^inputs\.t\.columns\.{path}: expected {message}"):
        _write(table, Annotated[pa.Table, PartitionedBy(*columns)], storage)


def test_a_frame_of_folders_only_and_a_text_that_means_null_are_refused(tmp_path: Path) -> None:
    storage = StorageRouter(str(tmp_path))
    with pytest.raises(ColumnError, match=r"columns\.k: expected a column beside those to partition by"):
        _write(pa.table({"k": [1]}), Annotated[pa.Table, PartitionedBy("k")], storage)
    for text in ("__HIVE_DEFAULT_PARTITION__", "a\0b"):
        table = pa.table({"k": ["a", text, None], "row": [0, 1, 2]})
        with pytest.raises(ColumnError, match=r"columns\.k: expected values that can name folders, got .*come back as"):
            _write(table, Annotated[pa.Table, PartitionedBy("k")], storage)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("columns", [(), ("a", "a"), (1,)])
def test_partitions_are_columns_each_once(columns: Any) -> None:
    with pytest.raises(DefinitionError, match="name one or more columns, each once"):
        PartitionedBy(*columns)
    assert PartitionedBy("a", "b") == PartitionedBy("a", "b") != PartitionedBy("b", "a")


def test_a_folder_of_others_is_read_with_its_folders_as_columns(tmp_path: Path) -> None:
    table = pa.table({"month": pa.array([1, 1, 2], pa.int32()), "code": ["01", "1", "2"], "delay": [0.5, 1.5, 2.5]})
    part = ds.partitioning(pa.schema([("month", pa.int32()), ("code", pa.string())]), flavor="hive")
    ds.write_dataset(table, tmp_path / "year=2013" / "flights", format="parquet", partitioning=part)
    declared = Annotated[pa.Table, kwtypes(month=int, code=str, delay=float)]
    read = _read(_literal(tmp_path / "year=2013" / "flights"), declared).sort_by("delay")
    assert read.to_pydict() == table.to_pydict()
    assert read.schema.types == [pa.int64(), pa.string(), pa.float64()]


# -- only what is wanted -----------------------------------------------------------------------------------------------


@dataclass
class Engine:
    kind: str


@dataclass
class Plane:
    engine: Engine
    year: int


PLANES = pa.table(
    {
        "plane": pa.array(
            [{"year": 1, "seats": 2, "engine": {"kind": "jet", "power": 9}}, None, {"year": None, "engine": None}],
            pa.struct(
                [
                    ("year", pa.int64()),
                    ("seats", pa.int64()),
                    ("engine", pa.struct([("kind", pa.string()), ("power", pa.int64())])),
                ]
            ),
        ),
        "plane.year": [7, 8, 9],
        "row": [0, 1, 2],
    }
)
WANTED = [{"engine": {"kind": "jet"}, "year": 1}, None, {"engine": None, "year": None}]


@pytest.mark.parametrize("partitions", [(), ("row",)], ids=["one file", "folders"])
@pytest.mark.parametrize("live", [True, False], ids=["live", "written"])
@pytest.mark.parametrize("kind", [pa.Table, pa.RecordBatchReader, pd.DataFrame])
def test_of_a_struct_the_declared_fields_are_given_in_their_order(
    kind: Annotation, live: bool, partitions: tuple[str, ...]
) -> None:
    storage = StorageRouter(live=LiveStore() if live else None)
    written = Annotated[pa.Table, PartitionedBy(*partitions)] if partitions else pa.Table
    literal = _write(PLANES, written, storage)
    read = _read(literal, Annotated[kind, kwtypes(row=int, plane=Plane)], storage)
    found = pa.Table.from_pandas(read) if kind is pd.DataFrame else read
    found = found.read_all() if kind is pa.RecordBatchReader else found
    assert found.column_names == ["row", "plane"]
    assert found["plane"].to_pylist() == WANTED
    assert found["row"].to_pylist() == [0, 1, 2]


def test_what_the_writer_declared_of_a_struct_is_what_others_get() -> None:
    declared = {"plane": {"year": int}, "plane.year": int}
    for storage in (StorageRouter(), StorageRouter(live=LiveStore())):
        literal = _write(PLANES, Annotated[pa.Table, {"plane": {"seats": int}, "row": int}], storage)
        assert _read(literal, pa.Table, storage)["plane"].to_pylist() == [{"seats": 2}, None, {"seats": None}]
        literal = _write(PLANES, Annotated[pa.Table, declared], storage)
        assert _read(literal, pa.Table, storage).column_names == ["plane.year"]  # one name, one column


def test_a_file_that_lacks_a_field_of_the_first_is_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"s": [{"a": 1, "b": 2}], "t": [1]}), tmp_path / "0.parquet")
    pq.write_table(pa.table({"s": [{"a": 3}], "t": [2]}), tmp_path / "1.parquet")
    assert _read(_literal(tmp_path), Annotated[pa.Table, {"s": {"a": int}}])["s"].to_pylist() == [{"a": 1}, {"a": 3}]
    with pytest.raises(StorageError, match=r"cannot be read as parquet: one of its files lacks a field: .*b"):
        _read(_literal(tmp_path), Annotated[pa.Table, {"s": {"b": int}}])
    pq.write_table(pa.table({"t": [2]}), tmp_path / "1.parquet")
    read = _read(_literal(tmp_path), Annotated[pa.Table, {"s": {"a": int}, "t": int}])
    assert read.to_pydict() == {"s": [{"a": 1}, None], "t": [1, 2]}


class _Counting:
    """A storage of files under a scheme, which counts the bytes that are fetched."""

    def __init__(self, root: Path) -> None:
        self.root, self.fetched = root, 0

    def list(self, uri: str) -> list[str]:
        path = Path(self.root, uri.partition("://")[2])
        files = [path] if path.is_file() else sorted(found for found in path.rglob("*") if found.is_file())
        return [f"count://{file.relative_to(self.root)}" for file in files]

    def open(self, uri: str) -> io.BytesIO:
        storage = self

        class File(io.BytesIO):
            def readinto(self, buffer: Any) -> int:  # Any: the buffer protocol has a type from Python 3.12 on
                size = super().readinto(buffer)
                storage.fetched += size
                return size

            def read(self, size: int | None = -1) -> bytes:
                data = super().read(size)
                storage.fetched += len(data)
                return data

            def size(self) -> int:
                return len(self.getbuffer())

        return File(Path(storage.root, uri.partition("://")[2]).read_bytes())


@pytest.fixture
def counting(tmp_path: Path) -> tuple[_Counting, StorageRouter]:
    storage = _Counting(tmp_path)
    return storage, StorageRouter(None, {"count": lambda: storage})  # type: ignore[dict-item, return-value] # it only reads


def test_fields_that_nobody_wants_stay_unread(counting: tuple[_Counting, StorageRouter], tmp_path: Path) -> None:
    storage, router = counting
    many = pa.array(range(100_000), pa.int64())
    struct = pa.StructArray.from_arrays([many] * 10, [f"f{number}" for number in range(10)])
    pq.write_table(pa.table({"s": struct, "other": many}), tmp_path / "00000", use_dictionary=False, compression="none")
    literal = _literal("count://00000")
    whole = _read(literal, pa.Table, router)
    fetched, storage.fetched = storage.fetched, 0
    part = _read(literal, Annotated[pa.Table, {"s": {"f3": int}}], router)
    assert part["s"].combine_chunks().field(0).equals(whole["s"].combine_chunks().field(3))
    assert storage.fetched < fetched / 8
    assert isinstance(file_system(storage, "count://00000")[0], pafs.PyFileSystem)


# -- places that a user names ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("annotation", [StructuredDataset, Annotated[StructuredDataset, "csv"]])
def test_a_frame_written_again_to_its_place_replaces_itself(annotation: Annotation, tmp_path: Path) -> None:
    place = str(tmp_path / "kept")
    for rows in (3, 2):
        literal = _write(StructuredDataset(dataframe=pa.table({"a": range(rows)}), uri=place), annotation)
        assert _read(literal, pa.Table).num_rows == rows
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_place_with_other_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(StorageError, match=r"holds 'notes\.txt', which would become part of the frame"):
        _write(StructuredDataset(dataframe=pa.table({"a": [1]}), uri=str(tmp_path)), StructuredDataset)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"notes.txt": "mine"}


def test_times_of_day_are_text_in_csv(tmp_path: Path) -> None:
    literal = _write(pa.table({"at": [time(1, 2, 3)]}), Annotated[pa.Table, "csv"], StorageRouter(str(tmp_path)))
    assert _read(literal, pa.Table).to_pydict() == {"at": ["01:02:03.000000"]}
