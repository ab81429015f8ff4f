"""Files, folders and ranges in memory and on a real S3 server; what fails is named and leaves nothing behind."""

from __future__ import annotations

import base64
import json
import logging
import os
import re
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import obstore
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fledge.errors import StorageError
from fledge.progress import ProgressReport, shown_to
from fledge.storage import StorageRouter
from fledge_storage import ObjectStorage
from fledge_storage.objects import PART_BYTES
from fledge_storage.testing import ACCESS_KEY, SECRET_KEY, s3_server
from plugins.storage.tests.support import BUCKET, SOON, Door, ask

ROOT = f"s3://{BUCKET}"
PARTS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters="/\\"), min_size=1, max_size=8
)
KEYS = st.lists(PARTS.filter(lambda part: part not in (".", "..")), min_size=1, max_size=3).map("/".join)


@pytest.fixture(params=["memory", "s3"])
def place(request: pytest.FixtureRequest) -> tuple[ObjectStorage, str]:
    """A storage and a root in it."""
    if request.param == "memory":
        return ObjectStorage(), "memory://here"
    return request.getfixturevalue("s3"), ROOT


def _tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(key=KEYS, data=st.binary())
def test_bytes_survive_under_any_name(place: tuple[ObjectStorage, str], key: str, data: bytes) -> None:
    storage, root = place
    uri = f"{root}/any/{key}"
    storage.write(uri, data)
    assert storage.exists(uri)
    assert storage.read(uri) == data
    assert uri in storage.list(f"{root}/any")


def test_a_folder_survives(place: tuple[ObjectStorage, str], tmp_path: Path) -> None:
    storage, root = place
    for name, data in {"a": b"1", "b/c.txt": b"", "b/d e/ü": b"3"}.items():
        (tmp_path / "from" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "from" / name).write_bytes(data)
    storage.put(str(tmp_path / "from"), f"{root}/folder")
    storage.write(f"{root}/folder2/x", b"another folder")
    assert storage.exists(f"{root}/folder")
    assert storage.exists(f"{root}/folder/b/")
    assert not storage.exists(f"{root}/fold")
    storage.get(f"{root}/folder", str(tmp_path / "to"))
    assert _tree(tmp_path / "to") == _tree(tmp_path / "from") != {}
    assert storage.list(f"{root}/folder/b") == [f"{root}/folder/b/c.txt", f"{root}/folder/b/d e/ü"]


