"""Writes configs.json: what flytekit's plugins put into a template for each of the configs below.

Run it with a Python that has flytekit, flytekitplugins-kfpytorch, -kfmpi and -kftensorflow 1.16.31:
    python make_configs.py
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path

PYTORCH = [
    "PyTorch(worker=Worker(replicas=2))",
    "PyTorch(num_workers=3)",
    (
        "PyTorch(worker=Worker(replicas=2, image='w:1', requests=Resources(cpu='1', mem='2Gi', gpu='1'), "
        "limits=Resources(cpu='2', mem='4Gi', ephemeral_storage='10Gi'), "
        "restart_policy=RestartPolicy.FAILURE), master=Master(image='m:1', requests=Resources(mem='1Gi'), "
        "restart_policy=RestartPolicy.ALWAYS))"
    ),
    (
        "PyTorch(worker=Worker(replicas=1, restart_policy=RestartPolicy.NEVER), "
        "run_policy=RunPolicy(clean_pod_policy=CleanPodPolicy.ALL, ttl_seconds_after_finished=10, "
        "active_deadline_seconds=36000, backoff_limit=3))"
    ),
    "Elastic(nnodes=1, nproc_per_node=4)",
    "Elastic(nnodes=2, nproc_per_node=4)",
    "Elastic(nnodes='2:4', nproc_per_node=8, max_restarts=3)",
    "Elastic(nnodes=2, run_policy=RunPolicy(clean_pod_policy=CleanPodPolicy.RUNNING, backoff_limit=0))",
]
MPI = [
    "MPIJob(worker=Worker(replicas=4), launcher=Launcher(replicas=1), slots=2)",
    "MPIJob(num_workers=10, num_launcher_replicas=1, slots=1)",
    (
        "MPIJob(worker=Worker(replicas=2, command=['/usr/sbin/sshd', '-D'], image='w:1', "
        "limits=Resources(gpu='1'), restart_policy=RestartPolicy.NEVER), launcher=Launcher(replicas=1, "
        "requests=Resources(cpu='1')), run_policy=RunPolicy(clean_pod_policy=CleanPodPolicy.NONE, "
        "backoff_limit=5))"
    ),
    "HorovodJob(worker=Worker(replicas=1), launcher=Launcher(replicas=1), slots=2, log_level='INFO')",
]
TENSORFLOW = [
    "TfJob(worker=Worker(replicas=2), ps=PS(replicas=1), chief=Chief(replicas=1))",
    "TfJob(num_workers=10, num_ps_replicas=1, num_chief_replicas=1)",
    (
        "TfJob(chief=Chief(replicas=1, requests=Resources(cpu='1'), image='c:1', "
        "restart_policy=RestartPolicy.ALWAYS), ps=PS(replicas=2, restart_policy=RestartPolicy.FAILURE), "
        "worker=Worker(replicas=3, limits=Resources(mem='1Gi')), evaluator=Evaluator(replicas=1), "
        "run_policy=RunPolicy(clean_pod_policy=CleanPodPolicy.RUNNING))"
    ),
]


def body() -> None:
    """Any function of a module."""


def main() -> None:
    import flytekitplugins.kfmpi.task as mpi
    import flytekitplugins.kfpytorch.task as pytorch
    import flytekitplugins.kftensorflow.task as tensorflow
    from flytekit import Resources, task
    from flytekit.configuration import ImageConfig, SerializationSettings

    warnings.simplefilter("ignore")
    settings = SerializationSettings(project="p", domain="d", version="v", image_config=ImageConfig.auto("img:1"))
    rows = []
    for module, texts in ((pytorch, PYTORCH), (mpi, MPI), (tensorflow, TENSORFLOW)):
        for text in texts:
            config = eval(text, {**vars(module), "Resources": Resources})

            made = task(task_config=config)(body)
            row = {"config": text, "type": made.task_type, "version": made.task_type_version}
            row["custom"] = made.get_custom(settings)
            if module is mpi:
                row["command"] = made.get_command(settings)
            rows.append(row)
    path = Path(__file__).with_name("configs.json")
    path.write_text(json.dumps(rows, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
