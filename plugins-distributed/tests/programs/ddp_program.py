"""A small DDP training, as a task: called here it starts its ranks; under torchrun each process is a rank already."""

from __future__ import annotations

import sys

from fledge import task
from fledge.errors import IgnoreOutputs
from fledge_distributed import Elastic, current_rank


@task(task_config=Elastic(nnodes=1, nproc_per_node=2))
def train(steps: int, seed: int) -> list[float]:
    """Fit a line; each rank sees its own rows."""
    import torch
    import torch.distributed as dist
    from torch.nn.parallel import DistributedDataParallel

    rank = current_rank()
    dist.init_process_group(rank.backend)
    torch.manual_seed(seed)
    model = DistributedDataParallel(torch.nn.Linear(3, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    rows = torch.randn(64, 3, generator=torch.Generator().manual_seed(seed + rank.rank))
    losses = []
    for _ in range(steps):
        loss = (model(rows) - rows.sum(1, keepdim=True)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        mean = loss.detach().clone()
        dist.all_reduce(mean)
        losses.append(mean.item() / rank.world_size)
    dist.destroy_process_group()
    return losses


if __name__ == "__main__":
    try:
        print("LOSSES", train(steps=5, seed=7))
    except IgnoreOutputs:
        sys.exit(0)
