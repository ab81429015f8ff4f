"""Programs about PyTorch jobs: what the platform's operator reads from `custom`."""

from __future__ import annotations

from fledge import Resources, task
from fledge_distributed import Elastic, Master, PyTorch, Worker


@task(task_config=PyTorch(worker=Worker(replicas=3)))
def workers(a: int) -> int:
    return a


@task(
    task_config=PyTorch(
        master=Master(requests=Resources(cpu="1"), limits=Resources(cpu="2", mem="1Gi")),
        worker=Worker(image="ghcr.io/acme/worker:1", replicas=2, requests=Resources(gpu="1")),
    )
)
def master_and_workers(a: int) -> int:
    return a


@task(task_config=Elastic(nnodes=1, nproc_per_node=4))
def elastic_one_node(a: int) -> int:
    return a


@task(task_config=Elastic(nnodes=2, nproc_per_node=8, max_restarts=3))
def elastic_two_nodes(a: int) -> int:
    return a


@task(task_config=Elastic(nnodes="2:4", nproc_per_node=2))
def elastic_range(a: int) -> int:
    return a


@task(task_config=PyTorch(worker=Worker(replicas=3), increase_shared_mem=False))
def workers_without_shared_memory(a: int) -> int:
    return a


@task(
    task_config=PyTorch(
        master=Master(requests=Resources(cpu="1"), limits=Resources(cpu="2", mem="1Gi")),
        worker=Worker(replicas=2, requests=Resources(gpu="1"), limits=Resources(gpu="1")),
        increase_shared_mem=False,
    ),
    requests=Resources(cpu="4"),
)
def replicas_with_resources(a: int) -> int:
    return a


@task(task_config=Elastic(nnodes=2, nproc_per_node=8, monitor_interval=5, max_restarts=3, increase_shared_mem=False))
def elastic_without_shared_memory(a: int) -> int:
    return a


@task(
    task_config=Elastic(nnodes=1, nproc_per_node=2, rdzv_configs={"timeout": 900}, increase_shared_mem=False),
    retries=2,
)
def elastic_options(a: int) -> int:
    """Train.

    Args:
        a: what to train on
    """
    return a
