"""Upload of 256 MB to S3 (floor: obstore, in parts of the same size)."""

from __future__ import annotations

from collections.abc import Callable

TARGET = 1.1
NEEDS = "data"
IS_COUNTABLE = False


def floor() -> Callable[[], object]:
    import obstore
    from obstore.store import S3Store

    from benchmarks.tasks.buckets import large_file, start_server
    from fledge_storage.objects import PART_BYTES

    start_server()
    store, file = S3Store("bench", client_options={"allow_http": True}), large_file()
    return lambda: obstore.put(store, "large", file, chunk_size=PART_BYTES) and None


def fledge() -> Callable[[], object]:
    from benchmarks.tasks.buckets import BUCKET, large_file, start_server
    from fledge_storage import ObjectStorage

    start_server()
    storage, file = ObjectStorage(), large_file()
    return lambda: storage.put(str(file), f"{BUCKET}/large")
