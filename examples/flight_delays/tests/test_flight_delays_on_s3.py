"""The job as containers on a real S3 server gives what it gives here; all that passes between is in the bucket."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the training needs torch, which this environment does not have")
pytest.importorskip("moto.server", reason="the S3 server is moto's: pip install 'fledge-storage[testing]'")

from examples.flight_delays.containers import ContainerSteps
from examples.flight_delays.data import read_tables
from examples.flight_delays.job import run_job
from examples.flight_delays.report import Steps
from fledge import FlyteContextManager, FlyteFile, idl
from fledge.wiring import default_context
from fledge_storage import ObjectStorage
from fledge_storage.testing import s3_server


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with s3_server("flights") as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        with FlyteContextManager.with_context(default_context()):  # one that has not met another server
            yield "s3://flights"


@pytest.mark.slow
def test_the_job_gives_the_same_with_all_inputs_and_outputs_in_a_bucket(
    bucket: str, archive: Path, tmp_path: Path
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    here = run_job(archive, tmp_path / "here", Steps(io.StringIO()), epochs=1)
    steps = ContainerSteps(f"{bucket}/job", io.StringIO())
    there = run_job(archive, tmp_path / "there", steps, epochs=1)

    assert there.facts == here.facts
    assert there.training.epochs == here.training.epochs
    assert there.scores.auc == pytest.approx(here.scores.auc)
    model = "model.pt"
    assert (tmp_path / "there" / model).read_bytes() == (tmp_path / "here" / model).read_bytes()

    storage = ObjectStorage()
    kept = storage.list(f"{bucket}/job")
    messages = [storage.read(uri) for uri in kept if uri.endswith(".pb")]
    assert len(messages) == 2 * len(steps.done) == 28
    uris = [uri for message in messages for uri in _uris(idl.literals.LiteralMap.FromString(message))]
    assert uris
    assert all(uri.startswith(f"{bucket}/job/") for uri in uris)


def test_a_task_that_fails_in_its_process_is_named_with_what_it_wrote(bucket: str, tmp_path: Path) -> None:
    (tmp_path / "archive.tar.gz").write_bytes(b"no archive")
    with pytest.raises(RuntimeError, match=r"(?s)^read_tables failed with USER:.*tarfile\.ReadError"):
        ContainerSteps(bucket, io.StringIO()).run(read_tables, archive=FlyteFile(tmp_path / "archive.tar.gz"))
    assert [uri for uri in ObjectStorage().list(bucket) if uri.endswith("outputs.pb")] == []


def _uris(literal_map: idl.literals.LiteralMap) -> list[str]:
    """Where the data of a map's literals lie; the job's literals are not nested."""
    scalars = [literal.scalar for literal in literal_map.literals.values()]
    blobs = [scalar.blob.uri for scalar in scalars if scalar.HasField("blob")]
    return blobs + [scalar.structured_dataset.uri for scalar in scalars if scalar.HasField("structured_dataset")]
