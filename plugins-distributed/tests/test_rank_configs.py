"""Config types: the messages they become, against what flytekit's plugins wrote, and what they refuse."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flyteidl.plugins.kubeflow import mpi_pb2, pytorch_pb2, tensorflow_pb2
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import Struct

import fledge_distributed
from fledge import Resources, SerializationSettings, task, task_template
from fledge.base_task import Task, TaskResolverMixin
from fledge.errors import DefinitionError
from fledge_distributed import (
    Elastic,
    HorovodJob,
    Launcher,
    Master,
    MPIJob,
    PyTorch,
    Rank,
    Ranks,
    RunPolicy,
    TfJob,
    Worker,
    jobs,
)
from fledge_distributed.config import Config
from fledge_distributed.messages import custom

Row = dict[str, Any]  # Any: JSON
ROWS: list[Row] = json.loads(Path(__file__).parent.joinpath("golden", "configs.json").read_text())
MESSAGES = {
    "pytorch": pytorch_pb2.DistributedPyTorchTrainingTask,
    "mpi": mpi_pb2.DistributedMPITrainingTask,
    "tensorflow": tensorflow_pb2.DistributedTensorflowTrainingTask,
}
SETTINGS = SerializationSettings(project="p", domain="d", version="v")


def config_of(text: str) -> Config:
    names = {name: getattr(fledge_distributed, name) for name in fledge_distributed.__all__}
    config: Config = eval(text, {**names, "Resources": Resources})
    return config


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["config"][:50])
def test_the_template_of_a_config_is_the_one_flytekit_writes(row: Row) -> None:
    config = config_of(str(row["config"]))
    assert config.task_type == row["type"]
    ours = custom(config)
    if row["custom"] is None or ours is None:
        assert ours is row["custom"]
        return
    message = MESSAGES[config.task_type]
    assert ParseDict(dict(ours), message()) == ParseDict(row["custom"], message())
    assert ours == row["custom"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["config"][:50])
def test_a_task_carries_type_version_and_message_of_its_config(row: Row) -> None:
    @task(task_config=config_of(str(row["config"])), task_resolver=_resolver())
    def body() -> None: ...

    template = task_template(body, SETTINGS)
    assert (template.type, template.task_type_version) == (row["type"], row["version"])
    wanted = Struct()
    wanted.update(row["custom"] or {})
    assert MessageToDict(template.custom) == MessageToDict(wanted)
    if row["type"] == "mpi":
        command = list(row["command"])
        theirs = command[: command.index("-np") + 2]
        fail = ["-x", "FLYTE_FAIL_ON_ERROR=true"]
        ours = list(template.container.args)
        kept = [word for number, word in enumerate(ours) if ours[number : number + 2] != fail and word != fail[1]]
        assert kept[: len(theirs)] == theirs


def _resolver() -> TaskResolverMixin:
    class Anything(TaskResolverMixin):
        location = "tests.anything"

        def loader_args(self, settings: SerializationSettings, t: Task) -> list[str]:
            return ["anything"]

    return Anything()


def test_a_larger_dev_shm_is_asked_for_unless_refused() -> None:
    def shared_memory(config: PyTorch | Elastic) -> bool:
        @task(task_config=config, task_resolver=_resolver())
        def body() -> None: ...

        return task_template(body, SETTINGS).extended_resources.HasField("shared_memory")

    assert shared_memory(Elastic(nnodes=1))
    assert shared_memory(PyTorch(worker=Worker(replicas=1)))
    assert not shared_memory(Elastic(nnodes=1, increase_shared_mem=False))


def test_the_mpi_command_ends_the_job_when_one_rank_fails() -> None:
    config = MPIJob(worker=Worker(replicas=2), slots=3)
    words = config.command(["fledge-execute", "--inputs", "x"])
    assert words[words.index("-np") :] == [
        *("-np", "6", "python", "-m", "mpi4py", "-c", "from fledge.entrypoint import main; main()", "--inputs", "x")
    ]
    assert "FLYTE_FAIL_ON_ERROR=true" in words  # else a rank that wrote error.pb exits with 0 and the others wait
    fast = config.command(["fledge-fast-execute", "--dest-dir", "y", "--", "fledge-execute"])
    assert "from fledge.entrypoint import fast_main; fast_main()" in fast


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (PyTorch, "PyTorch: give the number once, as worker=Worker"),
        (lambda: PyTorch(num_workers=1, worker=Worker(replicas=1)), "num_workers is its older spelling"),
        (lambda: PyTorch(worker=Worker(replicas=0)), "worker.replicas=0"),
        (lambda: Worker(replicas=-1), "Worker.replicas=-1"),
        (MPIJob, "MPIJob: give the number once"),
        (lambda: MPIJob(worker=Worker(replicas=1), slots=0), "slots=0"),
        (lambda: MPIJob(worker=Worker(replicas=1), num_launcher_replicas=2), "2 launchers"),
        (HorovodJob, "HorovodJob: give the number once"),
        (TfJob, "give it a chief or a worker"),
        (lambda: TfJob(num_workers=1, num_chief_replicas=2), "2 chiefs"),
    ],
)
def test_a_job_that_makes_no_sense_is_refused(make: Callable[[], object], text: str) -> None:
    with pytest.raises(DefinitionError, match=text):
        make()


@pytest.mark.parametrize(
    ("config", "given", "options", "text"),
    [
        (Ranks, (), {"nprocs": 2}, r"^Ranks has no option 'nprocs'; it takes nproc, .*; did you mean 'nproc'\?$"),
        (Ranks, (2,), {"timeout": 3}, r"^Ranks has no option 'timeout'; .*; did you mean 'timeout_s'\?$"),
        (Ranks, (2, 4), {}, "^Ranks: 2 values without a name, but only nproc may come so; write nnodes=...$"),
        (Ranks, (2,), {"nproc": 2}, "^Ranks: nproc is given twice, by its place and by its name$"),
        (Ranks, (), {"xyz": 2}, "^Ranks has no option 'xyz'; it takes .*log_dir$"),
        (Elastic, (), {"nproc": 2}, "did you mean 'nproc_per_node'"),
        (Elastic, (1,), {"max_restart": 2}, "did you mean 'max_restarts'"),
        (PyTorch, (), {"num_worker": 2}, "did you mean 'num_workers'"),
        (MPIJob, (), {"workers": 2}, "did you mean 'worker'"),
        (HorovodJob, (), {"slot": 2}, "did you mean 'slots'"),
        (TfJob, (), {"num_worker": 2}, "did you mean 'num_workers'"),
        (Worker, (), {"replica": 2}, "Worker has no option 'replica'.* did you mean 'replicas'"),
        (Master, (), {"images": "x"}, "did you mean 'image'"),
        (Launcher, (), {"commands": ["x"]}, "did you mean 'command'"),
        (RunPolicy, (), {"backoff": 1}, "did you mean 'backoff_limit'"),
        (PyTorch, (), {"worker": 2}, r"worker=2: give Worker\(...\)"),
        (MPIJob, (), {"worker": Master(replicas=2)}, r"give Worker\(...\)"),
        (TfJob, (), {"ps": 1, "num_workers": 1}, r"ps=1: give PS\(...\)"),
        (Ranks, (), {"timeout_s": "3"}, "timeout_s='3': give seconds"),
        (Ranks, (), {"grace_s": float("nan")}, "grace_s=nan: give seconds"),
        (Ranks, (2,), {"log_ranks": (2,)}, r"log_ranks=\(2,\): give a tuple of ranks, 0 to 1"),
        (Ranks, (2,), {"log_ranks": 0}, "log_ranks=0: give a tuple of ranks"),
    ],
)
def test_an_option_that_cannot_be_is_refused_with_what_is_meant(
    config: Callable[..., object], given: tuple[object, ...], options: dict[str, object], text: str
) -> None:
    with pytest.raises(DefinitionError, match=text):
        config(*given, **options)


def test_changing_an_option_that_does_not_exist_is_refused_too() -> None:
    changes: dict[str, Any] = {"nprocs": 2}  # Any: one mistake
    with pytest.raises(DefinitionError, match="did you mean 'nproc'"):
        replace(Ranks(), **changes)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["config"][:50])
def test_configs_can_be_copied_compared_and_sent(row: Row) -> None:
    config = config_of(str(row["config"]))
    assert pickle.loads(pickle.dumps(config)) == copy.deepcopy(config) == config


def test_local_ranks_of_a_job_are_its_replicas() -> None:
    shapes: dict[str, Config] = {
        "pytorch": PyTorch(worker=Worker(replicas=3)),
        "elastic": Elastic(nnodes="2:4", nproc_per_node=3),
        "mpi": MPIJob(worker=Worker(replicas=2), slots=3),
        "tensorflow": TfJob(num_workers=2, num_ps_replicas=1, num_chief_replicas=1),
    }
    ranks = {name: config.local_ranks() for name, config in shapes.items()}
    found = {name: (one.nnodes, one.nproc) for name, one in ranks.items()}
    assert found == {"pytorch": (4, 1), "elastic": (2, 3), "mpi": (2, 3), "tensorflow": (4, 1)}


def test_elastic_hands_on_what_its_local_ranks_take() -> None:
    options: dict[str, Any] = {  # Any: a type per option
        "timeout_s": 1.0,
        "rendezvous_timeout_s": 2.0,
        "stall_timeout_s": 3.0,
        "grace_s": 4.0,
        "max_restarts": 5,
        "log_ranks": (1,),
        "log_dir": "logs",
    }
    assert Elastic(nproc_per_node=2, **options).local_ranks() == Ranks(2, preload=("torch",), **options)
    with pytest.raises(DefinitionError, match=r"log_ranks=\(2,\): give a tuple of ranks, 0 to 1"):
        Elastic(nproc_per_node=2, log_ranks=(2,))


def test_tf_config_names_cluster_and_role_and_leaves_the_evaluator_outside() -> None:
    config = jobs.TfJob(num_workers=2, num_ps_replicas=1, num_chief_replicas=1, num_evaluator_replicas=1)
    addresses = [f"h:{port}" for port in range(5)]
    documents = [json.loads(config.environment(Rank(rank, 0, rank, 5, 1), addresses)["TF_CONFIG"]) for rank in range(5)]
    assert documents[0]["cluster"] == {"chief": ["h:0"], "worker": ["h:1", "h:2"], "ps": ["h:3"]}
    assert [(one["task"]["type"], one["task"]["index"]) for one in documents] == [
        ("chief", 0),
        ("worker", 0),
        ("worker", 1),
        ("ps", 0),
        ("evaluator", 0),
    ]
