"""Calls ranks from a thread that has blocked every signal (`signals`), or with a default time-out of sockets."""

from __future__ import annotations

import signal
import socket
import sys

from fledge_distributed.config import Ranks
from fledge_distributed.frames import INLINE_BYTES
from fledge_distributed.launcher import launch


def much(payload: bytes) -> bytes:
    return payload * (INLINE_BYTES - 1)  # more than the socket holds at once


if __name__ == "__main__":
    if sys.argv[1] == "signals":
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    else:
        socket.setdefaulttimeout(30.0)
    print(len(launch(b"x", much, Ranks(nproc=2))))