def test_a_file_is_replaced_whole(place: tuple[ObjectStorage, str], tmp_path: Path) -> None:
    storage, root = place
    for text in ("first and long", "second"):
        (tmp_path / "file").write_text(text)
        storage.put(str(tmp_path / "file"), f"{root}/file")
        assert storage.read(f"{root}/file") == text.encode()
    (tmp_path / "file").unlink()
    storage.get(f"{root}/file", str(tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "second"


def test_a_file_in_many_parts_survives_and_tells_its_progress(place: tuple[ObjectStorage, str], tmp_path: Path) -> None:
    storage, root = place
    block = os.urandom(2**20)
    with (tmp_path / "big").open("wb") as file:
        for number in range(2 * PART_BYTES // len(block) + 1):
            file.write(number.to_bytes(8, "big") + block)
    (tmp_path / "small").write_bytes(block)
    told: list[ProgressReport] = []
    with shown_to(told.append):
        for name in ("big", "small"):
            storage.put(str(tmp_path / name), f"{root}/{name}")
            storage.get(f"{root}/{name}", str(tmp_path / f"{name} back"))
    assert (tmp_path / "big back").read_bytes() == (tmp_path / "big").read_bytes()
    size = (tmp_path / "big").stat().st_size
    assert {one.name for one in told} == {f"upload {root}/big", f"download {root}/big"}
    assert {(one.total, one.unit) for one in told} == {(size, "bytes")}
    for way in ("upload", "download"):
        done = [one.done for one in told if one.name.startswith(way)]
        assert (done[0], done[-1]) == (0, size)
        assert done == sorted(done)
    assert [one.state for one in told if one.done == size and one.state != "running"] == ["finished"] * 2


def test_a_folder_tells_the_progress_of_all_its_files(place: tuple[ObjectStorage, str], tmp_path: Path) -> None:
    storage, root = place
    for number in range(3):
        (tmp_path / "from").mkdir(exist_ok=True)
        (tmp_path / "from" / str(number)).write_bytes(bytes(6 * 2**20))
    told: list[ProgressReport] = []
    with shown_to(told.append):
        storage.put(str(tmp_path / "from"), f"{root}/folder")
        storage.get(f"{root}/folder", str(tmp_path / "to"))
    ends = [(one.name, one.done, one.state) for one in told if one.state != "running"]
    total = 18 * 2**20
    assert ends == [(f"{way} {root}/folder", total, "finished") for way in ("upload", "download")]


def test_only_the_ranges_that_are_read_are_fetched(door: Door) -> None:
    storage = ObjectStorage(SOON)
    data = os.urandom(8 * 2**20)
    storage.write(f"{ROOT}/ranges", data)
    del door.asked[:]
    with storage.open(f"{ROOT}/ranges") as file:
        file.seek(-100, os.SEEK_END)
        assert file.read() == data[-100:]
        file.seek(5)
        assert file.read(10) == data[5:15]
        assert file.tell() == 15
    assert door.asked == [f"HEAD /{BUCKET}/ranges"] + [f"GET /{BUCKET}/ranges"] * 2


def test_an_object_that_changes_while_it_is_read_is_told(s3: ObjectStorage) -> None:
    s3.write(f"{ROOT}/changing", b"a" * 3 * 2**20)
    with s3.open(f"{ROOT}/changing") as file:
        file.read(1)
        s3.write(f"{ROOT}/changing", b"b" * 3 * 2**20)
        with pytest.raises(StorageError, match="changed while it was read"):
            file.read()


@pytest.mark.parametrize("do", ["read", "get", "open"])
def test_what_is_not_there_is_named(place: tuple[ObjectStorage, str], do: str, tmp_path: Path) -> None:
    storage, root = place
    arguments = (f"{root}/nothing", str(tmp_path / "to")) if do == "get" else (f"{root}/nothing",)
    with pytest.raises(StorageError, match=re.escape(f"{root}/nothing: does not exist")):
        getattr(storage, do)(*arguments)
    assert not storage.exists(f"{root}/nothing")
    assert list(tmp_path.iterdir()) == []


def test_a_local_file_that_is_not_there_is_named(place: tuple[ObjectStorage, str], tmp_path: Path) -> None:
    storage, root = place
    with pytest.raises(StorageError, match=f"^{re.escape(str(tmp_path))}/none: does not exist"):
        storage.put(f"{tmp_path}/none", f"{root}/x")
    with pytest.raises(StorageError, match="is an empty folder, which an object store cannot hold"):
        storage.put(str(tmp_path), f"{root}/x")


@pytest.mark.parametrize("uri", ["s3:///key", "gs://", "s3://flights/a/../b"])
def test_a_uri_that_names_no_object_is_refused(uri: str, s3: ObjectStorage) -> None:
    with pytest.raises(StorageError, match=r"names no bucket|is no name for an object"):
        s3.read(uri)


def _calls(storage: ObjectStorage, root: str, tmp_path: Path) -> list[Callable[[], object]]:
    (tmp_path / "one").write_bytes(b"1")
    (tmp_path / "large").write_bytes(b"1" * (PART_BYTES + 1))
    return [
        lambda: storage.exists(f"{root}/x"),
        lambda: storage.read(f"{root}/x"),
        lambda: storage.write(f"{root}/x", b"1"),
        lambda: storage.get(f"{root}/x", str(tmp_path / "to")),
        lambda: storage.put(str(tmp_path / "one"), f"{root}/x"),
        lambda: storage.put(str(tmp_path / "large"), f"{root}/x"),
        lambda: storage.put(str(tmp_path), f"{root}/x"),
        lambda: storage.list(f"{root}/below"),
    ]


def test_a_bucket_that_does_not_exist_is_named(s3: ObjectStorage, tmp_path: Path) -> None:
    for call in _calls(s3, "s3://no-such-bucket", tmp_path):
        with pytest.raises(StorageError, match=r"the bucket 'no-such-bucket' does not exist\. Create it"):
            call()


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("403 InvalidAccessKeyId", "the credentials are not known there. Check the access key (InvalidAccessKeyId)"),
        ("403 SignatureDoesNotMatch", "the credentials are wrong. Check the secret key (SignatureDoesNotMatch)"),
        ("403 AccessDenied", "these credentials may not do that. Ask for the permission (AccessDenied)"),
        ("403 RequestTimeTooSkewed", "the clock of this machine is wrong, so requests are refused"),
        ("400 ExpiredToken", "the credentials have expired. Get new ones (ExpiredToken)"),
        ("500 InternalError", "the store failed with status 500 (InternalError), after 4 attempts"),
        ("503 SlowDown", "the store asks for fewer requests. Try again later (SlowDown)"),
        ("418 Teapot", "the store failed with status 418 (Teapot)"),
    ],
)
def test_a_refusal_is_named_and_nothing_secret_is_told(
    fault: str, reason: str, door: Door, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    storage = ObjectStorage(SOON)
    storage.write(f"{ROOT}/x", b"1")
    door.fault = lambda method, _path: None if method == "HEAD" else fault
    for call in _calls(storage, ROOT, tmp_path)[1:]:
        with pytest.raises(StorageError) as caught:
            call()
        assert reason in str(caught.value)
        assert caught.value.recoverable is (
            fault.split()[1] in ("RequestTimeTooSkewed", "ExpiredToken", "InternalError", "SlowDown", "Teapot")
        )
        told = "".join(traceback.format_exception(caught.value)) + caplog.text
        assert ACCESS_KEY not in told
        assert SECRET_KEY not in told
    door.fault = lambda _method, _path: None
    assert storage.list(ROOT) == [f"{ROOT}/x"]
    assert {path.name for path in tmp_path.iterdir()} <= {"one", "large", "to"}


def test_wrong_credentials_are_refused_by_a_server_that_checks_them(
    server: int, s3: ObjectStorage, tmp_path: Path
) -> None:
    ask(server, "POST", "/moto-api/reset-auth", "0")  # requests from now on are checked
    try:
        for call in _calls(s3, ROOT, tmp_path)[1:]:
            with pytest.raises(StorageError, match=r"credentials .*(Check|check)") as caught:
                call()
            assert ACCESS_KEY not in "".join(traceback.format_exception(caught.value))
    finally:
        ask(server, "POST", "/moto-api/reset-auth", "inf")


def test_a_failure_that_passes_is_not_seen(door: Door, tmp_path: Path) -> None:
    storage = ObjectStorage(SOON)
    failures = iter(["500 InternalError", "503 SlowDown"] * 4)
    data = os.urandom(PART_BYTES + 5)
    (tmp_path / "file").write_bytes(data)
    turns = iter(range(1000))
    door.fault = lambda _method, _path: next(failures, None) if next(turns) % 2 else None
    storage.put(str(tmp_path / "file"), f"{ROOT}/file")
    storage.get(f"{ROOT}/file", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == data


def test_a_download_that_is_cut_is_taken_up_where_it_broke(door: Door, tmp_path: Path) -> None:
    storage = ObjectStorage(SOON)
    data = os.urandom(3 * 2**20)
    storage.write(f"{ROOT}/file", data)
    cuts = iter(["cut", "cut"])
    door.fault = lambda method, _path: next(cuts, None) if method == "GET" else None
    storage.get(f"{ROOT}/file", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == data


def test_a_download_that_is_always_cut_leaves_nothing(door: Door, tmp_path: Path) -> None:
    storage = ObjectStorage(SOON)
    storage.write(f"{ROOT}/folder/file", os.urandom(3 * 2**20))
    door.fault = lambda method, path: "cut" if method == "GET" and "list-type" not in path else None
    for name in ("folder", "folder/file"):
        with pytest.raises(StorageError, match="the connection broke"):
            storage.get(f"{ROOT}/{name}", str(tmp_path / "back"))
        assert list(tmp_path.iterdir()) == []


def test_an_upload_whose_connection_ends_is_tried_again(door: Door, tmp_path: Path) -> None:
    storage = ObjectStorage(SOON)
    data = os.urandom(PART_BYTES + 5)
    (tmp_path / "file").write_bytes(data)
    drops = iter(["drop", None, "drop"])
    door.fault = lambda method, _path: next(drops, None) if method == "PUT" else None
    storage.put(str(tmp_path / "file"), f"{ROOT}/file")
    assert storage.read(f"{ROOT}/file") == data


@pytest.mark.parametrize(("fault", "reason"), [("drop", "the connection broke"), ("403 AccessDenied", "may not do")])
def test_an_upload_that_fails_in_its_second_part_leaves_nothing(
    fault: str, reason: str, door: Door, tmp_path: Path
) -> None:
    """Neither an object nor, from obstore 0.12 on, parts of one, which would cost money."""
    storage = ObjectStorage(SOON)
    (tmp_path / "file").write_bytes(bytes(3 * PART_BYTES))
    door.fault = lambda method, path: fault if method == "PUT" and "partNumber=2" in path else None
    told: list[ProgressReport] = []
    with shown_to(told.append), pytest.raises(StorageError, match=reason):
        storage.put(str(tmp_path / "file"), f"{ROOT}/file")
    assert told[-1].state == "failed"
    assert storage.list(ROOT) == []
    taken_back = [one.split()[0] for one in door.asked if "uploadId" in one and "partNumber" not in one]
    is_old = tuple(map(int, obstore.__version__.split(".")[:2])) < (0, 12)
    assert taken_back == ([] if is_old else ["DELETE"])


def test_a_slow_answer_arrives_whole(door: Door, tmp_path: Path) -> None:
    storage = ObjectStorage(SOON)
    data = os.urandom(2**20)
    storage.write(f"{ROOT}/file", data)
    door.fault = lambda _method, _path: "trickle"
    storage.get(f"{ROOT}/file", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == data


def test_what_cannot_be_taken_back_is_told(door: Door, tmp_path: Path) -> None:
    storage = ObjectStorage(SOON)
    for name in ("1", "2"):
        (tmp_path / name).write_bytes(b"x")

    def fault(method: str, path: str) -> str | None:
        is_second = method == "PUT" and path.endswith("/2")
        return "403 AccessDenied" if is_second or method in ("POST", "DELETE") else None

    door.fault = fault
    with pytest.raises(StorageError, match="may not do that") as caught:
        storage.put(str(tmp_path), f"{ROOT}/folder")
    assert caught.value.__notes__ == ["1 objects that had arrived could not be removed again, 'folder/1' among them"]


def test_a_store_that_does_not_answer_is_given_up(door: Door) -> None:
    storage = ObjectStorage({**SOON, "max_retries": 1}, {"timeout": "300ms"})
    door.fault = lambda _method, _path: "hang"
    with pytest.raises(StorageError, match="the store did not answer in time, after 2 attempts"):
        storage.read(f"{ROOT}/file")


def test_a_store_that_is_not_there_is_named(s3: ObjectStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(StorageError, match=r"the store cannot be reached, after 4 attempts\. Check the network"):
        ObjectStorage(SOON).read(f"{ROOT}/file")


def test_a_folder_that_cannot_be_put_whole_leaves_nothing(door: Door, tmp_path: Path) -> None:
    storage = ObjectStorage(SOON)
    for number in range(20):
        (tmp_path / f"{number:02}").write_bytes(b"x")
    door.fault = lambda method, path: "403 AccessDenied" if method == "PUT" and path.endswith("/13") else None
    with pytest.raises(StorageError, match="may not do that"):
        storage.put(str(tmp_path), f"{ROOT}/folder")
    assert storage.list(f"{ROOT}/folder") == []


def test_an_object_that_vanishes_before_it_is_read_is_named(door: Door, tmp_path: Path) -> None:
    storage = ObjectStorage(SOON)
    storage.write(f"{ROOT}/file", b"1")
    door.fault = lambda method, _path: "404 NoSuchKey" if method == "GET" else None
    with pytest.raises(StorageError, match=f"^{ROOT}/file: does not exist"):
        storage.get(f"{ROOT}/file", str(tmp_path / "to"))
    assert list(tmp_path.iterdir()) == []


def test_the_variables_that_the_platform_sets_are_read(
    server: int, s3: ObjectStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.write(f"{ROOT}/file", b"1")
    for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("FLYTE_AWS_ENDPOINT", f"http://127.0.0.1:{server}")
    monkeypatch.setenv("FLYTE_AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("FLYTE_AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    assert ObjectStorage(SOON).read(f"{ROOT}/file") == b"1"


@pytest.mark.parametrize(
    ("uri", "kind", "config"),
    [
        ("s3://bucket/a/b", "S3Store", {"bucket": "bucket"}),
        ("s3a://bucket/a/b", "S3Store", {"bucket": "bucket"}),
        ("gs://bucket/a/b", "GCSStore", {"bucket": "bucket"}),
        ("az://container/a/b", "AzureStore", {"container_name": "container"}),
        ("abfs://container/a/b", "AzureStore", {"container_name": "container"}),
        (
            "abfss://container@account.dfs.core.windows.net/a/b",
            "AzureStore",
            {"container_name": "container", "account_name": "account"},
        ),
    ],
)
def test_every_scheme_finds_its_store(
    uri: str, kind: str, config: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "mine")
    storage = ObjectStorage()
    store, key = storage._find(uri)
    assert (type(store).__name__, key) == (kind, "a/b")
    found: Any = store
    assert {name: found.config.get(name) for name in config} == config
    assert storage._find(uri)[0] is store
    assert storage._find(f"memory://{uri.partition('://')[2]}")[0] is not store


@pytest.fixture
def strangers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[tuple[ObjectStorage, Door]]:
    """No server of Google's or Microsoft's: a door that answers what it is told to, where their tools would ask."""
    with Door(0) as door:
        threading.Thread(target=door.serve_forever, args=(0.02,), daemon=True).start()
        place = f"http://127.0.0.1:{door.server_address[1]}"
        account = {
            "private_key": SECRET_KEY,
            "private_key_id": ACCESS_KEY,
            "client_email": "a@b",
            "disable_oauth": True,
        }
        (tmp_path / "account.json").write_text(json.dumps({**account, "gcs_base_url": place}))
        monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT", str(tmp_path / "account.json"))
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "mine")
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", base64.b64encode(SECRET_KEY.encode()).decode())
        monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", f"{place}/mine")
        yield ObjectStorage(SOON, {"allow_http": True}), door
        door.shutdown()


@pytest.mark.parametrize(
    ("uri", "asked", "fault", "reason"),
    [
        ("gs://flights/a", "/flights/a", "404 NoSuchBucket", "the bucket 'flights' does not exist. Create it"),
        ("gs://flights/a", "/flights/a", "404 NoSuchKey", "does not exist"),
        ("gs://flights/a", "/flights/a", "403 AccessDenied", "these credentials may not do that"),
        ("gs://flights/a", "/flights/a", "401 AuthenticationRequired", "the credentials are missing or not accepted"),
        ("abfs://flights/a", "/mine/flights/a", "404 ContainerNotFound", "the container 'flights' does not exist"),
        ("abfs://flights/a", "/mine/flights/a", "404 BlobNotFound", "does not exist"),
        ("abfs://flights/a", "/mine/flights/a", "403 AuthenticationFailed", "the credentials are wrong. Check the key"),
        ("abfs://flights/a", "/mine/flights/a", "503 ServerBusy", "the store asks for fewer requests. Try again later"),
    ],
)
def test_what_google_and_azure_refuse_is_named_without_secrets(
    uri: str, asked: str, fault: str, reason: str, strangers: tuple[ObjectStorage, Door]
) -> None:
    storage, door = strangers
    door.fault = lambda _method, _path: fault
    for call in (lambda: storage.read(uri), lambda: storage.write(uri, b"1")):
        with pytest.raises(StorageError, match=re.escape(f"{uri}: {reason}")) as caught:
            call()
        told = "".join(traceback.format_exception(caught.value))
        assert ACCESS_KEY not in told
        assert SECRET_KEY not in told
    assert {one.split()[1] for one in door.asked} == {asked}


def test_the_router_hands_every_scheme_to_the_plugin() -> None:
    from fledge_storage.hooks import SCHEMES, register_storage

    factories: dict[str, Callable[[], object]] = {}
    register_storage(factories.__setitem__)
    assert set(factories) == set(SCHEMES)
    router = StorageRouter("memory://raw", factories)  # type: ignore[arg-type] # as the hook registers them
    uri = router.new_uri("data")
    router.write(uri, b"1")
    assert router.read(uri) == b"1"


def test_a_handle_made_by_hand_finds_the_plugin_in_a_fresh_process() -> None:
    code = (
        "from fledge import FlyteFile\nfile = FlyteFile('memory://a/b')\n"
        "with file.open('w') as stream:\n    stream.write('hello')\nprint(open(file).read())"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "hello\n"


def test_the_hook_module_does_not_import_obstore() -> None:
    code = "import sys, fledge_storage.hooks; print('obstore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_a_server_without_moto_or_with_a_bad_name_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("moto.server")
    with pytest.raises(RuntimeError, match="refuses a bucket of the name 'No'"), s3_server("No"):
        pass
    (tmp_path / "moto.py").write_text("raise ImportError('no moto here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(RuntimeError, match=r"(?s)pip install 'fledge-storage\[testing\]'.*no moto here"), s3_server():
        pass


def test_a_server_has_its_buckets_and_is_gone_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("moto.server")
    with s3_server("mine") as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        storage = ObjectStorage(SOON)
        storage.write("s3://mine/a", b"1")
        assert storage.list("s3://mine") == ["s3://mine/a"]
    with pytest.raises(StorageError, match="cannot be reached"):
        ObjectStorage(SOON).read("s3://mine/a")


def test_marks_of_folders_are_no_files(s3: ObjectStorage, server: int, tmp_path: Path) -> None:
    """Consoles and other tools put an empty object `folder/` where a person makes a folder."""
    for name in ("marked/", "marked/deep/", "marked/deep/er/", "bare/"):
        ask(server, "PUT", f"/{BUCKET}/{name}")
    s3.write(f"{ROOT}/marked/a", b"")
    s3.write(f"{ROOT}/marked/deep/er/b", b"2")
    assert s3.list(f"{ROOT}/marked") == [f"{ROOT}/marked/a", f"{ROOT}/marked/deep/er/b"]
    s3.get(f"{ROOT}/marked", str(tmp_path / "to"))
    assert _tree(tmp_path / "to") == {"a": b"", "deep/er/b": b"2"}
    assert s3.exists(f"{ROOT}/bare")
    s3.get(f"{ROOT}/bare", str(tmp_path / "bare"))
    assert os.listdir(tmp_path / "bare") == []
