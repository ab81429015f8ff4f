"""What a run may leave behind by mistake: processes, listening ports, shared memory, temporary files. Linux only."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from fledge_distributed.supervision import idle_processes, temporary_prefix

__all__ = ["no_leaks"]

_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - read only
_NUMBER = re.compile(r"(?<![0-9A-Za-z])\d+(?![0-9A-Za-z])")


@contextmanager
def no_leaks() -> Iterator[None]:
    """AssertionError when the body leaves something behind that was not there before. Warm zygotes do not count."""
    before = _found()
    yield
    after = _found()
    new = {kind: after[kind] - before[kind] for kind in after}
    new["shared memory"] = {name for name in new["shared memory"] if not _is_foreign(name)}
    left = {kind: sorted(names) for kind, names in new.items() if names}
    assert not left, f"left behind: {left}"


def _found() -> dict[str, set[str]]:
    temporary = os.listdir(tempfile.gettempdir())
    return {
        "processes": {str(pid) for pid in _descendants(os.getpid())} - {str(pid) for pid in idle_processes()},
        "ports": _listening(),
        "shared memory": set(os.listdir(_SHARED_MEMORY)),
        "temporary files": {name for name in temporary if name.startswith(temporary_prefix())},
    }


def _is_foreign(name: str) -> bool:
    """Is it another program's? Shared memory is the whole machine's, and nothing says who has made a file there.

    What has been removed since was no leak. Of the rest, another user's is foreign, and what a live process has open or
    mapped, or is named after, that is neither this one nor a descendant of it.
    """
    try:
        found = os.stat(os.path.join(_SHARED_MEMORY, name))
    except FileNotFoundError:
        return True
    if found.st_uid != os.geteuid():
        return True
    ours = {os.getpid(), *_descendants(os.getpid())}
    others = {pid for word in os.listdir("/proc") if word.isdecimal() and (pid := int(word)) not in ours}
    number = _NUMBER.search(name)  # torch_1234_5678_0; a 1 is rather a count
    is_named = number is not None and int(number[0]) in others - {1}
    return is_named or any(_holds(pid, found) for pid in others)


def _holds(pid: int, file: os.stat_result) -> bool:
    """Has the process mapped it, or has it open? No, where it has ended meanwhile or does not let itself be looked at.

    Looked for by its number: the name in a process's map is that at its making, which for semaphores is another one.
    """
    mapped = f" {os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x} {file.st_ino} "
    try:
        with open(f"/proc/{pid}/maps") as maps:
            if mapped in maps.read():
                return True
        return any(_is_same(f"/proc/{pid}/fd/{fd}", file) for fd in os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return False


def _is_same(path: str, file: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(path), file)
    except OSError:  # closed meanwhile
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
