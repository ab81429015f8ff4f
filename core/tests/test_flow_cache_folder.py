"""A cache folder that is read-only, full or damaged, and clocks that jump: the run goes on, nothing is half-written."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

PROGRAM = """
    import logging, sys
    from fledge import task, workflow

    logging.basicConfig(stream=sys.stderr)

    @task(cache=True, cache_version="1")
    def double(text: str) -> str:
        print("ran")
        return text * 2

    @workflow
    def flow(text: str) -> str:
        return double(text=text)

    {before}
    print(len(flow(text="x" * 5000)))
"""
FULL = """
    import resource, signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))
"""
JUMPS = """
    import time
    real = time.time
    time.time = lambda: real() - 10**9
"""
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run PROGRAM in a process with a cache folder of its own."""

    def start(before: str = "") -> subprocess.CompletedProcess[str]:
        program = textwrap.dedent(PROGRAM).replace("{before}", textwrap.dedent(before))
        (tmp_path / "program.py").write_text(program)
        environment = {**os.environ, "FLEDGE_CACHE": "1", "FLEDGE_CACHE_DIR": str(tmp_path / "cache")}
        return subprocess.run(
            [sys.executable, "program.py"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )

    return start


def files(tmp_path: Path) -> list[str]:
    return [file.name for file in (tmp_path / "cache").rglob("*") if file.is_file()]


def test_a_full_disk_costs_the_cache_and_leaves_nothing_half_written(run: Run, tmp_path: Path) -> None:
    done = run(FULL)
    assert done.stdout == "ran\n10000\n"
    assert "the result is not cached: " in done.stderr
    assert files(tmp_path) == []
    assert run().stdout == "ran\n10000\n"
    assert run().stdout == "10000\n"


@pytest.mark.skipif(sys.platform != "linux", reason="a folder that not even root can write is one of /proc")
def test_a_folder_that_cannot_be_written_costs_the_cache(run: Run, tmp_path: Path) -> None:
    (tmp_path / "cache").symlink_to("/proc/self")
    done = run()
    assert done.stdout == "ran\n10000\n"
    assert "the result is not cached: " in done.stderr


@pytest.mark.parametrize("damage", [b"", b"x", b"\0" * 4096], ids=["empty", "short", "zeros"])
def test_a_damaged_entry_is_run_again_and_replaced(run: Run, tmp_path: Path, damage: bytes) -> None:
    run()
    (entry,) = (tmp_path / "cache").rglob("*.pb")
    entry.write_bytes(damage)
    done = run()
    assert done.stdout == "ran\n10000\n"
    assert "is damaged and counts as a miss" in done.stderr
    assert run().stdout == "10000\n"


def test_a_hit_does_not_ask_the_clock(run: Run, tmp_path: Path) -> None:
    run()
    (entry,) = (tmp_path / "cache").rglob("*.pb")
    os.utime(entry, (2**32, 2**32))
    assert run(JUMPS).stdout == "10000\n"


def test_a_timeout_does_not_ask_the_clock_of_the_wall(run: Run) -> None:
    limited = """
        import time
        from fledge import current_context
        real = time.time

        @task(timeout=30)
        def jumps() -> int:
            time.time = lambda: real() + 10**9
            return 1

        assert jumps() == 1
    """
    assert run(limited).stdout == "ran\n10000\n"
