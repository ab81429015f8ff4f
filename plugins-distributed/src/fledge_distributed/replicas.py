"""What the operators are told of a job: its replicas of each kind, when they restart, when the job is given up."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from enum import Enum
from typing import TYPE_CHECKING

from fledge_distributed.options import Options, at_least

if TYPE_CHECKING:
    from fledge.settings import Resources

__all__ = [
    "PS",
    "Chief",
    "CleanPodPolicy",
    "Evaluator",
    "Launcher",
    "Master",
    "Replica",
    "RestartPolicy",
    "RunPolicy",
    "Worker",
]


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
class RunPolicy(Options):
    """How the operator treats the job as a whole; fields that are None are left to it."""

    clean_pod_policy: CleanPodPolicy | None = None
    ttl_seconds_after_finished: int | None = None
    active_deadline_seconds: int | None = None
    backoff_limit: int | None = None


@dataclass(frozen=True)
class Replica(Options):
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


class Worker(Replica):
    """The workers of a job; `replicas` of them."""


class Master(Replica):
    """The master of a PyTorch job; there is always one."""


class Launcher(Replica):
    """The replica of an MPI job that runs mpirun."""


class Chief(Replica):
    """The chief of a TensorFlow job: its outputs are the task's."""


class PS(Replica):
    """The parameter servers of a TensorFlow job."""


class Evaluator(Replica):
    """The evaluators of a TensorFlow job; most jobs have none."""
