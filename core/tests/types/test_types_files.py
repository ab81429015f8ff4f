"""Files and directories: lazy handles, local paths that are published, URIs that are kept; pickles by choice."""

from __future__ import annotations

import os
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

import pytest

from fledge import idl
from fledge.context import FlyteContextManager
from fledge.errors import DefinitionError, StorageError, TypeConversionError
from fledge.storage import LocalStorage, StorageRouter
from fledge.types import FlyteDirectory, FlyteFile, Pickled, StructuredDataset, builtin_registry, files

REGISTRY = builtin_registry()
Csv: TypeAlias = FlyteFile[Literal["csv"]]


class Bucket(LocalStorage):
    """A storage of its own scheme that keeps its bytes in a local folder and counts what is fetched."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.fetched = folder, 0

    def _at(self, uri: str) -> str:
        return str(self.folder / uri.removeprefix("bucket://"))

    def read(self, uri: str) -> bytes:
        return super().read(self._at(uri))

    def write(self, uri: str, data: bytes) -> None:
        super().write(self._at(uri), data)

    def get(self, uri: str, to_path: str) -> None:
        self.fetched += 1
        super().get(self._at(uri), to_path)

    def put(self, from_path: str, uri: str) -> None:
        super().put(from_path, self._at(uri))


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    (tmp_path / "bucket").mkdir()
    return Bucket(tmp_path / "bucket")


@pytest.fixture
def storage(bucket: Bucket) -> StorageRouter:
    return StorageRouter("bucket://raw", {"bucket": lambda: bucket}, keep_local=False)


def _local(tmp_path: Path, name: str = "a.txt", text: str = "hello") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


@pytest.mark.parametrize("given", [str, Path, FlyteFile, Csv, lambda path: f"file://{path}"])
def test_whatever_names_a_local_file_is_published(
    given: Any, tmp_path: Path, storage: StorageRouter
) -> None:  # Any: callables
    literal = REGISTRY.to_literal(given(str(_local(tmp_path))), FlyteFile, storage)
    assert literal.scalar.blob.uri.startswith("bucket://raw/")
    assert literal.scalar.blob.uri.endswith("/a.txt")
    assert Path(REGISTRY.to_python(literal, FlyteFile, storage)).read_text() == "hello"


def test_a_local_run_leaves_the_file_where_it_is(tmp_path: Path) -> None:
    path = str(_local(tmp_path))
    literal = REGISTRY.to_literal(path, FlyteFile, StorageRouter())
    assert literal.scalar.blob.uri == path
    assert REGISTRY.to_python(literal, FlyteFile, StorageRouter()).path == path


def test_a_remote_file_is_fetched_once_and_only_when_it_is_needed(bucket: Bucket, storage: StorageRouter) -> None:
    bucket.write("bucket://data/x.csv", b"1,2")
    literal = REGISTRY.to_literal("bucket://data/x.csv", Csv, storage)
    handle = REGISTRY.to_python(literal, Csv, storage)
    assert (handle.uri, handle.remote_source, str(handle)) == ("bucket://data/x.csv",) * 3
    assert handle == Csv("bucket://data/x.csv")
    assert (bucket.fetched, handle.downloaded) == (0, False)
    with open(handle) as stream:
        assert stream.read() == "1,2"
    assert Path(handle.path).read_bytes() == b"1,2"
    assert handle.download() == os.fspath(handle) == handle.path
    assert (bucket.fetched, handle.downloaded) == (1, True)


def test_passing_a_handle_on_keeps_its_uri_and_fetches_nothing(bucket: Bucket, storage: StorageRouter) -> None:
    literal = REGISTRY.to_literal("bucket://data/x", FlyteFile, storage)
    again = REGISTRY.to_literal(REGISTRY.to_python(literal, FlyteFile, storage), FlyteFile, storage)
    assert again == literal
    assert bucket.fetched == 0


def test_remote_path_says_where_the_bytes_go(tmp_path: Path, bucket: Bucket, storage: StorageRouter) -> None:
    path = str(_local(tmp_path))
    literal = REGISTRY.to_literal(FlyteFile(path, remote_path="bucket://mine/b.txt"), FlyteFile, storage)
    assert literal.scalar.blob.uri == "bucket://mine/b.txt"
    assert bucket.read("bucket://mine/b.txt") == b"hello"
    kept = REGISTRY.to_literal(FlyteFile(path, remote_path=False), FlyteFile, storage)
    assert kept.scalar.blob.uri == path


def test_metadata_travels_with_the_file(storage: StorageRouter) -> None:
    handle = FlyteFile("bucket://data/x", metadata={"source": "test"})
    literal = REGISTRY.to_literal(handle, FlyteFile, storage)
    assert dict(literal.metadata) == {"source": "test"}
    assert REGISTRY.to_python(literal, FlyteFile, storage) == handle

    assert REGISTRY.to_python(REGISTRY.to_literal(Report(handle), Report, storage), Report, storage) == Report(handle)


@dataclass
class Report:
    page: FlyteFile
    pictures: FlyteDirectory | None = None


def test_files_of_a_dataclass_are_published_and_lazy(tmp_path: Path, bucket: Bucket, storage: StorageRouter) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    _local(folder, "p.png", "picture")
    report = Report(FlyteFile(_local(tmp_path)), FlyteDirectory(folder))
    back = REGISTRY.to_python(REGISTRY.to_literal(report, Report, storage), Report, storage)
    assert back.page.is_remote
    assert bucket.fetched == 0
    assert Path(back.page).read_text() == "hello"
    assert (back.pictures / "p.png").read_text() == "picture"


def test_a_directory_is_published_listed_and_walked(tmp_path: Path, storage: StorageRouter) -> None:
    folder = tmp_path / "data"
    (folder / "deep").mkdir(parents=True)
    _local(folder, "b.txt")
    _local(folder / "deep", "a.txt")
    literal = REGISTRY.to_literal(folder, FlyteDirectory, storage)
    assert literal.scalar.blob.metadata.type.dimensionality == idl.types.BlobType.MULTIPART
    handle = REGISTRY.to_python(literal, FlyteDirectory, storage)
    assert [name for _, name in handle.crawl()] == ["b.txt", "deep/a.txt"]
    assert [type(entry) for entry in handle.listdir()] == [FlyteFile, FlyteDirectory]
    assert [entry.uri for entry in handle.listdir()] == [f"{handle.uri}/b.txt", f"{handle.uri}/deep"]
    assert Path(handle.new_file("b.txt")).read_text() == "hello"


def test_what_is_in_a_directory_that_is_here_is_not_fetched_again(
    tmp_path: Path, bucket: Bucket, storage: StorageRouter
) -> None:
    (tmp_path / "data" / "deep").mkdir(parents=True)
    _local(tmp_path / "data", "b.txt")
    _local(tmp_path / "data" / "deep")
    literal = REGISTRY.to_literal(FlyteDirectory(tmp_path / "data"), FlyteDirectory, storage)
    file, deep = REGISTRY.to_python(literal, FlyteDirectory, storage).listdir()
    assert file.is_remote
    assert [Path(file).read_text(), *(Path(one).read_text() for one in deep.listdir())] == ["hello", "hello"]
    assert bucket.fetched == 1


def test_what_is_written_to_a_remote_file_is_uploaded_when_all_went_well(
    bucket: Bucket, storage: StorageRouter
) -> None:
    handle = FlyteFile("bucket://out/x.txt").bind(storage)
    with handle.open("w") as stream:
        stream.write("one")
    assert bucket.read("bucket://out/x.txt") == b"one"
    with handle.open("a") as stream:
        stream.write(" two")
    with handle.open() as stream:
        assert stream.read() == "one two"
    with pytest.raises(ZeroDivisionError), handle.open("w") as stream:
        stream.write(f"broken {1 / 0}")
    assert bucket.read("bucket://out/x.txt") == b"one two"


def test_handles_a_user_makes_use_the_storage_of_the_running_task(
    bucket: Bucket, storage: StorageRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_storage_source", lambda: storage)
    bucket.write("bucket://data/x", b"1")
    assert Path(FlyteFile("bucket://data/x")).read_bytes() == b"1"
    with FlyteFile.new_remote_file("y.txt").open("w") as stream:
        stream.write("2")
    assert FlyteFile.new_remote_file("y.txt").uri.endswith("/y.txt")
    made = FlyteDirectory.new_remote("d")
    with made.new_file("in.txt").open("w") as stream:
        stream.write("3")
    assert (made / "in.txt").read_text() == "3"


def test_the_storage_of_the_running_task_is_that_of_the_current_context(bucket: Bucket, storage: StorageRouter) -> None:
    bucket.write("bucket://data/x", b"1")
    context = FlyteContextManager.current_context()
    with FlyteContextManager.with_context(context.with_(storage=storage)):
        assert Path(FlyteFile("bucket://data/x")).read_bytes() == b"1"


def test_a_scheme_without_a_storage_names_the_package() -> None:
    handle = REGISTRY.to_python(REGISTRY.to_literal("s3://b/k", FlyteFile, StorageRouter()), FlyteFile, StorageRouter())
    with pytest.raises(StorageError, match="pip install fledge-storage"):
        handle.download()


def test_what_is_not_there_is_refused_at_the_boundary(tmp_path: Path) -> None:
    storage = StorageRouter()
    path = _local(tmp_path)
    for annotation, value in [(FlyteFile, tmp_path), (FlyteDirectory, path), (FlyteFile, tmp_path / "no")]:
        with pytest.raises(TypeConversionError, match="there is no"):
            REGISTRY.to_literal(value, annotation, storage, "inputs.f")
    literal = REGISTRY.to_literal(path, FlyteFile, storage)
    with pytest.raises(TypeConversionError, match="holds a file"):
        REGISTRY.to_python(literal, FlyteDirectory, storage)
    path.unlink()
    with pytest.raises(TypeConversionError, match="there is no file"):
        REGISTRY.to_python(literal, FlyteFile, storage)
    for bad in ("", "file://[x", "a\0b"):
        literal.scalar.blob.uri = bad
        with pytest.raises(TypeConversionError):
            REGISTRY.to_python(literal, FlyteFile, storage)


def test_a_file_is_not_a_directory_and_the_other_way_round() -> None:
    with pytest.raises(TypeConversionError):
        REGISTRY.to_literal(FlyteDirectory("s3://b/k"), FlyteFile, StorageRouter())


def test_formats_make_equal_classes_and_only_text_is_a_format() -> None:
    handle: Any = FlyteFile  # Any: type checkers read text in brackets as a name
    assert handle["csv"] is handle[".csv"] is handle[TypeVar("csv")] is Csv
    assert handle[""] is FlyteFile
    assert Csv.extension() == "csv"
    assert Csv("a") != FlyteFile("a")
    for bad in (3, int, Literal[3]):
        with pytest.raises(DefinitionError, match="takes a format as text"):
            handle[bad]


def test_a_handle_pickles_and_prints_without_fetching(storage: StorageRouter, bucket: Bucket) -> None:
    handle = Csv("bucket://data/x", metadata={"a": "b"}).bind(storage)
    copy = pickle.loads(pickle.dumps(handle))
    assert copy == handle
    assert type(copy) is Csv
    assert repr(copy) == "FlyteFile[\"csv\"]('bucket://data/x')"
    assert hash(copy) == hash(handle)
    assert bucket.fetched == 0


# -- pickles -----------------------------------------------------------------------------------------------------------


class Plain:
    def __init__(self, value: int) -> None:
        self.value = value


@pytest.mark.parametrize("marker", [Pickled, Pickled()])
def test_pickled_values_travel_through_the_storage(marker: object, storage: StorageRouter) -> None:
    annotation = list[Annotated[Plain, marker]]
    literal = REGISTRY.to_literal([Plain(3)], annotation, storage)
    blob = literal.collection.literals[0].scalar.blob
    assert blob.uri.startswith("bucket://raw/")
    assert blob.metadata.type.format == "PythonPickle"
    (back,) = REGISTRY.to_python(literal, annotation, storage)
    assert (type(back), back.value) == (Plain, 3)
    fields = REGISTRY.literal_type(annotation).collection_type.metadata.fields
    assert fields["python_class_name"].string_value == str(Plain)


def test_only_what_is_declared_is_pickled_or_accepted(storage: StorageRouter) -> None:
    with pytest.raises(TypeConversionError, match="expected"):
        REGISTRY.to_literal(3, Annotated[Plain, Pickled], storage)
    literal = REGISTRY.to_literal(3, Annotated[int, Pickled], storage)
    with pytest.raises(TypeConversionError, match="expected str, got int 3"):
        REGISTRY.to_python(literal, Annotated[str, Pickled], storage)
    with pytest.raises(TypeConversionError, match="does not pickle"):
        REGISTRY.to_literal((value for value in "x"), Annotated[Any, Pickled], storage)
    storage.write(literal.scalar.blob.uri, b"no pickle")
    with pytest.raises(TypeConversionError, match="does not unpickle"):
        REGISTRY.to_python(literal, Annotated[int, Pickled], storage)


# -- tables ------------------------------------------------------------------------------------------------------------


def test_a_structured_dataset_gives_its_table_through_the_bound_reader() -> None:
    dataset = StructuredDataset(uri="s3://b/t", file_format="parquet")
    with pytest.raises(DefinitionError, match="fledge-dataframes"):
        dataset.all()
    assert dataset.bind(lambda kind: kind([1])).open(list).all() == [1]
    assert StructuredDataset([1]).all() == [1]
    assert repr(dataset) == "StructuredDataset(uri='s3://b/t', file_format='parquet')"
