"""A real S3 server (moto's) as a process on loopback, and a door before it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from fledge_storage import ObjectStorage
from fledge_storage.testing import s3_server
from plugins.storage.tests.support import BUCKET, SOON, Door, ask, point_to


@pytest.fixture(scope="session")
def server() -> Iterator[int]:
    """The port of an S3 server."""
    pytest.importorskip("moto.server", reason="moto is not installed: pip install 'fledge-storage[testing]'")
    with s3_server() as found:
        yield int(found["AWS_ENDPOINT_URL"].rpartition(":")[2])


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
