"""`fledge run --isolate`, `--like-container` and `--pdb`: what they do beyond a plain run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from core.tests.support import INSTALLED, fresh_process

TASKS = """
    import os, signal, sys, time
    from pathlib import Path
    from fledge import FlyteFile, IgnoreOutputs, PythonFunctionTask, RecoverableError, current_context, task, workflow

    @task
    def where() -> int:
        print("printed")
        print("told", file=sys.stderr)
        return os.getpid()

    class Launched(PythonFunctionTask):
        def get_command(self, settings):
            return ["mpirun", *super().get_command(settings)[1:]]

    def launched() -> int:
        return 1

    launched = Launched(None, launched)

    @task
    def makes_file(text: str) -> FlyteFile:
        path = Path(current_context().working_directory, "made.txt")
        path.write_text(text)
        return FlyteFile(str(path))

    @task
    def halves(file: FlyteFile, by: int) -> int:
        return len(Path(file).read_text()) // by

    @workflow
    def flow(text: str, by: int) -> int:
        return halves(file=makes_file(text=text), by=by)

    @task(retries=2)
    def flaky(good_attempt: int) -> int:
        checkpoint = current_context().checkpoint
        attempt = int(checkpoint.read() or b"0") + 1
        checkpoint.write(str(attempt).encode())
        print("attempt", attempt)
        if attempt < good_attempt:
            raise RecoverableError("the service did not answer")
        return attempt

    @task(retries=2)
    def broken(a: int) -> int:
        print("attempt")
        raise ValueError(a)

    @task(timeout=1)
    def stuck(pid_file: str) -> None:
        Path(pid_file).write_text(str(os.getpid()))
        time.sleep(600)

    @task
    def prints_bytes() -> int:
        os.write(1, b"caf\\xe9 ")
        os.write(1, "\u2192 ".encode())
        return 1

    @task
    def asks(fifo: str) -> None:
        print("ready")
        print("for", Path(fifo).read_text())

    @task
    def leaves(code: int) -> int:
        print("soon gone", file=sys.stderr, flush=True)
        os._exit(code)

    @task
    def is_killed(name: str) -> int:
        os.kill(os.getpid(), getattr(signal, name))
        time.sleep(600)

    @task
    def ignores() -> int:
        raise IgnoreOutputs("not the leader")

    @task(enable_deck=True)
    def has_a_page(a: int) -> int:
        return 1 // a

    @task
    def divides(a: int, b: int) -> float:
        secret = 6 * 7
        return a / b
