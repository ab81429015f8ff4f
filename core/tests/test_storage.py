"""Storage: whole files or none, the router by scheme, live values, folders that go away."""

from __future__ import annotations

import ntpath
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.tests.support import fresh_process
from fledge import idl
from fledge.errors import LiveValueError, StorageError
from fledge.storage import (
    LIVE_SCHEME,
    LiveStore,
    LocalStorage,
    Storage,
    StorageRouter,
    materialize,
    path_of,
    scheme_of,
)

LOCAL = LocalStorage()


class Memory:
    """A storage in a dict, for a scheme of its own."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def exists(self, uri: str) -> bool:
        return uri in self.files

    def read(self, uri: str) -> bytes:
        return self.files[uri]

    def write(self, uri: str, data: bytes) -> None:
        self.files[uri] = data

    def get(self, uri: str, to_path: str) -> None:
        Path(to_path).parent.mkdir(parents=True, exist_ok=True)
        Path(to_path).write_bytes(self.files[uri])

    def put(self, from_path: str, uri: str) -> None:
        self.files[uri] = Path(from_path).read_bytes()


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def router(memory: Memory) -> StorageRouter:
    return StorageRouter(raw_prefix="mem://raw/", factories={"mem": lambda: memory})


# -- local files -------------------------------------------------------------------------------------------------------


@given(data=st.binary(max_size=2000))
def test_what_is_written_is_read(data: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        for uri in (f"{folder}/new/folder/file", f"file://{folder}/with%20space"):
            LOCAL.write(uri, data)
            assert LOCAL.read(uri) == data
            assert LOCAL.exists(uri)
        assert Path(folder, "with space").exists()
        assert sorted(os.listdir(folder)) == ["new", "with space"]


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    for data in (b"first", b"second"):
        LOCAL.write(str(tmp_path / "file"), data)
    assert LOCAL.read(str(tmp_path / "file")) == b"second"


def test_files_and_folders_are_copied_in_and_out(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "file").write_text("x")
    LOCAL.put(str(source), str(tmp_path / "stored"))
    LOCAL.put(str(source), str(tmp_path / "stored"))
    LOCAL.get(str(tmp_path / "stored"), str(tmp_path / "back"))
    assert (tmp_path / "back" / "deep" / "file").read_text() == "x"
    LOCAL.get(str(source / "deep" / "file"), str(tmp_path / "one"))
    assert (tmp_path / "one").read_text() == "x"
    assert sorted(os.listdir(tmp_path)) == ["back", "one", "source", "stored"]


LONG = "x" * 5000


@pytest.mark.parametrize(
    "name", ["missing", LONG, "zero\0byte", "file/below"], ids=["missing", "long", "zero", "below"]
)
def test_every_failure_to_read_is_a_storage_error_with_its_uri(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    uri = str(tmp_path / name)
    assert not LOCAL.exists(uri)
    with pytest.raises(StorageError) as caught:
        LOCAL.read(uri)
    assert caught.value.uri == uri
    assert isinstance(caught.value, OSError)
    with pytest.raises(StorageError):
        LOCAL.get(uri, str(tmp_path / "target"))
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("name", ["file/below", LONG, "zero\0byte", "folder"], ids=["below", "long", "zero", "folder"])
def test_every_failure_to_write_is_a_storage_error_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "kept").touch()
    with pytest.raises(StorageError, match="cannot be written"):
        LOCAL.write(str(tmp_path / name), b"data")
    with pytest.raises(StorageError, match="cannot be written"):
        LOCAL.put(str(tmp_path / "file"), str(tmp_path / name))
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]
    assert os.listdir(tmp_path / "folder") == ["kept"]


def test_an_interrupt_while_writing_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(path: str, mode: str) -> BinaryIO:
        with open(path, mode) as file:
            file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr("fledge.storage.open", interrupted, raising=False)
    with pytest.raises(KeyboardInterrupt):
        LOCAL.write(str(tmp_path / "file"), b"x")
    assert os.listdir(tmp_path) == []


# -- the router --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "scheme"),
    [("s3://b/k", "s3"), ("S3://b/k", "s3"), ("/a/b", ""), ("file:///a", "file"), ("relative", ""), ("a:b", "")],
)
def test_the_scheme_of_a_uri(uri: str, scheme: str) -> None:
    assert scheme_of(uri) == scheme


def test_each_scheme_has_its_storage(router: StorageRouter, memory: Memory, tmp_path: Path) -> None:
    router.write("mem://x", b"1")
    router.write(str(tmp_path / "x"), b"2")
    assert memory.files == {"mem://x": b"1"}
    assert (router.read("mem://x"), router.read(str(tmp_path / "x"))) == (b"1", b"2")
    assert router.exists("mem://x")
    assert not router.exists("mem://y")


@pytest.mark.parametrize("scheme", ["s3", "gs", "abfs", "abfss"])
def test_a_known_scheme_without_its_plugin_names_the_package(scheme: str) -> None:
    with pytest.raises(StorageError, match=rf"no storage for scheme '{scheme}'\. pip install fledge-storage") as caught:
        StorageRouter().read(f"{scheme}://bucket/key")
    assert not caught.value.recoverable


def test_new_data_lands_below_the_prefix_under_names_that_nobody_has(router: StorageRouter) -> None:
    uris = {router.new_uri("name") for _ in range(100)}
    assert len(uris) == 100
    assert all(uri.startswith("mem://raw/") and uri.endswith("/name") for uri in uris)
    assert "//" not in router.new_uri()[len("mem://") :]


def test_published_files_stay_where_they_are_in_a_local_run(router: StorageRouter, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    assert router.publish(str(file)) == str(file)
    uploaded = router.with_(keep_local=False).publish(str(file))
    assert router.read(uploaded) == b"x"
    assert uploaded.startswith("mem://raw/")
    assert uploaded.endswith("/file")


def test_a_published_file_of_the_runs_own_folder_is_copied_out(router: StorageRouter, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (scratch / "file").write_text("x")
    inside = router.with_(scratch=lambda: str(scratch))
    assert inside.read(inside.publish(str(scratch / "file"))) == b"x"
    assert inside.publish(str(tmp_path / "scratch-not")) == str(tmp_path / "scratch-not")


def test_a_local_path_is_the_file_itself_or_a_copy(router: StorageRouter, memory: Memory, tmp_path: Path) -> None:
    assert router.local_path("/a/b") == "/a/b"
    assert router.local_path("file:///a/b%20c") == "/a/b c"
    memory.files["mem://x/name.txt"] = b"1"
    inside = router.with_(scratch=lambda: str(tmp_path))
    path = inside.local_path("mem://x/name.txt")
    assert path.startswith(str(tmp_path))
    assert os.path.basename(path) == "name.txt"
    assert Path(path).read_bytes() == b"1"


def test_a_uri_of_another_machines_file_is_refused(router: StorageRouter) -> None:
    """Two slashes too few: the first folder would be lost in silence."""
    with pytest.raises(StorageError, match=r"names the machine 'data'\. Write file:/// and the whole path") as caught:
        router.read("file://data/x.csv")
    assert not caught.value.recoverable
    assert router.local_path("file://localhost/a/b") == "/a/b"


def test_a_uri_may_name_a_drive(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `pathlib.Path.as_uri()` makes it on Windows."""
    monkeypatch.setattr(os.path, "splitdrive", ntpath.splitdrive)
    assert path_of("file:///C:/my%20data/x.csv") == "C:/my data/x.csv"
    assert path_of("file:///data/x.csv") == "/data/x.csv"


