"""Which rank this process is, and the variables that tell frameworks the same."""

from __future__ import annotations

import os
from dataclasses import dataclass

__all__ = ["Rank", "current_rank", "enter_rank", "inside_rank", "rank_environment"]


@dataclass(frozen=True)
class Rank:
    """One process of a multi-rank task. `rank` counts over all nodes from 0; `node_rank` is its node."""

    rank: int = 0
    local_rank: int = 0
    node_rank: int = 0
    world_size: int = 1
    local_world_size: int = 1

    @property
    def is_leader(self) -> bool:
        """Rank 0: its outputs are the outputs of the task."""
        return self.rank == 0

    @property
    def device(self) -> str:
        """`cuda:<local rank>` when this node has a GPU for each of its ranks, else `cpu`; without torch `cpu`."""
        try:
            import torch  # noqa: PLC0415 - heavy and optional
        except ImportError:
            return "cpu"
        return f"cuda:{self.local_rank}" if torch.cuda.device_count() >= self.local_world_size else "cpu"

    @property
    def backend(self) -> str:
        """The torch.distributed backend that fits the device: `nccl` or `gloo`."""
        return "gloo" if self.device == "cpu" else "nccl"


_current: Rank | None = None  # of the process, not of a context: threads of the user's code belong to the same rank


def current_rank() -> Rank:
    """The rank this code runs as; rank 0 of 1 outside a multi-rank task, whatever the environment says."""
    return _current if _current is not None else Rank()


def inside_rank() -> bool:
    """Does this code run as a rank of a multi-rank task?"""
    return _current is not None


def enter_rank(rank: Rank | None) -> Rank | None:
    """Make this process that rank (None: no rank) and return what it was before."""
    global _current
    before, _current = _current, rank
    return before


def rank_environment(
    rank: Rank, address: str, port: int, run_id: str, restart: int, max_restarts: int
) -> dict[str, str]:
    """What torch's own launcher sets for its workers, plus NODE_RANK: env:// rendezvous, JAX and Lightning read these.

    Source: the variables listed in the documentation of torchrun; the store is opened by rank 0 (no agent store).
    """
    nodes = rank.world_size // rank.local_world_size
    numbers = {
        "RANK": rank.rank,
        "LOCAL_RANK": rank.local_rank,
        "NODE_RANK": rank.node_rank,
        "GROUP_RANK": rank.node_rank,
        "ROLE_RANK": rank.rank,
        "WORLD_SIZE": rank.world_size,
        "LOCAL_WORLD_SIZE": rank.local_world_size,
        "GROUP_WORLD_SIZE": nodes,
        "ROLE_WORLD_SIZE": rank.world_size,
        "MASTER_PORT": port,
        "TORCHELASTIC_RESTART_COUNT": restart,
        "TORCHELASTIC_MAX_RESTARTS": max_restarts,
    }
    texts = {
        "MASTER_ADDR": address,
        "ROLE_NAME": "default",
        "TORCHELASTIC_RUN_ID": run_id,
        "TORCHELASTIC_USE_AGENT_STORE": "False",
    }
    defaults = {"OMP_NUM_THREADS": "1", "TORCH_NCCL_ASYNC_ERROR_HANDLING": "1"}
    if address == "127.0.0.1" and os.path.isdir("/sys/class/net/lo"):
        defaults["GLOO_SOCKET_IFNAME"] = "lo"  # else gloo looks up the host's own name, which may not resolve
    kept = {name: os.environ.get(name, value) for name, value in defaults.items()}
    return {**{name: str(value) for name, value in numbers.items()}, **texts, **kept}
