"""What many runs, failing runs and an interrupted run leave behind: nothing. Each in a real process."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

CALLS = """
import json, os, sys, tempfile, threading
from fledge import current_context, task, workflow

@task
def add(a: int) -> int:
    return a + 1

@task
def fail(a: int) -> int:
    raise ValueError(a)

@task
def scratch(a: int) -> int:
    os.mkdir(os.path.join(current_context().working_directory, "x"))
    if a % 2:
        raise ValueError(a)
    return a

@workflow
def flow(a: int) -> int:
    return add(a=fail(a=a))

def left():
    children = open(f"/proc/self/task/{os.getpid()}/children").read() if os.path.isdir("/proc/self/task") else ""
    descriptors = os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else []
    return [sorted(os.listdir(tempfile.gettempdir())), threading.active_count(), len(descriptors), children]

def quietly(call, a):
    try:
        call(a=a)
    except ValueError:
        pass

for one in (add, fail, scratch, flow):
    quietly(one, 1)  # what is loaded at first use is no leak
before = left()
kind, count = sys.argv[1], int(sys.argv[2])
call = {"add": add, "fail": fail, "scratch": scratch, "flow": flow}[kind]
for number in range(count):
    quietly(call, number)
print(json.dumps([before, left()]))
"""

INTERRUPTED = """
import json, os, signal, tempfile, threading
from fledge import FlyteContextManager, current_context, task

@task(timeout=60, environment={"MODE": "x"})
def endless() -> None:
    current_context().working_directory
    print("running", flush=True)
    while True:
        threading.Event().wait(0.01)

def state():
    handlers = [repr(signal.getsignal(one)) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)]
    depth = FlyteContextManager.current_context().execution_state.mode
    return [handlers, str(depth), signal.getitimer(signal.ITIMER_REAL), os.environ.get("MODE"),
            os.listdir(tempfile.gettempdir()), threading.active_count()]

before = state()
try:
    endless()
except KeyboardInterrupt:
    print(json.dumps([before, state()]))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary files of the processes."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(("kind", "count"), [("add", 100_000), ("fail", 20_000), ("scratch", 300), ("flow", 5_000)])
def test_many_runs_leave_no_folder_thread_descriptor_or_process(folder: Path, kind: str, count: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CALLS, kind, str(count)], capture_output=True, text=True, check=True, cwd=folder
    )
    before, after = json.loads(done.stdout)
    assert after == before


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_in_a_plain_script_leaves_everything_as_it_was(folder: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, text=True, cwd=folder
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        process.send_signal(signal.SIGINT)
        before, after = json.loads(process.stdout.readline())
    assert process.returncode == 0
    assert after == before
