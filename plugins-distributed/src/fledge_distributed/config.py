"""What a user writes into `task_config` to run a task on several ranks: ranks of any kind, and torch's.

Each type says how its ranks run on one machine (`local_ranks`) and what the backend dispatches on (`task_type`);
`messages` turns it into what the backend reads. `jobs` has the types for MPI, Horovod and TensorFlow, `replicas` what
jobs ask the operators for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from fledge.errors import DefinitionError
from fledge.lazy import lazy
from fledge_distributed.options import Options, at_least, given_once, of_kind, seconds

if TYPE_CHECKING:
    from fledge_distributed import replicas
    from fledge_distributed.replicas import Master, RunPolicy, Worker
else:  # hooks load this module in every program; few of them have a job with replicas
    replicas = lazy("fledge_distributed.replicas")

__all__ = ["Config", "Elastic", "PyTorch", "Ranks"]


@dataclass(frozen=True)
class Ranks(Options):
    """`nproc` ranks on each of `nnodes` nodes, all on this machine; no framework needed.

    Args:
        nproc: Ranks per node.
        nnodes: Nodes. On one machine they are simulated: the ranks are told what they would be told on two hosts.
        preload: Modules that are imported once, before the ranks are forked, e.g. `("torch",)`. Only import-time work
            is shared; a module that starts threads at import makes each rank a fresh interpreter.
        timeout_s: The whole run may take this long.
        rendezvous_timeout_s: After so long every rank must have joined the others: be connected to MASTER_PORT, as
            torch's and JAX's ranks are from their initialization on (or listen there, or have ended).
        stall_timeout_s: The run is stopped when no rank has written a line or sent anything for so long.
        grace_s: How long a rank has after SIGTERM before SIGKILL.
        max_restarts: How often all ranks are started again after a failure.
        start: "auto" forks from the zygote where that is safe; "zygote" insists on it; "spawn" never forks.
        log_ranks: Ranks whose lines are shown; None: all.
        log_dir: Folder for `rank-<n>.log` per rank, and `ranks.jsonl` with what became of each.
    """

    nproc: int = 2
    _: KW_ONLY
    nnodes: int = 1
    preload: tuple[str, ...] = ()
    timeout_s: float | None = None
    rendezvous_timeout_s: float | None = None
    stall_timeout_s: float | None = None
    grace_s: float = 5.0
    max_restarts: int = 0
    start: Literal["auto", "zygote", "spawn"] = "auto"
    log_ranks: tuple[int, ...] | None = None
    log_dir: str | None = None

    def __post_init__(self) -> None:
        at_least("nproc", self.nproc, 1)
        at_least("nnodes", self.nnodes, 1)
        at_least("max_restarts", self.max_restarts, 0)
        for name in ("timeout_s", "rendezvous_timeout_s", "stall_timeout_s"):
            if getattr(self, name) is not None:
                seconds(name, getattr(self, name))
        seconds("grace_s", self.grace_s)
        if self.start not in ("auto", "zygote", "spawn"):
            raise DefinitionError(f'start={self.start!r}: choose "auto", "zygote" or "spawn"')
        if isinstance(self.preload, str):
            raise DefinitionError(f"preload={self.preload!r}: give a tuple of module names, ({self.preload!r},)")
        object.__setattr__(self, "preload", tuple(self.preload))
        if self.log_ranks is not None:
            ranks = range(self.nproc * self.nnodes)
            if not isinstance(self.log_ranks, (tuple, list)) or not all(rank in ranks for rank in self.log_ranks):
                raise DefinitionError(f"log_ranks={self.log_ranks!r}: give a tuple of ranks, 0 to {ranks[-1]}")

    @property
    def task_type(self) -> str:
        return "python-task"

    def local_ranks(self) -> Ranks:
        return self


@dataclass(frozen=True)
class PyTorch(Options):
    """A PyTorchJob: one master and `worker.replicas` workers, one rank each. Locally as many ranks of this machine.

    Args:
        master, worker: What each replica asks for.
        run_policy: How the operator treats the job.
        num_workers: The older spelling of `worker.replicas`.
        increase_shared_mem: Mount a /dev/shm larger than a container's default 64 MiB, as data loaders need it.
    """

    master: Master = field(default_factory=lambda: replicas.Master())  # noqa: PLW0108 - the module is loaded then
    worker: Worker = field(default_factory=lambda: replicas.Worker())  # noqa: PLW0108 - as above
    run_policy: RunPolicy | None = None
    num_workers: int | None = None
    increase_shared_mem: bool = True

    def __post_init__(self) -> None:
        of_kind("master", self.master, replicas.Master)
        of_kind("worker", self.worker, replicas.Worker)
        at_least("worker.replicas", self.workers, 1)

    @property
    def workers(self) -> int:
        return given_once("PyTorch", "worker", self.worker.replicas, "num_workers", self.num_workers)

    @property
    def task_type(self) -> str:
        return "pytorch"

    def local_ranks(self) -> Ranks:
        """Each replica is a node with one rank."""
        return Ranks(1, nnodes=1 + self.workers, preload=("torch",))


@dataclass(frozen=True)
class Elastic(Options):
    """torch's elastic launch: `nproc_per_node` ranks on each of `nnodes` nodes.

    With one node this is a plain container task; with more it is a PyTorchJob without a master.

    Args:
        nnodes: Number of nodes, or a range `"2:4"`. Locally the smallest number of them is simulated.
        nproc_per_node: Ranks per node.
        start_method: "fork" or "spawn", as elsewhere; here the launcher chooses, whichever is given.
        monitor_interval: Seconds between the polls of torch's agent; this launcher does not poll.
        max_restarts: How often all ranks are started again after a failure.
        rdzv_configs: Options of torch's rendezvous.
        increase_shared_mem: As for PyTorch.
        run_policy: How the operator treats the job.
        timeout_s, rendezvous_timeout_s, stall_timeout_s, grace_s, log_ranks, log_dir: As for Ranks.
    """

    nnodes: int | str = 1
    nproc_per_node: int = 1
    start_method: Literal["spawn", "fork"] = "spawn"
    monitor_interval: float = 5
    max_restarts: int = 0
    rdzv_configs: Mapping[str, Any] = field(  # Any: options of torch's own
        default_factory=lambda: {"timeout": 900, "join_timeout": 900}
    )
    increase_shared_mem: bool = True
    run_policy: RunPolicy | None = None
    _: KW_ONLY
    timeout_s: float | None = None
    rendezvous_timeout_s: float | None = None
    stall_timeout_s: float | None = None
    grace_s: float = 5.0
    log_ranks: tuple[int, ...] | None = None
    log_dir: str | None = None

    def __post_init__(self) -> None:
        at_least("nproc_per_node", self.nproc_per_node, 1)
        lowest, highest = self.node_range
        at_least("nnodes", lowest, 1)
        if highest < lowest:
            raise DefinitionError(f"nnodes={self.nnodes!r}: the range ends before it begins")
        if self.start_method not in ("spawn", "fork"):
            raise DefinitionError(f'start_method={self.start_method!r}: choose "spawn" or "fork"')
        self.local_ranks()  # checks the rest

    @property
    def node_range(self) -> tuple[int, int]:
        """(fewest, most) nodes."""
        low, colon, high = str(self.nnodes).partition(":")
        if not low.isdecimal() or not (high.isdecimal() if colon else True):
            raise DefinitionError(f'nnodes={self.nnodes!r}: give a number, or a range such as "2:4"')
        return int(low), int(high or low)

    @property
    def task_type(self) -> str:
        return "python-task" if self.nnodes == 1 else "pytorch"

    def local_ranks(self) -> Ranks:
        return Ranks(
            self.nproc_per_node,
            nnodes=self.node_range[0],
            preload=("torch",),
            timeout_s=self.timeout_s,
            rendezvous_timeout_s=self.rendezvous_timeout_s,
            stall_timeout_s=self.stall_timeout_s,
            grace_s=self.grace_s,
            max_restarts=self.max_restarts,
            log_ranks=self.log_ranks,
            log_dir=self.log_dir,
        )


class Config(Protocol):
    """What MultiRankTask needs of a config type; a plugin that brings another kind of job implements it."""

    @property
    def task_type(self) -> str:
        """What the backend dispatches on."""
        ...

    def local_ranks(self) -> Ranks:
        """How the job runs on one machine."""
        ...