def test_a_routers_copy_shares_storages_and_not_live_values(router: StorageRouter) -> None:
    live = LiveStore()
    copy = router.with_(live=live)
    assert copy.live is live
    assert copy.with_().live is None
    assert copy.for_uri("mem://x") is router.for_uri("mem://y")


def test_the_processs_own_folder_is_gone_with_the_process(tmp_path: Path) -> None:
    source = (
        "from fledge.storage import StorageRouter\n"
        "uri = StorageRouter().new_uri('x')\nStorageRouter().write(uri, b'1')\nprint(uri)\n"
    )
    done = fresh_process("-c", source, cwd=tmp_path, env={"TMPDIR": str(tmp_path)})
    assert done.stdout.startswith(str(tmp_path)), done.stderr
    assert os.listdir(tmp_path) == []


def test_threads_that_ask_for_the_processs_own_folder_at_once_all_keep_what_they_write(tmp_path: Path) -> None:
    source = (
        "import os, sys, threading\nfrom fledge.storage import StorageRouter\n"
        "sys.setswitchinterval(1e-6)\ntogether, uris = threading.Barrier(12), []\n"
        "def write():\n    router = StorageRouter()\n    together.wait()\n"
        "    uris.append(router.new_uri('x'))\n    router.write(uris[-1], b'1')\n"
        "threads = [threading.Thread(target=write) for _ in range(12)]\n"
        "for one in threads: one.start()\nfor one in threads: one.join()\n"
        "print(len(uris), all(map(os.path.exists, uris)))\n"
    )
    done = fresh_process("-c", source, cwd=tmp_path, env={"TMPDIR": str(tmp_path)})
    assert (done.stdout, os.listdir(tmp_path)) == ("12 True\n", []), done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_forked_child_leaves_its_parents_folder_alone(tmp_path: Path) -> None:
    source = (
        "import os, sys\nfrom fledge.storage import StorageRouter\n"
        "router = StorageRouter()\nuri = router.new_uri('x')\nrouter.write(uri, b'1')\n"
        "pid = os.fork()\n"
        "if not pid:\n    sys.exit(0)\n"
        "os.waitpid(pid, 0)\nprint(router.read(uri))\n"
    )
    done = fresh_process("-c", source, cwd=tmp_path, env={"TMPDIR": str(tmp_path)})
    assert done.stdout == "b'1'\n", done.stderr


