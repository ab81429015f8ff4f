"""Config types of the other kubeflow jobs: MPI, Horovod, TensorFlow. Locally their ranks get the job's environment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fledge.errors import DefinitionError
from fledge.lazy import lazy
from fledge_distributed.config import Ranks
from fledge_distributed.options import Options, at_least, given_once, of_kind

if TYPE_CHECKING:
    import json

    from fledge_distributed import replicas
    from fledge_distributed.ranks import Rank
    from fledge_distributed.replicas import PS, Chief, Evaluator, Launcher, RunPolicy, Worker
else:
    json = lazy("json")
    replicas = lazy("fledge_distributed.replicas")

__all__ = ["HorovodJob", "MPIJob", "TfJob"]


@dataclass(frozen=True)
class _Mpi(Options):
    """What MPIJob and HorovodJob share.

    Args:
        launcher, worker: What each replica asks for.
        run_policy: How the operator treats the job.
        slots: Ranks per worker.
        num_launcher_replicas, num_workers: The older spellings of `launcher.replicas` and `worker.replicas`.
    """

    launcher: Launcher = field(default_factory=lambda: replicas.Launcher(replicas=1))
    worker: Worker = field(default_factory=lambda: replicas.Worker())  # noqa: PLW0108 - the module is loaded then
    run_policy: RunPolicy | None = None
    slots: int = 1
    num_launcher_replicas: int | None = None
    num_workers: int | None = None

    def __post_init__(self) -> None:
        of_kind("launcher", self.launcher, replicas.Launcher)
        of_kind("worker", self.worker, replicas.Worker)
        at_least("slots", self.slots, 1)
        at_least("worker.replicas", self.workers, 1)
        if self.launchers != 1:
            raise DefinitionError(f"{type(self).__name__}: {self.launchers} launchers; one of them runs mpirun")

    @property
    def workers(self) -> int:
        return given_once(type(self).__name__, "worker", self.worker.replicas, "num_workers", self.num_workers)

    @property
    def launchers(self) -> int:
        return self.num_launcher_replicas or self.launcher.replicas or 0

    @property
    def task_type(self) -> str:
        return "mpi"

    def local_ranks(self) -> Ranks:
        """Each worker is a node with `slots` ranks."""
        return Ranks(self.slots, nnodes=self.workers)


class MPIJob(_Mpi):
    """An MPIJob: `slots` ranks on each of `worker.replicas` workers, started by mpirun from the launcher.

    Locally the ranks are started by mpirun too when it and mpi4py are installed; without them they are plain processes
    with the variables that Open MPI sets.
    """

    def command(self, fledge_command: Sequence[str]) -> list[str]:
        """The launcher's command line. `-m mpi4py` ends the whole job when one rank raises; without it mpirun waits."""
        variables = ("LD_LIBRARY_PATH", "PATH", "NCCL_DEBUG=INFO", "FLYTE_FAIL_ON_ERROR=true")
        main = "fast_main" if fledge_command[0] == "fledge-fast-execute" else "main"
        return [
            *("mpirun", "--allow-run-as-root", "-bind-to", "none", "-map-by", "slot"),
            *(word for name in variables for word in ("-x", name)),
            *("-mca", "pml", "ob1", "-mca", "btl", "^openib"),
            *("-np", str(self.workers * self.slots)),
            *("python", "-m", "mpi4py", "-c", f"from fledge.entrypoint import {main}; {main}()"),
            *fledge_command[1:],
        ]

    def environment(self, rank: Rank, addresses: Sequence[str]) -> dict[str, str]:  # noqa: ARG002 - as Plan.environment
        """What Open MPI tells a rank."""
        return _open_mpi(rank)


@dataclass(frozen=True)
class HorovodJob(_Mpi):
    """A Horovod job on the MPI operator. Locally plain ranks with the variables that Horovod sets.

    Args:
        verbose, log_level: Of horovodrun.
        discovery_script_path: What prints the hosts of an elastic job.
        elastic_timeout: Seconds that horovodrun waits for hosts.
    """

    verbose: bool = False
    log_level: str = "INFO"
    discovery_script_path: str = "/etc/mpi/discover_hosts.sh"
    elastic_timeout: int = 1200

    def command(self, fledge_command: Sequence[str]) -> list[str]:
        """The launcher's command line."""
        count = str(self.workers * self.slots)
        return [
            *("horovodrun", "-np", count, "--log-level", self.log_level, "--network-interface", "eth0"),
            *("--min-np", count, "--max-np", count, "--slots-per-host", str(self.slots)),
            *("--host-discovery-script", self.discovery_script_path, "--elastic-timeout", str(self.elastic_timeout)),
            *(["--verbose"] if self.verbose else []),
            *fledge_command,
        ]

    def environment(self, rank: Rank, addresses: Sequence[str]) -> dict[str, str]:  # noqa: ARG002 - as Plan.environment
        """What Horovod tells a rank, and Open MPI below it."""
        nodes = rank.world_size // rank.local_world_size
        numbers = {
            "HOROVOD_RANK": rank.rank,
            "HOROVOD_SIZE": rank.world_size,
            "HOROVOD_LOCAL_RANK": rank.local_rank,
            "HOROVOD_LOCAL_SIZE": rank.local_world_size,
            "HOROVOD_CROSS_RANK": rank.node_rank,
            "HOROVOD_CROSS_SIZE": nodes,
        }
        return {**_open_mpi(rank), **{name: str(value) for name, value in numbers.items()}}


