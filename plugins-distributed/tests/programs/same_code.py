"""One function as a task of each kind of job, run by whoever starts this file: `python same_code.py KIND RESULT`.

Each rank adds its number + 1 to the sum; what the leader returns is written to RESULT.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from fledge import idl, task
from fledge.base_task import PythonTask
from fledge.context import ExecutionState, FlyteContextManager
from fledge.errors import IgnoreOutputs
from fledge_distributed import Elastic, MPIJob, PyTorch, Worker, current_rank


def summed() -> str:
    """Over MPI where a process belongs to it, else over gloo."""
    rank = current_rank()
    mine = float(rank.rank + 1)
    if "OMPI_COMM_WORLD_SIZE" in os.environ:
        from mpi4py import MPI

        total = float(MPI.COMM_WORLD.allreduce(mine))
    else:
        import torch
        import torch.distributed as dist

        dist.init_process_group("gloo")
        value = torch.tensor([mine])
        dist.all_reduce(value)
        dist.destroy_process_group()
        total = value.item()
    return f"sum {total} in rank {rank.rank} of {rank.world_size}"


def summed_at_second_start() -> str:
    """At the first one rank 3 fails when all have met; the others lose it."""
    if os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
        import torch.distributed as dist

        dist.init_process_group("gloo")
        if current_rank().rank == 3:
            raise ValueError("at the first start")
        dist.barrier()
    return summed()


elastic = task(task_config=Elastic(nnodes=1, nproc_per_node=4))(summed)
elastic_nodes = task(task_config=Elastic(nnodes=2, nproc_per_node=2))(summed)
elastic_restarts = task(task_config=Elastic(nnodes=2, nproc_per_node=2, max_restarts=1))(summed_at_second_start)
pytorch = task(task_config=PyTorch(worker=Worker(replicas=3)))(summed)
mpi = task(task_config=MPIJob(worker=Worker(replicas=4)))(summed)


def main(kind: str, result: str) -> None:
    """As a container runs it where an operator has started this process, else as a call."""
    chosen: PythonTask[Any] = globals()[kind]  # Any: of each kind of config
    try:
        if "FLYTE_INTERNAL_EXECUTION_ID" in os.environ:
            base = FlyteContextManager.current_context()
            ctx = base.with_(execution_state=ExecutionState(ExecutionState.Mode.TASK_EXECUTION))
            value = chosen.dispatch_execute(ctx, idl.literals.LiteralMap()).literals["o0"].scalar.primitive.string_value
        else:
            value = chosen()
    except IgnoreOutputs:
        return
    Path(result).write_text(value)


if __name__ == "__main__":
    main(*sys.argv[1:])
