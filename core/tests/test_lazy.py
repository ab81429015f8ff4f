"""Modules that wait for their first use, which may come in several threads at once."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from core.tests.support import fresh_process
from fledge.lazy import lazy

HALF_WAY = """
import test_lazy_gate
value = 1
test_lazy_gate.half_way()
later = 2
"""
FIRST_CALLS = """
import os, sys, threading
from fledge import FlyteFile, current_context, task

sys.setswitchinterval(1e-6)

@task(retries=1, cache=True, cache_version="1")
def write(n: int) -> FlyteFile:
    path = os.path.join(current_context().working_directory, "x.txt")
    with open(path, "w") as file:
        file.write(str(n))
    return FlyteFile(path)

@task
def read(file: FlyteFile) -> str:
    with open(file) as text:
        return text.read()

def call(n):
    together.wait()
    found[n] = read(file=write(n=n))

together, found = threading.Barrier(12), {}
threads = [threading.Thread(target=call, args=(n,)) for n in range(12)]
for one in threads: one.start()
for one in threads: one.join()
print(found == {n: str(n) for n in range(12)})
"""


def test_a_module_that_another_thread_is_importing_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half imported, it lacks what its file defines further below."""
    (tmp_path / "test_lazy_slow.py").write_text(HALF_WAY)
    monkeypatch.syspath_prepend(tmp_path)
    module, found = lazy("test_lazy_slow"), list[object]()
    second = threading.Thread(target=lambda: found.append(module.later))

    class Gate:
        @staticmethod
        def half_way() -> None:
            second.start()
            second.join(0.05)  # too early it could only fail; now it waits for this thread, which goes on

    monkeypatch.setitem(sys.modules, "test_lazy_gate", Gate)
    try:
        found.append(module.later)
        second.join()
    finally:
        sys.modules.pop("test_lazy_slow", None)
    assert found == [2, 2]


def test_the_first_calls_of_tasks_may_come_in_many_threads(tmp_path: Path) -> None:
    env = {"FLEDGE_CACHE_DIR": str(tmp_path), "FLEDGE_CACHE": "1"}
    (tmp_path / "calls.py").write_text(FIRST_CALLS)
    done = fresh_process("calls.py", cwd=tmp_path, env=env)
    assert done.stdout == "True\n", done.stderr