# -- live values -------------------------------------------------------------------------------------------------------


def dataset(uri: str) -> idl.literals.Literal:
    literal = idl.literals.Literal()
    literal.scalar.structured_dataset.uri = uri
    return literal


def write(value: object, path: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(str(value))


def test_a_live_value_is_itself_until_its_run_ends() -> None:
    live = LiveStore()
    value = object()
    uri = live.put(value, write)
    assert scheme_of(uri) == LIVE_SCHEME
    assert live.get(uri) is value
    with pytest.raises(LiveValueError, match=r"lived in a run that has ended\. Take the value") as caught:
        LiveStore().get(uri)
    assert caught.value.uri == uri


def test_a_map_without_live_values_is_itself(router: StorageRouter) -> None:
    plain = idl.literals.LiteralMap()
    plain.literals["a"].CopyFrom(dataset("s3://bucket/key"))
    assert materialize(plain, router) is plain


@pytest.mark.parametrize("prefix", ["mem://raw", "local"])
def test_live_values_at_any_depth_are_written_out_once(memory: Memory, tmp_path: Path, prefix: str) -> None:
    live, written = LiveStore(), list[Any]()

    def count(value: object, path: str) -> None:
        written.append(value)
        write(value, path)

    router = StorageRouter(str(tmp_path) if prefix == "local" else prefix, {"mem": lambda: memory}, live)
    uri = live.put("value", count)
    given = idl.literals.LiteralMap()
    given.literals["plain"].scalar.primitive.integer = 1
    given.literals["top"].CopyFrom(dataset(uri))
    given.literals["list"].collection.literals.add().CopyFrom(dataset(uri))
    given.literals["dict"].map.literals["k"].CopyFrom(dataset(uri))
    given.literals["union"].scalar.union.value.CopyFrom(dataset(uri))
    made = materialize(given, router)
    uris = {
        made.literals["top"].scalar.structured_dataset.uri,
        made.literals["list"].collection.literals[0].scalar.structured_dataset.uri,
        made.literals["dict"].map.literals["k"].scalar.structured_dataset.uri,
        made.literals["union"].scalar.union.value.scalar.structured_dataset.uri,
    }
    assert len(uris) == 1
    assert written == ["value"]
    assert router.read(uris.pop()) == b"value"
    assert LIVE_SCHEME.encode() not in made.SerializeToString()
    assert given.literals["top"].scalar.structured_dataset.uri == uri
    assert made.literals["plain"] == given.literals["plain"]


def test_a_live_value_where_nothing_lives_is_refused() -> None:
    given = idl.literals.LiteralMap()
    given.literals["a"].CopyFrom(dataset(f"{LIVE_SCHEME}:///x"))
    with pytest.raises(LiveValueError, match="no live store"):
        materialize(given, StorageRouter())


def test_importing_fledge_makes_no_folder(tmp_path: Path) -> None:
    done = fresh_process(
        "-c", "import fledge, fledge.storage, fledge.entrypoint", cwd=tmp_path, env={"TMPDIR": str(tmp_path)}
    )
    assert (done.returncode, os.listdir(tmp_path)) == (0, []), done.stderr
    assert sys.version_info >= (3, 10)


def test_an_unknown_scheme_is_looked_for_among_the_plugins_first() -> None:
    factories: dict[str, Callable[[], Storage]] = {}
    router = StorageRouter(factories=factories, load=lambda: factories.update(late=LocalStorage))
    assert isinstance(router.with_().for_uri("late://x"), LocalStorage)
