"""Tasks of JAX, numpy and plain Python, in an environment in which torch cannot be imported."""

from __future__ import annotations

import os

from fledge import task
from fledge_distributed import Elastic, Ranks, current_rank


@task(task_config=Elastic(nproc_per_node=2))
def plain() -> str:
    rank = current_rank()
    return f"{rank.world_size} ranks on {rank.device} with {rank.backend}"


@task(task_config=Ranks(nproc=2, preload=("numpy",), start="zygote"))
def with_numpy() -> list[float]:
    import numpy as np

    values: list[float] = np.arange(current_rank().world_size, dtype=float).tolist()
    return values


@task(task_config=Ranks(nproc=2, preload=("jax",)))
def with_jax() -> float:
    import jax
    import jax.numpy as jnp
    from jax.experimental import multihost_utils

    address = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
    jax.distributed.initialize(address, int(os.environ["WORLD_SIZE"]), int(os.environ["RANK"]))
    gathered = multihost_utils.process_allgather(jnp.ones(1) * (jax.process_index() + 1))
    return float(gathered.sum())


if __name__ == "__main__":
    try:
        import torch  # noqa: F401 - the subject

        raise SystemExit("torch is there")
    except ImportError:
        print("plain:", plain())
        print("numpy:", with_numpy())
        print("jax:", with_jax())
