"""The local result cache: keys from content, hits that are checked, a store that many processes share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fledge import FlyteContextManager, FlyteDirectory, FlyteFile, HashMethod, LocalConfig, TaskMetadata, idl, task
from fledge.cache import ResultCache, cache_key
from fledge.code_version import code_version
from fledge.errors import DefinitionError
from fledge.testing import HookCall, fresh_context, plugin_registered

ran: list[object] = []


@pytest.fixture
def cache_dir(tmp_path: Path) -> Iterator[Path]:
    """A context whose cache is on and lies in a folder of its own."""
    ran.clear()
    with fresh_context() as context:
        config = LocalConfig.from_env({"FLEDGE_CACHE_DIR": str(tmp_path / "cache"), "FLEDGE_CACHE": "1"})
        with FlyteContextManager.with_context(context.with_(config=config)):
            yield tmp_path / "cache"


@task(cache=True, cache_version="1")
def double(a: int) -> int:
    ran.append(a)
    return a * 2


@task(cache=True, cache_version="1", cache_ignore_input_vars=("comment",))
def with_comment(a: int, comment: str) -> int:
    ran.append(comment)
    return a


@task(cache=True, cache_version="1")
def size(file: FlyteFile) -> int:
    ran.append("size")
    return Path(file).stat().st_size


@task(cache=True, cache_version="1")
def make_file(text: str) -> FlyteFile:
    ran.append("make")
    path = Path(os.environ["MAKE_FILE_IN"], "made.txt")
    path.write_text(text)
    return FlyteFile(str(path))


def length(value: list[int]) -> str:
    return str(len(value))


@task(cache=True, cache_version="1")
def by_length(values: Annotated[list[int], HashMethod(length)]) -> int:
    ran.append("by_length")
    return sum(values)


def test_a_second_call_with_equal_inputs_does_not_run(cache_dir: Path) -> None:
    assert [double(a=1), double(a=1), double(a=2)] == [2, 2, 4]
    assert ran == [1, 2]


def test_the_cache_is_off_under_pytest_unless_asked() -> None:
    ran.clear()
    assert [double(a=1), double(a=1)] == [2, 2]
    assert ran == [1, 1]


def test_an_ignored_input_does_not_count(cache_dir: Path) -> None:
    assert with_comment(a=1, comment="x") == with_comment(a=1, comment="y")
    assert ran == ["x"]


def test_files_count_by_content_not_by_name(cache_dir: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "a.txt", tmp_path / "b.txt"
    first.write_text("same")
    second.write_text("same")
    assert size(file=FlyteFile(str(first))) == size(file=FlyteFile(str(second))) == 4
    assert ran == ["size"]
    second.write_text("other")
    assert size(file=FlyteFile(str(second))) == 5


def test_a_hash_method_replaces_the_content(cache_dir: Path) -> None:
    assert by_length(values=[1, 2]) == by_length(values=[5, 6]) == 3
    assert ran == ["by_length"]


def test_a_file_output_lasts_and_is_checked_before_a_hit(
    cache_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAKE_FILE_IN", str(tmp_path))
    made = Path(make_file(text="hello"))
    made.unlink()
    kept = Path(make_file(text="hello"))
    assert kept.read_text() == "hello"
    assert ran == ["make"]
    kept.unlink()
    assert Path(make_file(text="hello")).read_text() == "hello"
    assert ran == ["make", "make"]


def test_a_cached_file_that_was_written_to_is_a_miss(
    cache_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MAKE_FILE_IN", str(tmp_path))
    make_file(text="hello")
    with Path(make_file(text="hello")).open("a") as kept:
        kept.write(" and more")
    assert Path(make_file(text="hello")).read_text() == "hello"
    assert ran == ["make", "make"]
    assert "is not as it was written" in caplog.text


def test_a_damaged_entry_is_a_miss(cache_dir: Path) -> None:
    double(a=1)
    (entry,) = cache_dir.rglob("*.pb")
    entry.write_bytes(entry.read_bytes()[:-1] + b"!")
    assert double(a=1) == 2
    assert ran == [1, 1]


def test_a_folder_that_cannot_be_written_costs_the_cache_not_the_run(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    ran.clear()
    config = LocalConfig.from_env({"FLEDGE_CACHE_DIR": str(blocked), "FLEDGE_CACHE": "1"})
    with fresh_context() as context, FlyteContextManager.with_context(context.with_(config=config)):
        assert [double(a=1), double(a=1)] == [2, 2]
    assert ran == [1, 1]


def test_overwrite_runs_and_stores(cache_dir: Path) -> None:
    double(a=1)
    context = FlyteContextManager.current_context()
    config = LocalConfig.from_env(
        {"FLEDGE_CACHE_DIR": str(cache_dir), "FLEDGE_CACHE": "1", "FLEDGE_CACHE_OVERWRITE": "1"}
    )
    with FlyteContextManager.with_context(context.with_(config=config)):
        double(a=1)
    assert ran == [1, 1]


def test_data_of_a_replaced_result_go_when_nobody_can_be_reading_them(
    cache_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAKE_FILE_IN", str(tmp_path))
    options = {"FLEDGE_CACHE_DIR": str(cache_dir), "FLEDGE_CACHE": "1", "FLEDGE_CACHE_OVERWRITE": "1"}
    context = FlyteContextManager.current_context().with_(config=LocalConfig.from_env(options))
    make_file(text="hello")
    (entry,) = cache_dir.rglob("*.pb")
    (first,) = entry.with_suffix(".data").iterdir()
    with FlyteContextManager.with_context(context):
        make_file(text="hello")
        (second,) = set(entry.with_suffix(".data").iterdir()) - {first}
        day_before = entry.stat().st_mtime - 2 * 86_400
        os.utime(first, (day_before, day_before))
        make_file(text="hello")
    (third,) = set(entry.with_suffix(".data").iterdir()) - {second}
    assert third != first
    assert third in Path(make_file(text="hello")).parents


@pytest.mark.parametrize("name", ["plain.txt", "with space.txt", "50%.txt", "a%20b.txt", "q?#.txt"])
def test_a_file_with_any_name_is_kept_and_found(
    cache_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = tmp_path / name
    path.write_text("hello")

    @task(cache=True, cache_version="1")
    def gives(uri: bool) -> FlyteFile:
        ran.append("gives")
        return FlyteFile(path.as_uri() if uri else str(path))

    for uri in (True, False):
        assert [Path(gives(uri=uri)).read_text() for _ in range(3)] == ["hello"] * 3
    assert ran == ["gives"] * 2


def test_an_exception_stores_nothing(cache_dir: Path) -> None:
    @task(cache=True, cache_version="1")
    def fails(a: int) -> int:
        raise ValueError("no")

    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            fails(a=1)
    assert not list(cache_dir.rglob("*.pb"))


def test_a_hit_gives_one_event(tmp_path: Path) -> None:
    calls: list[HookCall] = []

    class Watching:
        HOOK_API = 1

    from fledge import hookimpl

    @hookimpl
    def task_event(event: object) -> None:
        return

    Watching.task_event = staticmethod(task_event)  # type: ignore[attr-defined] # a hook object made for this test
    config = LocalConfig.from_env({"FLEDGE_CACHE_DIR": str(tmp_path), "FLEDGE_CACHE": "1"})
    with (
        plugin_registered(Watching, calls=calls) as context,
        FlyteContextManager.with_context(context.with_(config=config)),
    ):
        double(a=1)
        calls.clear()
        double(a=1)
    assert [type(call.arguments["event"]).__name__ for call in calls] == ["CacheHit"]


@given(st.dictionaries(st.sampled_from("abc"), st.integers(), min_size=1), st.randoms())
def test_a_key_does_not_depend_on_the_order_of_inputs(values: dict[str, int], random: object) -> None:
    def key(names: list[str]) -> str:
        literals = idl.literals.LiteralMap()
        for name in names:
            literals.literals[name].scalar.primitive.integer = values[name] % 2**40
        storage = FlyteContextManager.current_context().storage
        return cache_key("t", TaskMetadata(), "types", literals, storage).digest

    assert key(sorted(values)) == key(sorted(values, reverse=True))


def test_keys_are_equal_across_processes_and_hash_seeds(tmp_path: Path) -> None:
    program = tmp_path / "keyed.py"
    program.write_text(
        "from fledge import task, idl, FlyteContextManager\n"
        "from fledge.cache import cache_key, types_digest\n"
        "@task(cache=True)\n"
        "def f(a: int, d: dict[str, int]) -> int:\n"
        "    # a comment\n"
        "    return a\n"
        "ctx = FlyteContextManager.current_context()\n"
        "inputs = f.input_literals(ctx, {'a': 1, 'd': {'x': 1, 'y': 2, 'z': 3}})\n"
        "print(cache_key(f.name, f.metadata, types_digest(f.interface), inputs, ctx.storage).digest)\n"
    )
    found = {
        subprocess.run(
            [sys.executable, str(program)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(found) == 1


def test_two_hundred_processes_lose_and_corrupt_nothing(tmp_path: Path) -> None:
    program = tmp_path / "hammer.py"
    program.write_text(
        "import os\n"
        "from fledge import task\n"
        "@task(cache=True, cache_version='1')\n"
        "def f(a: int) -> list[int]:\n"
        "    return [a] * 1000\n"
        "f(a=0)\n"
        "children = []\n"
        "for _ in range(200):\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        os._exit(0 if all(f(a=a) == [a] * 1000 for a in range(5)) else 1)\n"
        "    children.append(pid)\n"
        "assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 200\n"
    )
    env = {**os.environ, "FLEDGE_CACHE_DIR": str(tmp_path / "cache"), "FLEDGE_CACHE": "1"}
    subprocess.run([sys.executable, "-W", "error", str(program)], env=env, check=True)
    cache = ResultCache(tmp_path / "cache")
    assert len(cache.entries()) == 5
    assert not list((tmp_path / "cache").rglob("*.partial"))


def test_serialized_execution_runs_equal_calls_once(tmp_path: Path) -> None:
    program = tmp_path / "serial.py"
    program.write_text(
        "import sys\n"
        "from fledge import task\n"
        "@task(cache=True, cache_version='1', cache_serialize=True)\n"
        "def f(a: int, log: str) -> int:\n"
        "    with open(log, 'a') as file:\n"
        "        file.write('ran\\n')\n"
        "    return a\n"
        "if __name__ == '__main__':\n"
        "    f(a=1, log=sys.argv[1])\n"
    )
    log = tmp_path / "log"
    env = {**os.environ, "FLEDGE_CACHE_DIR": str(tmp_path / "cache"), "FLEDGE_CACHE": "1"}
    processes = [subprocess.Popen([sys.executable, str(program), str(log)], env=env) for _ in range(6)]
    assert [process.wait() for process in processes] == [0] * 6
    assert log.read_text() == "ran\n"


def test_pruning_removes_entries_with_their_data(cache_dir: Path) -> None:
    double(a=1)
    cache = ResultCache(cache_dir)
    ((_, _, written),) = cache.entries()
    assert cache.prune(older_than_s=10, now=written + 9) == 0
    assert cache.prune(older_than_s=10, now=written + 10) == 1
    assert cache.entries() == []


# -- versions from code ------------------------------------------------------------------------------------------------


def _function(text: str, tmp_path: Path, name: str) -> Callable[..., Any]:  # Any: a function from text
    path = tmp_path / f"{name}.py"
    path.write_text(text)
    namespace: dict[str, Any] = {}  # Any: as above
    exec(compile(text, str(path), "exec"), namespace)
    return cast("Callable[..., Any]", namespace["f"])  # Any: as above


@pytest.mark.parametrize(
    ("changed", "is_same"),
    [
        ("def f(a: int) -> int:\n    # a comment\n    return a + 1\n", True),
        ("def f(a: int) -> int:\n    '''Documented.'''\n    return (a   +   1)\n", True),
        ("def f(a: int) -> int:\n    return a + 2\n", False),
        ("def f(a: float) -> int:\n    return a + 1\n", False),
    ],
    ids=["comment", "docstring and spaces", "literal", "annotation"],
)
def test_a_version_follows_the_meaning(changed: str, is_same: bool, tmp_path: Path) -> None:
    first = _function("def f(a: int) -> int:\n    return a + 1\n", tmp_path, "first")
    second = _function(changed, tmp_path, "second")
    assert (code_version(first) == code_version(second)) is is_same


def test_helpers_count() -> None:
    def helper_one() -> int:
        return 1

    def helper_two() -> int:
        return 2

    assert code_version(length, [helper_one]) != code_version(length, [helper_two])


def test_cache_alone_derives_a_version() -> None:
    @task(cache=True)
    def f(a: int) -> int:
        return a

    assert len(f.metadata.cache_version) == 16


def test_without_source_a_file_is_asked_for() -> None:
    namespace: dict[str, Any] = {}  # Any: a function from text
    exec("def f(a: int) -> int:\n    return a\n", namespace)
    with pytest.raises(DefinitionError, match="Move it to a file"):
        task(cache=True)(namespace["f"])


def test_a_folder_that_cannot_be_read_whole_means_no_caching(
    cache_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "folder" / "closed"
    closed.mkdir(parents=True)
    scandir = os.scandir

    def refuses(path: Any) -> Any:  # Any: of os.scandir; a user who may read everything cannot be refused for real
        if os.fspath(path) == str(closed):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    @task(cache=True, cache_version="1")
    def looks(folder: FlyteDirectory) -> int:
        ran.append("looks")
        return 1

    monkeypatch.setattr(os, "scandir", refuses)
    for _ in range(2):
        looks(folder=FlyteDirectory(str(closed.parent)))
    assert ran == ["looks", "looks"]


def test_a_link_to_a_folder_means_no_caching(cache_dir: Path, tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "folder"
    outside.mkdir()
    folder.mkdir()
    (folder / "link").symlink_to(outside)

    @task(cache=True, cache_version="1")
    def count(folder: FlyteDirectory) -> int:
        ran.append("count")
        return len(list(Path(folder).rglob("*")))

    for _ in range(2):
        count(folder=FlyteDirectory(str(folder)))
    assert ran == ["count", "count"]


def test_a_file_whose_name_is_no_text_counts_like_any_other(cache_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    odd = os.path.join(os.fsencode(folder), b"caf\xe9")
    try:
        with open(odd, "w") as file:
            file.write("1")
    except OSError:
        pytest.skip("this file system takes text only")

    @task(cache=True, cache_version="1")
    def count(folder: FlyteDirectory) -> int:
        ran.append("count")
        return len(os.listdir(folder))

    assert [count(folder=FlyteDirectory(str(folder))) for _ in range(2)] == [1, 1]
    os.rename(odd, odd + b"\xff")
    assert count(folder=FlyteDirectory(str(folder))) == 1
    assert ran == ["count", "count"]


def test_where_nothing_can_be_locked_an_error_of_the_user_stays_as_it_is(tmp_path: Path) -> None:
    """No error of ours is its context, which Python would print above it."""
    (tmp_path / "file").touch()

    @task(cache=True, cache_version="1", cache_serialize=True)
    def fails(a: int) -> int:
        raise ValueError("mine")

    with fresh_context() as context:
        config = LocalConfig.from_env({"FLEDGE_CACHE_DIR": str(tmp_path / "file"), "FLEDGE_CACHE": "1"})
        with (
            FlyteContextManager.with_context(context.with_(config=config)),
            pytest.raises(ValueError, match="mine") as caught,
        ):
            fails(a=1)
    assert caught.value.__context__ is None
