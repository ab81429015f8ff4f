"""Where a process stands in a job that torchrun, an operator or mpirun has started."""

from __future__ import annotations

import importlib.util
import json
import os
import pickle
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fledge import idl, task
from fledge.context import ExecutionState, FlyteContext, FlyteContextManager
from fledge.errors import IgnoreOutputs
from fledge_distributed import (
    Elastic,
    HorovodJob,
    LaunchError,
    MPIJob,
    PyTorch,
    Rank,
    RankFailed,
    Ranks,
    TfJob,
    Worker,
    current_rank,
    elastic,
)
from fledge_distributed.attempt import held_port
from fledge_distributed.cluster import find_place
from fledge_distributed.config import Config
from fledge_distributed.plans import Host
from fledge_distributed.rank_task import MultiRankTask
from fledge_distributed.troubles import describe

RANKS = Ranks()
ELASTIC = Elastic(nnodes=2, nproc_per_node=2)
PYTORCH = PyTorch(worker=Worker(replicas=3))
MPI = MPIJob(worker=Worker(replicas=2), slots=2)
HOROVOD = HorovodJob(worker=Worker(replicas=2), slots=2)
TENSORFLOW = TfJob(num_workers=2, num_ps_replicas=1, num_chief_replicas=1)
TORCHRUN = {
    "RANK": "5",
    "LOCAL_RANK": "1",
    "GROUP_RANK": "2",
    "WORLD_SIZE": "6",
    "LOCAL_WORLD_SIZE": "2",
    "TORCHELASTIC_RUN_ID": "none",
}
PET = {"PET_NNODES": "2", "PET_NODE_RANK": "1", "PET_RDZV_ENDPOINT": "master-0:29500", "PET_RDZV_ID": "job"}
OPERATOR = {"RANK": "2", "WORLD_SIZE": "4", "MASTER_ADDR": "job-master-0", "MASTER_PORT": "23456"}
OPEN_MPI = {
    "OMPI_COMM_WORLD_RANK": "3",
    "OMPI_COMM_WORLD_SIZE": "4",
    "OMPI_COMM_WORLD_LOCAL_RANK": "1",
    "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
}


def tf_config(role: str, index: int) -> dict[str, str]:
    cluster = {"chief": ["c:1"], "ps": ["p:1"], "worker": ["w:1", "w:2"]}
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": role, "index": index}})}


PLACES = [
    pytest.param(RANKS, {}, None, id="nothing"),
    pytest.param(RANKS, {"RANK": "3", "WORLD_SIZE": "4"}, None, id="RANK-alone-means-nothing"),
    pytest.param(RANKS, OPERATOR, None, id="operator-but-not-a-pytorch-task"),
    pytest.param(RANKS, TORCHRUN, Rank(5, 1, 2, 6, 2), id="torchrun"),
    pytest.param(ELASTIC, TORCHRUN | PET, Rank(5, 1, 2, 6, 2), id="torchrun-before-PET"),
    pytest.param(ELASTIC, PET, Host(1, "master-0", 29500, "job"), id="node-of-a-pytorchjob"),
    pytest.param(ELASTIC, PET | {"PET_RDZV_ENDPOINT": "[fd00::1]:29500"}, Host(1, "fd00::1", 29500, "job"), id="ipv6"),
    pytest.param(ELASTIC, OPERATOR | PET, Host(1, "master-0", 29500, "job"), id="pods-RANK-is-not-read"),
    pytest.param(
        ELASTIC,
        {"PET_NNODES": "2", "HOSTNAME": "train-worker-1", "MASTER_ADDR": "m", "MASTER_PORT": "1"},
        Host(1, "m", 1, "fledge"),
        id="node-by-host-name",
    ),
    pytest.param(ELASTIC, {"PET_NNODES": "1"}, None, id="one-node"),
    pytest.param(PYTORCH, OPERATOR, Rank(2, 0, 2, 4, 1), id="pod-of-a-pytorchjob"),
    pytest.param(MPI, OPEN_MPI, Rank(3, 1, 1, 4, 2), id="open-mpi"),
    pytest.param(ELASTIC, OPEN_MPI, None, id="open-mpi-but-not-an-mpi-task"),
    pytest.param(MPI, {}, None, id="mpi-locally"),
    pytest.param(
        HOROVOD,
        {"HOROVOD_RANK": "1", "HOROVOD_SIZE": "4", "HOROVOD_LOCAL_RANK": "1", "HOROVOD_LOCAL_SIZE": "2"},
        Rank(1, 1, 0, 4, 2),
        id="horovod",
    ),
    pytest.param(TENSORFLOW, tf_config("chief", 0), Rank(0, 0, 0, 4, 1), id="chief-leads"),
    pytest.param(TENSORFLOW, tf_config("worker", 1), Rank(2, 0, 2, 4, 1), id="worker"),
    pytest.param(TENSORFLOW, tf_config("ps", 0), Rank(3, 0, 3, 4, 1), id="parameter-server"),
    pytest.param(
        TfJob(num_workers=2),
        {"TF_CONFIG": json.dumps({"cluster": {"worker": ["a", "b"]}, "task": {"type": "worker", "index": 0}})},
        Rank(0, 0, 0, 2, 1),
        id="worker-0-leads-without-a-chief",
    ),
]


