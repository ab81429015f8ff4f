"""Launches on a machine that lacks something: `python full_machine.py WHAT`, in namespaces of its own for some.

Prints how the launch ended, on one line.
"""

from __future__ import annotations

import mmap
import os
import resource
import socket
import sys
from pathlib import Path

from fledge_distributed import Ranks, current_rank
from fledge_distributed.launcher import launch
from fledge_distributed.leaks import no_leaks

SHM = Path("/dev/shm")


def returns_much(payload: bytes) -> bytes:
    return payload * 50


def writes_shared_memory(_: bytes) -> bytes:
    if current_rank().rank == 1:
        with (SHM / "more").open("wb") as file:
            (SHM / "more").unlink()
            file.write(b"x" * 100_000)
    return b""


def maps_shared_memory(_: bytes) -> bytes:
    """As data loaders do: the file may be as long as one likes, it is the first write that meets the limit."""
    if current_rank().rank == 1:
        with (SHM / "mapped").open("w+b") as file:
            file.truncate(1_000_000)
            memory = mmap.mmap(file.fileno(), 1_000_000)
            (SHM / "mapped").unlink()
            memory[:] = b"x" * 1_000_000
    return b""


def fill_shared_memory() -> None:
    """The test has mounted a small one."""
    with (SHM / "full").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return


def take_all_ports() -> list[socket.socket]:
    """There are eight."""
    Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("40000 40007")
    taken = [socket.socket() for _ in range(8)]
    for number, one in enumerate(taken):
        one.bind(("127.0.0.1", 40000 + number))
    return taken


def main(what: str) -> None:
    """`what`: value, write, map, ports, files."""
    bodies = {"value": returns_much, "write": writes_shared_memory, "map": maps_shared_memory}
    kept: object = None
    if what in bodies:
        fill_shared_memory()
    elif what == "ports":
        kept = take_all_ports()
    else:
        for limit in range(66, 59, -1):  # each of a rank's descriptors is the one too many
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
            print(told(returns_much, 64), flush=True)
        return
    print(told(bodies.get(what, returns_much), 2), flush=True)
    del kept


def told(body: object, nproc: int) -> str:
    with no_leaks():
        try:
            value = launch(os.urandom(1) * 1_000_000, body, Ranks(nproc=nproc, grace_s=1.0))  # type: ignore[arg-type]  # one of the bodies above
        except Exception as exc:  # noqa: BLE001 - whatever it is, it is told
            return f"{type(exc).__name__}: {exc} | {' | '.join(getattr(exc, '__notes__', ()))}"
        return f"{len(value)} bytes"


if __name__ == "__main__":
    main(*sys.argv[1:])
