"""Tasks whose inputs and outputs are on a real S3 server: in this process, and as a container runs them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import pytest

from fledge import FlyteDirectory, FlyteFile, StructuredDataset, idl, kwtypes, task
from fledge.errors import StorageError
from fledge.storage import StorageRouter
from fledge.types.base import TypeRegistry
from fledge.types.builtin import builtin_registry
from fledge_storage import ObjectStorage
from plugins.storage.tests.support import BUCKET, SOON, Door

ROOT = f"s3://{BUCKET}"
MODULE = """
import pyarrow as pa
from fledge import FlyteFile, task


@task
def summarise(flights: pa.Table, notes: FlyteFile) -> tuple[pa.Table, FlyteFile, int]:
    text = open(notes).read().upper()
    with open("summary.txt", "w") as file:
        file.write(text)
    return flights.slice(1), FlyteFile("summary.txt"), flights.num_rows
"""


@task
def length(file: FlyteFile) -> int:
    return len(Path(file).read_bytes())


@task
def names(folder: FlyteDirectory) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def test_a_task_takes_files_and_folders_of_a_bucket(s3: ObjectStorage) -> None:
    s3.write(f"{ROOT}/folder/a", b"123")
    s3.write(f"{ROOT}/folder/b", b"")
    assert length(file=FlyteFile(f"{ROOT}/folder/a")) == 3
    assert names(folder=FlyteDirectory(f"{ROOT}/folder")) == ["a", "b"]


def test_a_container_reads_and_writes_the_bucket_only(s3: ObjectStorage, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    table = pa.table({"month": [1, 2, 3]})
    pq.write_table(table, tmp_path / "00000")
    s3.put(str(tmp_path / "00000"), f"{ROOT}/in/flights/00000")
    s3.write(f"{ROOT}/in/notes.txt", b"late")
    inputs = idl.literals.LiteralMap()
    inputs.literals["flights"].scalar.structured_dataset.uri = f"{ROOT}/in/flights"
    inputs.literals["notes"].scalar.blob.uri = f"{ROOT}/in/notes.txt"
    s3.write(f"{ROOT}/in/inputs.pb", inputs.SerializeToString())
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "summaries.py").write_text(MODULE)
    command = [
        *(sys.executable, "-c", "from fledge.entrypoint import main; main()"),
        *("--inputs", f"{ROOT}/in/inputs.pb", "--output-prefix", f"{ROOT}/out"),
        *("--raw-output-data-prefix", f"{ROOT}/raw", "--resolver", "fledge.resolver.default_task_resolver"),
        *("--", "task-module", "summaries", "task-name", "summarise"),
    ]
    ran = subprocess.run(command, cwd=tmp_path / "work", capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    outputs = idl.literals.LiteralMap.FromString(s3.read(f"{ROOT}/out/outputs.pb")).literals
    assert outputs["o0"].scalar.structured_dataset.uri.startswith(f"{ROOT}/raw/")
    s3.get(outputs["o0"].scalar.structured_dataset.uri, str(tmp_path / "result"))
    assert pq.read_table(tmp_path / "result").to_pydict() == {"month": [2, 3]}
    assert s3.read(outputs["o1"].scalar.blob.uri) == b"LATE"
    assert builtin_registry().to_python(outputs["o2"], int, None) == 3  # type: ignore[arg-type] # nothing is stored


def test_a_container_that_cannot_write_its_outputs_fails_and_says_why(s3: ObjectStorage, tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("from fledge import task\n\n\n@task\ndef one() -> int:\n    return 1\n")
    s3.write(f"{ROOT}/in/inputs.pb", b"")
    command = [
        *(sys.executable, "-c", "from fledge.entrypoint import main; main()"),
        *("--inputs", f"{ROOT}/in/inputs.pb", "--output-prefix", "s3://no-such-bucket/out"),
        *("--raw-output-data-prefix", f"{ROOT}/raw", "--resolver", "fledge.resolver.default_task_resolver"),
        *("--", "task-module", "one", "task-name", "one"),
    ]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode != 0
    assert "the bucket 'no-such-bucket' does not exist" in ran.stderr


def test_only_the_declared_columns_of_a_frame_are_fetched(door: Door, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    np = pytest.importorskip("numpy")
    registry, router = _router_with_frames()
    noise = np.random.default_rng(0)
    table = pa.table({"month": np.arange(10_000) % 12, **{f"noise{n}": noise.random(10_000) for n in range(20)}})
    literal = registry.converter(pa.Table).to_literal(table, router)
    door.sent_bytes = 0
    read = registry.to_python(literal, Annotated[pa.Table, kwtypes(month=int)], router)
    assert read.equals(table.select(["month"]))
    assert door.sent_bytes < table.nbytes / 5


def _router_with_frames() -> tuple[TypeRegistry, StorageRouter]:
    """Frames as values, and the bucket for their files."""
    hooks = pytest.importorskip("fledge_dataframes.hooks")
    registry = builtin_registry()
    hooks.register_types(registry.register)
    return registry, StorageRouter(f"{ROOT}/raw", {"s3": lambda: ObjectStorage(SOON)})


def test_folders_by_value_and_csv_survive_a_bucket(s3: ObjectStorage) -> None:
    pa = pytest.importorskip("pyarrow")
    registry, router = _router_with_frames()
    from fledge_dataframes import PartitionedBy

    table = pa.table({"k": ["a/b", None, "", "é%20", "..", "1"], "row": range(6)})
    literal = registry.to_literal(table, Annotated[pa.Table, PartitionedBy("k")], router)
    read: Any = registry.to_python(literal, pa.Table, router)
    assert read.sort_by("row").equals(table)
    text: Any = Annotated[pa.Table, table.schema, "csv"]  # Any: an annotation
    assert registry.to_python(registry.to_literal(table, text, router), text, router).equals(table)


def test_of_a_struct_only_the_wanted_fields_are_fetched(door: Door) -> None:
    pa = pytest.importorskip("pyarrow")
    registry, router = _router_with_frames()
    many = pa.array(range(50_000))
    struct = pa.StructArray.from_arrays([many] * 10, [f"f{number}" for number in range(10)])
    literal = registry.to_literal(pa.table({"s": struct}), pa.Table, router)
    door.sent_bytes = 0
    read: Any = registry.to_python(literal, Annotated[pa.Table, {"s": {"f3": int}}], router)
    assert read["s"].combine_chunks().field(0).equals(many)
    assert door.sent_bytes < struct.nbytes / 5


def test_a_place_in_a_bucket_with_other_files_is_refused_and_left_alone(s3: ObjectStorage) -> None:
    pa = pytest.importorskip("pyarrow")
    registry, router = _router_with_frames()
    given = StructuredDataset(dataframe=pa.table({"a": [1]}), uri=f"{ROOT}/kept")
    for _ in range(2):  # another attempt replaces its own files
        registry.to_literal(given, StructuredDataset, router)
    s3.write(f"{ROOT}/kept/notes.txt", b"mine")
    with pytest.raises(StorageError, match=r"^s3://flights/kept: holds 'notes\.txt', which would become part"):
        registry.to_literal(given, StructuredDataset, router)
    assert s3.list(f"{ROOT}/kept") == [f"{ROOT}/kept/00000", f"{ROOT}/kept/notes.txt"]


@pytest.mark.parametrize(
    ("uri", "fault", "reason"),
    [
        (f"{ROOT}/nothing", None, f"^{ROOT}/nothing: does not exist"),
        ("s3://no-such-bucket/t", None, "the bucket 'no-such-bucket' does not exist"),
        (f"{ROOT}/t", "403 AccessDenied", r"may not do that.*\(AccessDenied\)"),
        (f"{ROOT}/empty", None, "cannot be read as parquet"),
    ],
)
def test_a_frame_that_cannot_be_fetched_is_named(uri: str, fault: str | None, reason: str, door: Door) -> None:
    pa = pytest.importorskip("pyarrow")
    registry, router = _router_with_frames()
    router.write(f"{ROOT}/t/00000", b"PAR1")
    router.write(f"{ROOT}/empty/00000", b"")
    literal = idl.literals.Literal()
    literal.scalar.structured_dataset.uri = uri
    door.fault = lambda method, _path: fault if method == "GET" else None
    with pytest.raises(StorageError, match=reason):
        registry.to_python(literal, pa.Table, router)