def _open_mpi(rank: Rank) -> dict[str, str]:
    numbers = {
        "OMPI_COMM_WORLD_RANK": rank.rank,
        "OMPI_COMM_WORLD_SIZE": rank.world_size,
        "OMPI_COMM_WORLD_LOCAL_RANK": rank.local_rank,
        "OMPI_COMM_WORLD_LOCAL_SIZE": rank.local_world_size,
        "OMPI_COMM_WORLD_NODE_RANK": rank.local_rank,
    }
    return {name: str(value) for name, value in numbers.items()}


@dataclass(frozen=True)
class TfJob(Options):
    """A TFJob: chief, workers, parameter servers and evaluators. Locally each replica is a rank with its TF_CONFIG.

    The leader is the chief, or worker 0 where there is no chief.

    Args:
        chief, ps, worker, evaluator: What each replica asks for, and how many there are.
        run_policy: How the operator treats the job.
        num_workers, num_ps_replicas, num_chief_replicas, num_evaluator_replicas: The older spellings of the replicas.
    """

    chief: Chief = field(default_factory=lambda: replicas.Chief())  # noqa: PLW0108 - the module is loaded then
    ps: PS = field(default_factory=lambda: replicas.PS())  # noqa: PLW0108 - the module is loaded then
    worker: Worker = field(default_factory=lambda: replicas.Worker())  # noqa: PLW0108 - the module is loaded then
    evaluator: Evaluator = field(default_factory=lambda: replicas.Evaluator())  # noqa: PLW0108 - the module is loaded then
    run_policy: RunPolicy | None = None
    num_workers: int | None = None
    num_ps_replicas: int | None = None
    num_chief_replicas: int | None = None
    num_evaluator_replicas: int | None = None

    def __post_init__(self) -> None:
        kinds = {"chief": replicas.Chief, "ps": replicas.PS, "worker": replicas.Worker, "evaluator": replicas.Evaluator}
        for name, kind in kinds.items():
            of_kind(name, getattr(self, name), kind)
        for name, count in self.counts.items():
            at_least(f"{name}.replicas", count, 0)
        if self.counts["chief"] > 1:
            raise DefinitionError(f"TfJob: {self.counts['chief']} chiefs; there is one, or none and worker 0 leads")
        if self.counts["chief"] + self.counts["worker"] == 0:
            raise DefinitionError("TfJob: give it a chief or a worker, whose outputs are the task's")

    @property
    def counts(self) -> dict[str, int]:
        """Replicas by TF_CONFIG's names, in the order of the ranks: the leader is rank 0."""
        return {
            "chief": self.num_chief_replicas or self.chief.replicas or 0,
            "worker": self.num_workers or self.worker.replicas or 0,
            "ps": self.num_ps_replicas or self.ps.replicas or 0,
            "evaluator": self.num_evaluator_replicas or self.evaluator.replicas or 0,
        }

    @property
    def task_type(self) -> str:
        return "tensorflow"

    def local_ranks(self) -> Ranks:
        """Each replica is a node with one rank."""
        return Ranks(1, nnodes=sum(self.counts.values()))

    def role(self, rank: int) -> tuple[str, int]:
        """Which replica a rank is: (name, index)."""
        for name, count in self.counts.items():
            if rank < count:
                return name, rank
            rank -= count
        raise DefinitionError(f"TfJob: has no rank {rank}")

    def environment(self, rank: Rank, addresses: Sequence[str]) -> dict[str, str]:
        """TF_CONFIG of a rank; `addresses`: host:port per rank. An evaluator stands outside of the cluster."""
        cluster: dict[str, list[str]] = {}
        for number, address in enumerate(addresses):
            name, _ = self.role(number)
            if name != "evaluator":
                cluster.setdefault(name, []).append(address)
        name, index = self.role(rank.rank)
        document = {"cluster": cluster, "task": {"type": name, "index": index}, "environment": "cloud"}
        return {"TF_CONFIG": json.dumps(document)}
