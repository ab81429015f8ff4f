"""What a run may leave behind by mistake: processes, listening ports, shared memory, temporary files. Linux only."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from fledge_distributed.supervision import idle_processes, temporary_prefix

__all__ = ["no_leaks"]


@contextmanager
def no_leaks() -> Iterator[None]:
    """AssertionError when the body leaves something behind that was not there before. Warm zygotes do not count."""
    before = _found()
    yield
    after = _found()
    new = {kind: after[kind] - before[kind] for kind in after}
    new["shared memory"] = {name for name in new["shared memory"] if not _used_elsewhere(name)}
    left = {kind: sorted(names) for kind, names in new.items() if names}
    assert not left, f"left behind: {left}"


def _found() -> dict[str, set[str]]:
    temporary = os.listdir(tempfile.gettempdir())
    return {
        "processes": {str(pid) for pid in _descendants(os.getpid())} - {str(pid) for pid in idle_processes()},
        "ports": _listening(),
        "shared memory": set(os.listdir("/dev/shm")),  # noqa: S108 - read only
        "temporary files": {name for name in temporary if name.startswith(temporary_prefix())},
    }


def _used_elsewhere(name: str) -> bool:
    """Shared memory is the whole machine's: what another program has mapped, or has removed since, is not ours.

    Looked for by its number: the name in a process's map is that at its making, which for semaphores is another one.
    """
    try:
        found = os.stat(f"/dev/shm/{name}")  # noqa: S108 - read only
    except FileNotFoundError:
        return True
    mapped = f" {os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x} {found.st_ino} "
    ours = {os.getpid(), *_descendants(os.getpid())}
    for pid in [int(word) for word in os.listdir("/proc") if word.isdecimal() and int(word) not in ours]:
        try:
            with open(f"/proc/{pid}/maps") as file:
                if mapped in file.read():
                    return True
        except OSError:  # it has ended, or belongs to somebody else
            continue
    return False


def _descendants(pid: int) -> Iterator[int]:
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except FileNotFoundError:
        return
    for task in tasks:
        try:
            with open(f"/proc/{pid}/task/{task}/children") as file:
                children = [int(word) for word in file.read().split()]
        except FileNotFoundError:
            continue
        for child in children:
            yield child
            yield from _descendants(child)


def _listening() -> set[str]:
    """Ports on which a socket of this process listens."""
    ours = set()
    for fd in os.listdir("/proc/self/fd"):
        try:
            ours.add(os.readlink(f"/proc/self/fd/{fd}"))
        except FileNotFoundError:
            continue
    ports = set()
    for table in ("/proc/self/net/tcp", "/proc/self/net/tcp6"):
        with open(table) as file:
            rows = [line.split() for line in file.read().splitlines()[1:]]
        ports |= {row[1].rpartition(":")[2] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in ours}
    return {str(int(port, 16)) for port in ports}