"""


@pytest.fixture(autouse=True)
def tasks(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(textwrap.dedent(TASKS))


def run(tmp_path: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    env = {"TMPDIR": str(tmp_path / "tmp"), "PYTHONUNBUFFERED": "1", **more}
    (tmp_path / "tmp").mkdir(exist_ok=True)
    return fresh_process("-m", "fledge.cli", "run", *arguments, cwd=tmp_path, env=env)


def test_an_isolated_run_gives_the_value_and_leaves_no_folder(tmp_path: Path) -> None:
    done = run(tmp_path, "--isolate", "tasks.py:where")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("printed\no0: ")
    assert done.stderr == "told\n"
    assert os.listdir(tmp_path / "tmp") == []


def test_a_file_outlives_an_isolated_run(tmp_path: Path) -> None:
    done = run(tmp_path, "--isolate", "--json", "tasks.py:makes_file", "--text", "kept")
    (made,) = tmp_path.glob("runs/*/*/made.txt")
    assert made.read_text() == "kept"
    assert str(made) in done.stdout


@pytest.mark.parametrize(("by", "code"), [("2", 0), ("0", 1)], ids=["success", "failure"])
def test_a_file_between_the_nodes_of_a_workflow_stays_to_be_looked_at(tmp_path: Path, by: str, code: int) -> None:
    done = run(tmp_path, "tasks.py:flow", "--text", "kept", "--by", by)
    assert done.returncode == code, done.stderr
    (made,) = tmp_path.glob("runs/*/*/made.txt")
    assert made.read_text() == "kept"


def test_a_run_whose_tasks_return_no_file_leaves_no_folder(tmp_path: Path) -> None:
    assert run(tmp_path, "tasks.py:where").returncode == 0
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("a", [1, 0], ids=["success", "failure"])
def test_the_page_of_an_isolated_run_outlives_it(tmp_path: Path, a: int) -> None:
    done = run(tmp_path, "--isolate", "tasks.py:has_a_page", "--a", str(a))
    (page,) = tmp_path.glob("runs/*/*/*/deck.html")
    assert done.stderr.endswith(f"page: {page.relative_to(tmp_path)}\n")
    assert done.returncode == 1 - a


def test_the_page_of_a_run_like_a_container_is_told(tmp_path: Path) -> None:
    done = run(tmp_path, "--like-container", "tasks.py:has_a_page", "--a", "1")
    page = tmp_path / done.stderr.rpartition("page: ")[2].strip()
    assert page.read_text().startswith("<!doctype html>")


def test_what_a_terminal_cannot_show_of_an_isolated_run_is_spelled_out(tmp_path: Path) -> None:
    """And does not cost what comes behind it."""
    done = run(tmp_path, "--isolate", "tasks.py:prints_bytes", PYTHONIOENCODING="ascii")
    assert done.stdout == "caf\\ufffd \\u2192 o0: 1\n", done.stderr


@pytest.mark.skipif(os.name != "posix", reason="a named pipe")
def test_what_an_isolated_run_prints_is_seen_while_it_runs(tmp_path: Path) -> None:
    fifo = tmp_path / "answers"
    os.mkfifo(fifo)
    command = [sys.executable, "-m", "fledge.cli", "run", "--isolate", "tasks.py:asks", "--fifo", str(fifo)]
    env = {**os.environ, "FLEDGE_DISABLE_PLUGINS": INSTALLED}
    with subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        fifo.write_text("you")
        assert process.stdout.read() == "for you\n"
    assert process.returncode == 0


@pytest.mark.parametrize(("good_attempt", "attempts", "code"), [(1, 1, 0), (3, 3, 0), (4, 3, 1)])
def test_an_isolated_run_has_its_retries_and_their_checkpoints(
    tmp_path: Path, good_attempt: int, attempts: int, code: int
) -> None:
    done = run(tmp_path, "--isolate", "tasks.py:flaky", "--good-attempt", str(good_attempt))
    assert done.returncode == code
    assert "not tried again" not in done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("attempt")] == [
        f"attempt {number}" for number in range(1, attempts + 1)
    ]
    assert done.stderr.count("RecoverableError: the service did not answer") == min(attempts, good_attempt - 1)


def test_an_error_that_is_final_has_one_attempt_in_isolation(tmp_path: Path) -> None:
    done = run(tmp_path, "--isolate", "tasks.py:broken", "--a", "1")
    assert (done.returncode, done.stdout) == (1, "attempt\n")
    assert done.stderr.endswith(
        "ValueError: 1\nin task tasks.broken\nnot tried again: retries are for RecoverableError\n"
    )


@pytest.mark.parametrize("way", ["--isolate", "--like-container"])
def test_a_task_that_something_else_launches_is_refused(tmp_path: Path, way: str) -> None:
    done = run(tmp_path, way, "tasks.py:launched")
    assert done.returncode == 1
    assert "DefinitionError: task tasks.launched: its container starts mpirun, which needs the cluster" in done.stderr
    assert done.stderr.count("\n") <= 2


def test_a_run_like_a_container_is_one_attempt(tmp_path: Path) -> None:
    done = run(tmp_path, "--like-container", "tasks.py:flaky", "--good-attempt", "2")
    assert (done.returncode, done.stdout) == (1, "attempt 1\n")
    assert "origin USER, code USER:RecoverableError, recoverable" in done.stderr


@pytest.mark.parametrize("way", ["--isolate", "--like-container"])
@pytest.mark.parametrize("code", [0, 4])
def test_a_process_that_is_gone_before_its_task_has_ended_is_a_failure(tmp_path: Path, way: str, code: int) -> None:
    done = run(tmp_path, way, "--json", "tasks.py:leaves", "--code", str(code))
    assert done.returncode == 1
    message = f"task tasks.leaves: the process left with exit code {code} before its task had ended"
    assert f"ProcessEndedError: {message}. Let the task return or raise" in done.stderr
    assert done.stderr.count("soon gone") == 1
    assert (f"files: {tmp_path}" in done.stderr) == (way == "--like-container")
    error = json.loads(done.stdout)["error"]
    assert (error["type"], error["origin"], error["message"][: len(message)]) == ("ProcessEndedError", "USER", message)


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize(
    ("name", "hint", "has_stack"),
    [("SIGSEGV", "Native code crashed", True), ("SIGABRT", "Native code crashed", True), ("SIGKILL", "memory", False)],
)
def test_a_process_that_is_killed_names_the_signal_and_shows_where(
    tmp_path: Path, name: str, hint: str, has_stack: bool
) -> None:
    done = run(tmp_path, "--isolate", "tasks.py:is_killed", "--name", name)
    assert done.returncode == 1
    *above, message = done.stderr.splitlines()
    assert message.startswith(
        f"ProcessEndedError: task tasks.is_killed: the process was killed by {name} before its task had ended. "
    )
    assert hint in message
    assert any(line.endswith(" in is_killed") for line in above) == has_stack


@pytest.mark.parametrize("way", ["--isolate", "--like-container"])
def test_outputs_that_are_ignored_are_no_failure_of_a_process(tmp_path: Path, way: str) -> None:
    done = run(tmp_path, way, "tasks.py:ignores")
    assert (done.returncode, done.stdout) == (0, "")
    assert "the task ignored its outputs: nothing was written" in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="processes of POSIX")
def test_native_code_past_its_timeout_is_killed_in_isolation(tmp_path: Path) -> None:
    done = run(tmp_path, "--isolate", "tasks.py:stuck", "--pid-file", str(tmp_path / "pid"))
    assert done.returncode == 1
    assert done.stderr.endswith("TaskTimeoutError: task tasks.stuck ran longer than its timeout of 1 s\n")
    assert " in stuck\n" in done.stderr
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
    assert os.listdir(tmp_path / "tmp") == []


def test_the_debugger_opens_where_the_task_failed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fledge.cli", "run", "--pdb", "tasks.py:divides", "--a", "1", "--b", "0"],
        cwd=tmp_path,
        env={**os.environ, "FLEDGE_DISABLE_PLUGINS": INSTALLED},
        input="p secret\nq\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert "return a / b" in done.stdout
    assert "(Pdb) 42" in done.stdout
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
