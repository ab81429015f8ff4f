"""Config types to the messages of the backend's kubeflow plugins, as JSON for `TaskTemplate.custom`.

The fields written are those that flytekit's plugins write (image, resources and so on in the replica itself, not in
`common`): every backend reads them. Task type and version 1 tell the backend which message it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from flyteidl.plugins.kubeflow import common_pb2, mpi_pb2, pytorch_pb2, tensorflow_pb2

from fledge import idl
from fledge_distributed.config import Elastic, PyTorch
from fledge_distributed.jobs import HorovodJob, MPIJob, TfJob

if TYPE_CHECKING:
    from fledge.settings import Resources
    from fledge_distributed.replicas import Replica, RunPolicy

__all__ = ["custom"]

JSON = Any  # Any: what the backend's plugin reads; the message's own JSON form


def custom(config: object) -> Mapping[str, JSON] | None:
    """None for what runs as a plain container."""
    build = _BUILDERS.get(type(config))
    if build is None or (isinstance(config, Elastic) and config.task_type != "pytorch"):
        return None
    message: Mapping[str, JSON] = idl.json_format.MessageToDict(build(config))
    return message


def _pytorch(config: PyTorch) -> pytorch_pb2.DistributedPyTorchTrainingTask:
    message = pytorch_pb2.DistributedPyTorchTrainingTask(run_policy=_run_policy(config.run_policy))
    _fill(message.worker_replicas, config.worker, config.workers)
    _fill(message.master_replicas, config.master, 1)
    return message


def _elastic(config: Elastic) -> pytorch_pb2.DistributedPyTorchTrainingTask:
    message = pytorch_pb2.DistributedPyTorchTrainingTask(run_policy=_run_policy(config.run_policy))
    fewest, most = config.node_range
    message.worker_replicas.replicas = most
    elastic = message.elastic_config
    elastic.rdzv_backend = "c10d"
    elastic.min_replicas, elastic.max_replicas = fewest, most
    elastic.nproc_per_node, elastic.max_restarts = config.nproc_per_node, config.max_restarts
    return message


def _mpi(config: MPIJob | HorovodJob) -> mpi_pb2.DistributedMPITrainingTask:
    message = mpi_pb2.DistributedMPITrainingTask(run_policy=_run_policy(config.run_policy), slots=config.slots)
    for target, replica, count in (
        (message.worker_replicas, config.worker, config.workers),
        (message.launcher_replicas, config.launcher, config.launchers),
    ):
        _fill(target, replica, count)
        target.command.extend(replica.command)
    return message


def _tensorflow(config: TfJob) -> tensorflow_pb2.DistributedTensorflowTrainingTask:
    message = tensorflow_pb2.DistributedTensorflowTrainingTask(run_policy=_run_policy(config.run_policy))
    counts = config.counts
    _fill(message.chief_replicas, config.chief, counts["chief"])
    _fill(message.worker_replicas, config.worker, counts["worker"])
    _fill(message.ps_replicas, config.ps, counts["ps"])
    _fill(message.evaluator_replicas, config.evaluator, counts["evaluator"])
    return message


_BUILDERS: dict[type, Callable[[Any], Any]] = {  # Any: each builder takes its own config and gives its own message
    PyTorch: _pytorch,
    Elastic: _elastic,
    MPIJob: _mpi,
    HorovodJob: _mpi,
    TfJob: _tensorflow,
}


def _fill(message: Any, replica: Replica, count: int) -> None:  # Any: the replica messages share fields, not a class
    message.replicas = count
    message.image = replica.image or ""
    message.resources.SetInParent()
    _add_resources(message.resources.requests, replica.requests)
    _add_resources(message.resources.limits, replica.limits)
    if replica.restart_policy is not None:
        message.restart_policy = replica.restart_policy.value


def _add_resources(entries: Any, resources: Resources | None) -> None:  # Any: a repeated message field
    if resources is None:
        return
    names = idl.tasks.Resources.ResourceName
    for number, value in (
        (names.CPU, resources.cpu),
        (names.MEMORY, resources.mem),
        (names.GPU, resources.gpu),
        (names.EPHEMERAL_STORAGE, resources.ephemeral_storage),
    ):
        if value is not None:
            entries.add(name=number, value=str(value))


def _run_policy(policy: RunPolicy | None) -> common_pb2.RunPolicy | None:
    if policy is None:
        return None
    clean = policy.clean_pod_policy
    return common_pb2.RunPolicy(
        clean_pod_policy=common_pb2.CleanPodPolicy.Name(clean.value) if clean is not None else None,
        ttl_seconds_after_finished=policy.ttl_seconds_after_finished,
        active_deadline_seconds=policy.active_deadline_seconds,
        backoff_limit=policy.backoff_limit,
    )
