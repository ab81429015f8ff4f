"""What a user writes into `task_config` to run a task on several ranks: ranks of any kind, and torch's.

Each type says how its ranks run on one machine (`local_ranks`) and what the backend dispatches on (`task_type`);
`messages` turns it into what the backend reads. `jobs` has the types for MPI, Horovod and TensorFlow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, Protocol

from fledge.errors import DefinitionError

if TYPE_CHECKING:
    from fledge.settings import Resources

__all__ = [
    "CleanPodPolicy",
    "Config",
    "Elastic",
    "Master",
    "PyTorch",
    "Ranks",
    "Replica",
    "RestartPolicy",
    "RunPolicy",
    "Worker",
]


@dataclass(frozen=True)
class Ranks:
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
        for name in ("timeout_s", "rendezvous_timeout_s", "stall_timeout_s", "grace_s"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise DefinitionError(f"{name}={value!r}: give seconds, 0 or more")
        if self.start not in ("auto", "zygote", "spawn"):
            raise DefinitionError(f'start={self.start!r}: choose "auto", "zygote" or "spawn"')
        if isinstance(self.preload, str):
            raise DefinitionError(f"preload={self.preload!r}: give a tuple of module names, ({self.preload!r},)")
        object.__setattr__(self, "preload", tuple(self.preload))

    @property
    def task_type(self) -> str:
        return "python-task"

    def local_ranks(self) -> Ranks:
        return self


class RestartPolicy(Enum):
    """When the operator restarts a replica; numbers of flyteidl's kubeflow RestartPolicy."""

    NEVER = 0
    FAILURE = 1
    ALWAYS = 2


class CleanPodPolicy(Enum):
    """Which pods the operator removes at the end; numbers of flyteidl's kubeflow CleanPodPolicy."""

    NONE = 0
    RUNNING = 1
    ALL = 2


@dataclass(frozen=True)
class RunPolicy:
    """How the operator treats the job as a whole; fields that are None are left to it."""

    clean_pod_policy: CleanPodPolicy | None = None
    ttl_seconds_after_finished: int | None = None
    active_deadline_seconds: int | None = None
    backoff_limit: int | None = None


@dataclass(frozen=True)
class Replica:
    """What all replicas of one kind ask for; None: as the task itself."""

    image: str | None = None
    requests: Resources | None = None
    limits: Resources | None = None
    replicas: int | None = None
    restart_policy: RestartPolicy | None = None
    _: KW_ONLY
    command: tuple[str, ...] = ()  # of MPI jobs only; empty: the operator's own

    def __post_init__(self) -> None:
        object.__setattr__(self, "command", tuple(self.command or ()))
        if self.replicas is not None:
            at_least(f"{type(self).__name__}.replicas", self.replicas, 0)


@dataclass(frozen=True)
class Worker(Replica):
    """The workers of a job; `replicas` of them."""


@dataclass(frozen=True)
class Master(Replica):
    """The master of a PyTorch job; there is always one."""


@dataclass(frozen=True)
class PyTorch:
    """A PyTorchJob: one master and `worker.replicas` workers, one rank each. Locally as many ranks of this machine.

    Args:
        master, worker: What each replica asks for.
        run_policy: How the operator treats the job.
        num_workers: The older spelling of `worker.replicas`.
        increase_shared_mem: Mount a /dev/shm larger than a container's default 64 MiB, as data loaders need it.
    """

    master: Master = field(default_factory=Master)
    worker: Worker = field(default_factory=Worker)
    run_policy: RunPolicy | None = None
    num_workers: int | None = None
    increase_shared_mem: bool = True

    def __post_init__(self) -> None:
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
class Elastic:
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
        timeout_s, rendezvous_timeout_s, stall_timeout_s, grace_s: As for Ranks.
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
        )


def at_least(name: str, value: object, lowest: int) -> None:
    """DefinitionError unless `value` is an int from `lowest` on."""
    if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
        raise DefinitionError(f"{name}={value!r}: give a whole number, {lowest} or more")


def given_once(job: str, kind: str, replicas: int | None, old: str, count: int | None) -> int:
    """The number of replicas of a kind, which has an older spelling on the job itself."""
    if (replicas is None) == (count is None):
        name = kind.capitalize() if kind != "ps" else "PS"
        raise DefinitionError(
            f"{job}: give the number once, as {kind}={name}(replicas=...); {old} is its older spelling"
        )
    return replicas if replicas is not None else count or 0


class Config(Protocol):
    """What MultiRankTask needs of a config type; a plugin that brings another kind of job implements it."""

    @property
    def task_type(self) -> str:
        """What the backend dispatches on."""
        ...

    def local_ranks(self) -> Ranks:
        """How the job runs on one machine."""
        ...
