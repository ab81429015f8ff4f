"""One node of an Elastic job of two: started once per host, with the variables that the operator sets."""

from __future__ import annotations

from fledge import idl, task
from fledge.context import ExecutionState, FlyteContextManager
from fledge.errors import IgnoreOutputs
from fledge_distributed import Elastic, current_rank


@task(task_config=Elastic(nnodes=2, nproc_per_node=2))
def total() -> float:
    import torch
    import torch.distributed as dist

    dist.init_process_group("gloo")
    value = torch.tensor([float(current_rank().rank + 1)])
    dist.all_reduce(value)
    dist.destroy_process_group()
    return float(value.item())


if __name__ == "__main__":
    base = FlyteContextManager.current_context()
    ctx = base.with_(execution_state=ExecutionState(ExecutionState.Mode.TASK_EXECUTION))
    try:
        outputs = total.dispatch_execute(ctx, idl.literals.LiteralMap())
        print("TOTAL", outputs.literals["o0"].scalar.primitive.float_value)
    except IgnoreOutputs as exc:
        print("IGNORED", exc)
