"""Two hosts, as two network namespaces joined by a pair of virtual interfaces."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent / "programs" / "same_code.py"  # that of the other launchers
NAMES = [f"fledge-{os.getpid()}-{node}" for node in range(2)]


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@pytest.fixture
def hosts() -> Iterator[list[str]]:
    """Two namespaces, 10.99.0.1 and 10.99.0.2; skipped where this user may not make them."""
    if shutil.which("ip") is None or os.geteuid() != 0:
        pytest.skip("two hosts need iproute2 and root")
    made: list[str] = []
    try:
        try:
            for name in NAMES:
                ip("netns", "add", name)
                made.append(name)
            ip("link", "add", "fl0", "netns", NAMES[0], "type", "veth", "peer", "name", "fl1", "netns", NAMES[1])
        except subprocess.CalledProcessError as exc:
            pytest.skip(f"network namespaces cannot be made here: {exc.stderr.decode().strip()}")
        for node, name in enumerate(NAMES):
            ip("-n", name, "addr", "add", f"10.99.0.{node + 1}/24", "dev", f"fl{node}")
            ip("-n", name, "link", "set", f"fl{node}", "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield NAMES
    finally:
        for name in made:
            ip("netns", "del", name)


@pytest.fixture
def names(hosts: list[str]) -> Iterator[None]:
    """Both hosts know the first one by its name as a pod."""
    folders = [Path("/etc/netns", host) for host in hosts]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "hosts").write_text("127.0.0.1 localhost\n10.99.0.1 train-worker-0\n")
    yield
    for folder in folders:
        shutil.rmtree(folder)
    if not any(Path("/etc/netns").iterdir()):
        Path("/etc/netns").rmdir()


@pytest.mark.slow
@pytest.mark.usefixtures("names")
@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed: pip install torch")
@pytest.mark.parametrize("by", ["address", "name"])
def test_two_hosts_meet_and_only_node_0_has_outputs(by: str, hosts: list[str], tmp_path: Path) -> None:
    started = []
    for node, name in enumerate(hosts):
        place = {
            "address": {"PET_NODE_RANK": str(node), "PET_RDZV_ENDPOINT": "10.99.0.1:29400"},
            "name": {"HOSTNAME": f"train-worker-{node}", "PET_RDZV_ENDPOINT": "train-worker-0:29400"},
        }
        variables = {
            "FLYTE_INTERNAL_EXECUTION_ID": "x",
            "PET_NNODES": "2",
            "GLOO_SOCKET_IFNAME": f"fl{node}",
            "PYTHONWARNINGS": "ignore",
            **place[by],
        }
        command = [
            "ip",
            "netns",
            "exec",
            name,
            sys.executable,
            str(PROGRAM),
            "elastic_nodes",
            str(tmp_path / str(node)),
        ]
        started.append(subprocess.Popen(command, env=os.environ | variables, text=True, stderr=subprocess.PIPE))
    said = [process.communicate(timeout=120)[1] for process in started]
    assert [process.returncode for process in started] == [0, 0], [error[-2000:] for error in said]
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("0", "sum 10.0 in rank 0 of 4")]
