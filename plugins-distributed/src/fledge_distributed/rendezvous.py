"""Whether a rank has met the others, seen from outside: a process and the rendezvous port in, yes or no out.

A launcher that knows no framework cannot ask one. What all of them do is connect to MASTER_ADDR:MASTER_PORT, and stay
connected; the kernel says who does.
"""

from __future__ import annotations

import os
import sys

__all__ = ["has_joined"]

_ESTABLISHED, _LISTENING = "01", "0A"  # states in /proc/net/tcp


def has_joined(pid: int, port: int) -> bool:
    """Is the process connected to the port, or does it listen there? `pid` 0: not started yet.

    Where there is no /proc (macOS), a rank has joined once it has started. A rank in the foreground has no process of
    its own and always counts as missing until it has ended.
    """
    if pid == 0:
        return False
    if sys.platform != "linux":
        return True
    try:
        links = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
        rows = [row for table in ("tcp", "tcp6") for row in _rows(f"/proc/{pid}/net/{table}")]
    except OSError:  # it ends at this moment: its end is an event of its own
        return True
    return any(f"socket:[{row[9]}]" in links and _is_at(row, port) for row in rows)


def _rows(path: str) -> list[list[str]]:
    if not os.path.exists(path):  # no IPv6
        return []
    with open(path) as file:
        return [line.split() for line in file.read().splitlines()[1:]]


def _is_at(row: list[str], port: int) -> bool:
    local, remote = (int(address.rpartition(":")[2], 16) for address in row[1:3])
    return (row[3] == _ESTABLISHED and remote == port) or (row[3] == _LISTENING and local == port)