@pytest.mark.parametrize(("config", "environment", "place"), PLACES)
def test_a_place_is_read_from_the_variables_of_the_configs_kind(
    config: Config, environment: dict[str, str], place: Rank | Host | None
) -> None:
    assert find_place(config, environment, in_container=True) == place


def test_outside_a_container_the_operators_variables_mean_nothing() -> None:
    assert find_place(PYTORCH, OPERATOR, in_container=False) is None


@pytest.mark.parametrize(
    ("config", "environment", "text"),
    [
        (RANKS, TORCHRUN | {"RANK": "6"}, "RANK=6 and WORLD_SIZE=6"),
        (RANKS, TORCHRUN | {"RANK": "x"}, "RANK='x'"),
        (ELASTIC, {"PET_NNODES": "2", "PET_NODE_RANK": "0"}, "where is rank 0"),
        (ELASTIC, PET | {"PET_NODE_RANK": "2"}, "node 2 of 2"),
        (ELASTIC, {"PET_NNODES": "2", "MASTER_ADDR": "m", "HOSTNAME": "pod"}, "host name 'pod'"),
        (TENSORFLOW, {"TF_CONFIG": "{}"}, "no cluster and task"),
        (TENSORFLOW, tf_config("worker", 7), "worker 7 is not part"),
    ],
)
def test_variables_that_make_no_sense_are_named(config: Config, environment: dict[str, str], text: str) -> None:
    with pytest.raises(LaunchError, match=text):
        find_place(config, environment, in_container=True)


@task(task_config=ELASTIC)
def place() -> str:
    here = current_rank()
    return f"{here.rank} {here.local_rank} {here.node_rank} {here.world_size}"


@task(task_config=ELASTIC)
def writes_place(folder: str) -> str:
    here = current_rank()
    Path(folder, str(here.rank)).write_text(f"{here.local_rank} {here.node_rank}")
    return f"{here.rank} of {here.world_size}"


def in_container() -> FlyteContext:
    base = FlyteContextManager.current_context()
    return base.with_(execution_state=ExecutionState(ExecutionState.Mode.TASK_EXECUTION))


def set_all(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def test_a_rank_of_torchrun_runs_the_function_once(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, TORCHRUN | {"RANK": "0", "LOCAL_RANK": "0", "GROUP_RANK": "0"})
    assert place() == "0 0 0 6"
    assert current_rank() == Rank()


def test_another_rank_of_torchrun_ignores_its_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, TORCHRUN)
    with pytest.raises(IgnoreOutputs, match="rank 5 is not the leader"):
        place()


JOBS: list[tuple[Config, list[dict[str, str]]]] = [
    (TENSORFLOW, [tf_config("chief", 0), tf_config("worker", 0), tf_config("worker", 1), tf_config("ps", 0)]),
    (PYTORCH, [{**OPERATOR, "RANK": str(rank)} for rank in range(4)]),
    (MPI, [{**OPEN_MPI, "OMPI_COMM_WORLD_RANK": str(rank)} for rank in range(4)]),
]


