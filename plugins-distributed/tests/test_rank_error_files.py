"""What the platform reads when several pods of a job fail: a file each, with its rank's own time and its own name."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fledge import idl
from fledge_distributed.attempt import held_port
from fledge_distributed.errors import RemoteTraceback
from fledge_distributed.failures import Failure, World, to_error

PROGRAMS = Path(__file__).parent / "programs"
PIPES = ("ready-0", "ready-1", "first-is-over")
WITHIN_S = 120


def started_pod(node: int, endpoint: str, strategy: str, folder: Path, name: str = "trains") -> subprocess.Popen[str]:
    variables = {
        "PET_NNODES": "2",
        "PET_NODE_RANK": str(node),
        "PET_RDZV_ENDPOINT": endpoint,
        "FLYTE_INTERNAL_WORKER_NAME": f"job-worker-{node}",
        "PYTHONPATH": os.pathsep.join([str(PROGRAMS), str(PROGRAMS / "no_torch"), os.environ.get("PYTHONPATH", "")]),
        strategy: "Earliest",
    }
    command = [
        *(sys.executable, "-c", "from fledge.entrypoint import main; main()"),
        *("--inputs", str(folder / "inputs.pb"), "--output-prefix", str(folder / "out")),
        *("--resolver", "fledge.resolver.default_task_resolver"),
        *("--", "task-module", "failing_pods", "task-name", name),
    ]
    return subprocess.Popen(command, env=os.environ | variables, text=True, stderr=subprocess.PIPE)


def write_inputs(folder: Path) -> None:
    inputs = idl.literals.LiteralMap()
    inputs.literals["folder"].scalar.primitive.string_value = str(folder)
    (folder / "inputs.pb").write_bytes(inputs.SerializeToString())


def run_pod(node: int, folder: Path) -> list[Path]:
    """The files that it has written."""
    with held_port() as holder:
        pod = started_pod(
            node, f"127.0.0.1:{holder.getsockname()[1]}", "FLYTE_FAIL_ON_ERROR", folder, "returns_in_pods"
        )
        _, said = pod.communicate(timeout=WITHIN_S)
    assert pod.returncode == 0, said
    return sorted((folder / "out").iterdir()) if (folder / "out").exists() else []


def test_of_a_job_that_succeeds_only_node_0_writes_outputs_and_nobody_an_error(tmp_path: Path) -> None:
    write_inputs(tmp_path)
    assert run_pod(1, tmp_path) == []
    (file,) = run_pod(0, tmp_path)
    outputs = idl.literals.LiteralMap.FromString(file.read_bytes())
    assert (file.name, outputs.literals["o0"].scalar.primitive.string_value) == ("outputs.pb", "rank 0")


def test_a_recoverable_error_of_any_rank_is_recoverable_for_the_platform(tmp_path: Path) -> None:
    write_inputs(tmp_path)
    (tmp_path / "fail").touch()
    (file,) = run_pod(1, tmp_path)
    error = idl.errors.ErrorDocument.FromString(file.read_bytes()).error
    assert file.name == "error.pb"
    assert error.kind == idl.errors.ContainerError.Kind.RECOVERABLE
    assert "rank 3 of 4 (local 1, node 1)" in error.message


@pytest.mark.parametrize("strategy", ["FLYTE_INTERNAL_DIST_ERROR_STRATEGY", "_F_DES"])
def test_each_failing_pod_writes_a_file_with_its_ranks_own_time_and_its_name(strategy: str, tmp_path: Path) -> None:
    write_inputs(tmp_path)
    for name in PIPES:
        os.mkfifo(tmp_path / name)
    with held_port() as holder:
        endpoint = f"127.0.0.1:{holder.getsockname()[1]}"
        pods = [started_pod(node, endpoint, strategy, tmp_path) for node in range(2)]
        said = [pod.communicate(timeout=WITHIN_S)[1] for pod in pods]
    assert [pod.returncode for pod in pods] == [1, 1], said
    files = sorted((tmp_path / "out").iterdir())
    assert [file.suffix for file in files] == [".pb", ".pb"]
    assert all(file.stem.startswith("error-") for file in files)
    documents = [idl.errors.ErrorDocument.FromString(file.read_bytes()).error for file in files]
    documents.sort(key=lambda error: error.timestamp.ToNanoseconds())
    assert [error.worker for error in documents] == ["job-worker-1", "job-worker-0"]
    for error, node, rank in zip(documents, (1, 0), (3, 0), strict=True):
        raised, stopped = (float((tmp_path / f"{what}-{node}").read_text()) for what in ("raised", "stopped"))
        at = error.timestamp.ToNanoseconds() / 1e9
        assert raised - 1e-3 <= at <= stopped, "the time of the failure, not of the report"
        assert f"ValueError: of rank {rank}" in error.message
        assert f"rank {rank} of 4 (local {rank % 2}, node {node})" in error.message


def test_a_rank_that_died_without_a_word_has_the_time_of_its_death() -> None:
    error = to_error([Failure(1, time.monotonic() - 100, signal=9)], World(2))
    assert isinstance(error.__cause__, RemoteTraceback)
    assert 99 < time.time() - error.__cause__.at.timestamp() < 110
