"""A real S3 server (moto's) as a process on loopback, and a door before it."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from fledge_storage import ObjectStorage
from plugins.storage.tests.support import BUCKET, SOON, Door, ask, point_to


@pytest.fixture(scope="session")
def server() -> Iterator[int]:
    """The port of an S3 server."""
    pytest.importorskip("moto.server", reason="moto is not installed: pip install 'moto[s3]' flask flask-cors")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        seen = []
        for line in process.stderr:
            seen.append(line)
            if "Running on" in line:
                break
        else:
            pytest.fail(f"the S3 server did not start: {''.join(seen)}")
        threading.Thread(target=process.stderr.read, daemon=True).start()  # else its log fills the pipe
        yield port
        process.terminate()


@pytest.fixture
def s3(server: int, monkeypatch: pytest.MonkeyPatch) -> ObjectStorage:
    """A storage on the server, which has one empty bucket."""
    point_to(server, monkeypatch)
    ask(server, "POST", "/moto-api/reset")
    ask(server, "PUT", f"/{BUCKET}")
    return ObjectStorage(SOON)


@pytest.fixture
def door(server: int, s3: ObjectStorage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    """The way to the server for storages that are made from now on."""
    with Door(server) as made:
        threading.Thread(target=made.serve_forever, args=(0.02,), daemon=True).start()
        point_to(made.server_address[1], monkeypatch)
        yield made
        made.closing.set()
        made.shutdown()
