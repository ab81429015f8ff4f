"""An S3 server for the length of a scenario's process, and a file of 256 MB."""

from __future__ import annotations

import atexit
import os
from contextlib import ExitStack
from pathlib import Path

__all__ = ["BUCKET", "large_file", "start_server"]

BUCKET = "s3://bench"

SIZE_MB = 256


def start_server() -> None:
    """Start it, and point this process to it."""
    from fledge_storage.testing import s3_server

    running = ExitStack()
    os.environ.update(running.enter_context(s3_server("bench")))
    atexit.register(running.close)


def large_file() -> Path:
    """256 MB that do not compress, made once for all contestants of a folder."""
    path = Path("large")
    if not path.exists():
        with path.open("wb") as file:
            for _ in range(SIZE_MB):
                file.write(os.urandom(2**20))
    return path
