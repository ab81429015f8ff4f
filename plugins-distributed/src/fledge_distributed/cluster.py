"""Where this process stands in a job that somebody else has started: as a rank, as a node, or nowhere.

Read from the environment that torchrun, the kubeflow operators and mpirun set. Trusted are the variables of the kind of
job that the config describes: `RANK` alone, in the environment of some other task, means nothing.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Mapping
from dataclasses import replace

from fledge_distributed.config import Config, Elastic, PyTorch, Ranks
from fledge_distributed.errors import LaunchError
from fledge_distributed.jobs import HorovodJob, MPIJob, TfJob
from fledge_distributed.plans import Host
from fledge_distributed.ranks import Rank, inside_rank

__all__ = ["find_place", "nodes_of"]

_TORCHRUN = ("RANK", "WORLD_SIZE", "TORCHELASTIC_RUN_ID")
_OPERATOR = ("RANK", "WORLD_SIZE", "MASTER_ADDR")


def find_place(config: Config, env: Mapping[str, str], *, in_container: bool) -> Rank | Host | None:
    """A Rank: this process is that rank already. A Host: start the ranks of this node. None: start all ranks here.

    Raises:
        LaunchError: The variables of a job are there but do not make sense.
    """
    if inside_rank():
        return None  # a rank that starts ranks of its own
    if all(name in env for name in _TORCHRUN):
        return _rank(env, "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK")
    if isinstance(config, Elastic) and "PET_NNODES" in env:
        return _node(env)
    if isinstance(config, (MPIJob, HorovodJob)):
        return _mpi_rank(env)
    if isinstance(config, TfJob) and "TF_CONFIG" in env:
        return _tensorflow_rank(config, env["TF_CONFIG"])
    if isinstance(config, PyTorch) and in_container and all(name in env for name in _OPERATOR):
        return _rank(env, "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "RANK")
    return None


def nodes_of(ranks: Ranks, env: Mapping[str, str]) -> Ranks:
    """The same with the number of nodes that the operator has started."""
    nodes = env.get("PET_NNODES", "")
    return replace(ranks, nnodes=int(nodes)) if nodes.isdecimal() else ranks


def _mpi_rank(env: Mapping[str, str]) -> Rank | None:
    for prefix in ("OMPI_COMM_WORLD_", "HOROVOD_"):
        if f"{prefix}RANK" in env:
            return _rank(env, f"{prefix}RANK", f"{prefix}SIZE", f"{prefix}LOCAL_RANK", f"{prefix}LOCAL_SIZE", "")
    return None


def _rank(env: Mapping[str, str], rank: str, size: str, local_rank: str, local_size: str, node: str) -> Rank:
    number, world = _number(env, rank), _number(env, size)
    if number >= world:
        raise LaunchError(f"{rank}={number} and {size}={world}: ranks count from 0 to {size} - 1")
    local_world = _number(env, local_size, 1)
    return Rank(number, _number(env, local_rank, 0), _number(env, node, number // local_world), world, local_world)


def _number(env: Mapping[str, str], name: str, default: int | None = None) -> int:
    text = env.get(name, "")
    if not text and default is not None:
        return default
    if not text.isdecimal():
        raise LaunchError(f"environment variable {name}={text!r}: a whole number is expected")
    return int(text)


def _node(env: Mapping[str, str]) -> Host | None:
    """A pod of a PyTorchJob. The operator's RANK and WORLD_SIZE count pods, so only PET_* are read."""
    if not env["PET_NNODES"].isdecimal():
        return None  # a range: torch's own agent has to find out how many nodes there are
    if int(env["PET_NNODES"]) == 1:
        return None
    address, _, port = env.get("PET_RDZV_ENDPOINT", "").rpartition(":")
    address, port = (address, port) if address else (env.get("MASTER_ADDR", ""), env.get("MASTER_PORT", "29400"))
    if not address or not port.isdecimal():
        raise LaunchError(
            "PET_NNODES is set but neither PET_RDZV_ENDPOINT (host:port) nor MASTER_ADDR: where is rank 0?"
        )
    node = _node_rank(env)
    if node >= int(env["PET_NNODES"]):
        raise LaunchError(f"node {node} of {env['PET_NNODES']}: nodes count from 0")
    address = address.removeprefix("[").removesuffix("]")  # IPv6, which has brackets beside a port only
    return Host(node, address, int(port), env.get("PET_RDZV_ID", "fledge"))


def _node_rank(env: Mapping[str, str]) -> int:
    """PET_NODE_RANK, else the replica's index at the end of the pod's name (`train-worker-3`)."""
    if env.get("PET_NODE_RANK", "").isdecimal():
        return int(env["PET_NODE_RANK"])
    name = env.get("HOSTNAME") or socket.gethostname()
    found = re.search(r"-(\d+)$", name)
    if found is None:
        raise LaunchError(f"PET_NODE_RANK is not set and host name {name!r} does not end in the number of the replica")
    return int(found.group(1))


def _tensorflow_rank(config: TfJob, text: str) -> Rank:
    """Chief, workers, servers, evaluators, in this order; the chief, or else worker 0, is the leader."""
    try:
        document = json.loads(text)
        role, index = document["task"]["type"], int(document["task"]["index"])
        sizes = {name: len(hosts) for name, hosts in document["cluster"].items()}
    except (ValueError, KeyError, TypeError) as exc:
        raise LaunchError(f"TF_CONFIG={text!r} has no cluster and task: {exc}") from exc
    if "master" in sizes:  # the older name of the chief
        sizes["chief"] = sizes.pop("master")
    role = "chief" if role == "master" else role
    counts = {name: sizes.get(name, count if name == "evaluator" else 0) for name, count in config.counts.items()}
    if role not in counts or index >= max(counts[role], 1):
        raise LaunchError(f"TF_CONFIG={text!r}: task {role} {index} is not part of the cluster")
    before = sum(count for name, count in counts.items() if list(counts).index(name) < list(counts).index(role))
    return Rank(before + index, 0, before + index, sum(counts.values()), 1)
