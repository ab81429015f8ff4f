"""Download of 256 MB from S3 to a file (floor: obstore's stream, written as it comes)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

TARGET = 1.1
NEEDS = "data"
IS_COUNTABLE = False


def floor() -> Callable[[], object]:
    import obstore
    from obstore.store import S3Store

    from benchmarks.tasks.buckets import large_file, start_server

    start_server()
    store = S3Store("bench", client_options={"allow_http": True})
    obstore.put(store, "large", large_file())

    def work() -> object:
        with Path("bare").open("wb") as file:
            file.writelines(obstore.get(store, "large").stream(min_chunk_size=2**20))
        Path("bare").unlink()
        return None

    return work


def fledge() -> Callable[[], object]:
    from benchmarks.tasks.buckets import BUCKET, large_file, start_server
    from fledge_storage import ObjectStorage

    start_server()
    storage = ObjectStorage()
    storage.put(str(large_file()), f"{BUCKET}/large")

    def work() -> object:
        storage.get(f"{BUCKET}/large", "ours")
        Path("ours").unlink()
        return None

    return work
