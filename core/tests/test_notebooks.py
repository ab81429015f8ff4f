"""Tasks of a shell or notebook, which no module holds: pickled on request, found by name in another process."""

from __future__ import annotations

import gzip
import json
import subprocess
from pathlib import Path

import pytest

from core.tests.support import fresh_process
from fledge import SerializationSettings, task
from fledge.errors import NotImportableError, TaskLoadError
from fledge.notebooks import PICKLE_FILE, notebook_resolver, write_tasks

pytest.importorskip("cloudpickle")

CELLS = """
from dataclasses import dataclass
from pathlib import Path
from fledge import task
from fledge.like_container import run_like_container
from fledge.notebooks import notebook_resolver, write_tasks

FACTOR = 3

@dataclass
class Point:
    x: int

def helper(point):
    return Point(point.x * FACTOR)

@task(task_resolver=notebook_resolver)
def scale(point: Point) -> Point:
    return helper(point)

print(scale(point=Point(1)))
{write}
done = run_like_container(scale, {{"point": Point(2)}}, Path("run"))
print(done.outputs.literals["o0"].scalar.binary.value if done.outputs else done.error.error.message.splitlines()[-1])
"""


def run_cells(tmp_path: Path, write: str) -> subprocess.CompletedProcess[str]:
    return fresh_process("-c", CELLS.format(write=write), cwd=tmp_path)


def test_a_task_of_a_shell_runs_in_a_container(tmp_path: Path) -> None:
    done = run_cells(tmp_path, "write_tasks([scale])")
    assert done.stdout == "Point(x=3)\nb'\\x81\\xa1x\\x06'\n", done.stderr


def test_without_the_file_the_container_says_what_to_do(tmp_path: Path) -> None:
    done = run_cells(tmp_path, "")
    assert "there is no pkl.gz in" in done.stdout
    assert "Write it with fledge.notebooks.write_tasks(...)" in done.stdout


@task(task_resolver=notebook_resolver)
def add(a: int) -> int:
    return a + 1


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_file_gives_the_task_back(folder: Path) -> None:
    assert write_tasks([add]) == f"./{PICKLE_FILE}"
    args = notebook_resolver.loader_args(SerializationSettings(), add)
    assert args == ["entity-name", add.name]
    assert notebook_resolver.load_task(args)(a=1) == 2
    assert add.get_command(SerializationSettings())[-3:] == ["--", "entity-name", add.name]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["entity-name"], r"not of the form: entity-name NAME"),
        (["task-module", "m", "task-name", "t"], r"not of the form: entity-name NAME"),
        (["entity-name", "ad"], r"holds no task 'ad'"),
    ],
)
def test_what_the_file_does_not_hold_is_refused(folder: Path, args: list[str], message: str) -> None:
    write_tasks([add])
    with pytest.raises(TaskLoadError, match=message):
        notebook_resolver.load_task(args)


def test_another_python_or_fledge_is_named(folder: Path) -> None:
    path = Path(write_tasks([add]))
    line, _, rest = gzip.decompress(path.read_bytes()).partition(b"\n")
    path.write_bytes(gzip.compress(json.dumps({**json.loads(line), "python": "2.7"}).encode() + b"\n" + rest))
    with pytest.raises(
        TaskLoadError, match=r"was written with python 2\.7, fledge .*; here is python 3\..*\. Use the same"
    ):
        notebook_resolver.load_task(["entity-name", add.name])


@pytest.mark.parametrize("data", [b"", b"no gzip", gzip.compress(b"no json\n"), gzip.compress(b"")[:-4]])
def test_a_damaged_file_is_named(folder: Path, data: bytes) -> None:
    (folder / PICKLE_FILE).write_bytes(data)
    with pytest.raises(TaskLoadError, match=r"pkl\.gz cannot be read"):
        notebook_resolver.load_task(["entity-name", "t"])


def test_a_task_that_cannot_be_pickled_is_named(folder: Path) -> None:
    import threading

    lock = threading.Lock()

    @task(task_resolver=notebook_resolver)
    def locked(a: int) -> int:
        with lock:
            return a

    with pytest.raises(NotImportableError, match=r"locked cannot be loaded by name: it cannot be pickled: .*lock"):
        write_tasks([locked])
    assert not (folder / PICKLE_FILE).exists()