@pytest.mark.parametrize(("config", "processes"), JOBS, ids=["tensorflow", "pytorch", "mpi"])
def test_of_processes_that_an_operator_has_started_only_the_leader_has_outputs(
    config: Config, processes: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def where() -> str:
        return f"{current_rank().rank} of {current_rank().world_size}"

    job, inputs = MultiRankTask(config, where), idl.literals.LiteralMap()
    for number, variables in enumerate(processes):
        set_all(monkeypatch, variables)
        if number:
            with pytest.raises(IgnoreOutputs, match=f"rank {number} is not the leader"):
                job.dispatch_execute(in_container(), inputs)
        else:
            outputs = job.dispatch_execute(in_container(), inputs)
            assert outputs.literals["o0"].scalar.primitive.string_value == "0 of 4"


def raises_once(folder: str) -> str:
    """Fails at the first start; torch's agent starts it again."""
    here = current_rank()
    marker = Path(folder, "failed")
    if not marker.exists():
        marker.touch()
        raise ValueError("at the first start")
    return f"{here.rank} of {here.world_size} after {os.environ['TORCHELASTIC_RESTART_COUNT']}"


AGENT = {"rdzv_configs": {"last_call_timeout": 1, "join_timeout": 60}, "nnodes": "1:2"}
failing = task(task_config=Elastic(**AGENT))(raises_once)  # type: ignore[arg-type]  # options by name
restarted = task(task_config=Elastic(**AGENT, max_restarts=1))(raises_once)  # type: ignore[arg-type]  # options by name


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed: pip install torch")
@pytest.mark.filterwarnings("ignore")  # torch warns about its own defaults
def test_a_range_of_nodes_is_left_to_torchs_agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with held_port() as holder:
        endpoint = f"127.0.0.1:{holder.getsockname()[1]}"
    set_all(monkeypatch, {"PET_NNODES": "1:2", "PET_RDZV_ENDPOINT": endpoint})
    with pytest.raises(ValueError, match="at the first start") as caught:
        failing(folder=str(tmp_path))
    assert caught.value.__notes__[0] == "rank 0 of 1 (local 0, node 0)"
    assert f'File "{__file__}"' in str(caught.value.__cause__)
    (tmp_path / "failed").unlink()
    monkeypatch.setenv("PET_RDZV_ID", "another job")  # the agents of the first one have closed its rendezvous
    assert restarted(folder=str(tmp_path)) == "0 of 1 after 1"


def test_the_first_failure_under_torchs_agent_is_what_its_rank_has_left(tmp_path: Path) -> None:
    def leave(restart: int, rank: int, error: Exception) -> None:
        path = tmp_path / f"{restart}-{rank}"
        path.write_bytes(pickle.dumps(elastic._Left(rank, 4, describe(error))))

    leave(0, 0, KeyError("of an earlier start"))
    leave(1, 3, ValueError("the first"))
    leave(1, 2, RuntimeError("Connection closed by peer"))
    killed: Any = SimpleNamespace(exitcode=-signal.SIGTERM)  # Any: only its exit code is read
    error = elastic._error({2: killed, 3: killed}, tmp_path, nproc=2)
    assert isinstance(error, ValueError)
    assert error.__notes__[0] == "rank 3 of 4 (local 1, node 1)"
    (tmp_path / "1-3").unlink()
    (tmp_path / "1-2").unlink()
    (tmp_path / "0-0").unlink()
    error = elastic._error({1: killed}, tmp_path, nproc=2)
    assert isinstance(error, RankFailed)
    assert (error.rank, error.signal) == (1, signal.SIGTERM)


def test_each_node_runs_its_ranks_and_only_node_0_has_outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with held_port() as holder:
        endpoint = f"127.0.0.1:{holder.getsockname()[1]}"
    set_all(monkeypatch, PET | {"PET_RDZV_ENDPOINT": endpoint})
    ctx = in_container()
    inputs = idl.literals.LiteralMap()
    inputs.literals["folder"].scalar.primitive.string_value = str(tmp_path)
    with pytest.raises(IgnoreOutputs, match="this is node 1"):
        writes_place.dispatch_execute(ctx, inputs)
    monkeypatch.setenv("PET_NODE_RANK", "0")
    outputs = writes_place.dispatch_execute(ctx, inputs)
    assert outputs.literals["o0"].scalar.primitive.string_value == "0 of 4"
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "0": "0 0",
        "1": "1 0",
        "2": "0 1",
        "3": "1 1",
    }
