"""The test kit: bodies on ranks, faults on purpose, leak checks, one rank in the foreground."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from fledge.errors import IgnoreOutputs
from fledge_distributed import LaunchError, RankError, RankFailed, RankTimeout, current_rank
from fledge_distributed.supervision import temporary_prefix
from fledge_distributed.testing import IGNORED, OnRanks, fault_point, hang, kill, late, no_leaks, on_ranks

__all__ = ["on_ranks"]


def adds(number: int) -> tuple[int, int]:
    fault_point("middle")
    return current_rank().rank, number + 1


def ignores(rank: int) -> str:
    if current_rank().rank == rank:
        raise IgnoreOutputs
    return "value"


def tells_its_start() -> float:
    return time.monotonic()


def returns_a_lock() -> threading.Lock:
    return threading.Lock()


def shows_process(_: str) -> tuple[int, int, str]:
    return current_rank().rank, os.getpid(), os.environ["RANK"]


def fails_in(rank: int) -> None:
    if current_rank().rank == rank:
        raise KeyError(f"rank {rank}")


def test_every_ranks_value_comes_back(on_ranks: OnRanks) -> None:
    assert on_ranks(adds, 3, 4) == [(0, 5), (1, 5), (2, 5)]
    assert on_ranks(adds, 1, 4, nnodes=2) == [(0, 5), (1, 5)]


def test_a_body_of_the_test_itself_may_be_used(on_ranks: OnRanks) -> None:
    offset = 10
    assert on_ranks(lambda: current_rank().rank + offset, 2) == [10, 11]


def test_ranks_that_ignore_are_marked(on_ranks: OnRanks) -> None:
    assert on_ranks(ignores, 2, 1) == ["value", IGNORED]
    assert on_ranks(ignores, 2, 0) == [IGNORED, "value"]


@pytest.mark.parametrize("at", ["start", "middle"])
def test_a_killed_rank_is_named(on_ranks: OnRanks, at: str) -> None:
    with pytest.raises(RankFailed) as caught:
        on_ranks(adds, 3, 0, faults=[kill(2, at=at, number=signal.SIGTERM)])
    assert (caught.value.rank, caught.value.signal) == (2, signal.SIGTERM)


def test_a_fault_that_did_not_happen_fails_the_test(on_ranks: OnRanks) -> None:
    with pytest.raises(AssertionError, match=r"kill\(1, at='midle'\) did not happen.*did you mean 'middle'"):
        on_ranks(adds, 2, 0, faults=[kill(1, at="midle")])
    with pytest.raises(LaunchError, match=r"hang\(2\): there are 2 ranks, the last is 1"):
        on_ranks(adds, 2, 0, faults=[hang(2)])


def test_a_hanging_rank_is_named(on_ranks: OnRanks) -> None:
    with pytest.raises(RankTimeout) as caught:
        on_ranks(adds, 3, 0, faults=[hang(1, at="middle")], timeout_s=1.5)
    assert caught.value.missing == (1,)
    assert "in adds" in caught.value.stacks[1]


def test_a_late_rank_comes_late(on_ranks: OnRanks) -> None:
    on_time, _ = on_ranks(tells_its_start, 2)
    _, after = on_ranks(tells_its_start, 2, faults=[late(1, 0.2)])
    assert after - on_time > 0.2


def test_an_argument_that_cannot_be_pickled_is_named_before_anything_starts(on_ranks: OnRanks) -> None:
    with pytest.raises(LaunchError, match=r"argument 0 of adds \(lock\) cannot be sent"):
        on_ranks(adds, 2, threading.Lock())


def test_a_value_that_cannot_be_pickled_is_named_with_its_rank(on_ranks: OnRanks) -> None:
    with pytest.raises(TypeError, match="rank 0 returned a lock that cannot be pickled"):
        on_ranks(returns_a_lock, 1)


def test_one_rank_may_run_in_this_process(on_ranks: OnRanks) -> None:
    values = on_ranks(shows_process, 3, "x", foreground=1)
    assert [(rank, variable) for rank, _, variable in values] == [(0, "0"), (1, "1"), (2, "2")]
    assert [pid == os.getpid() for _, pid, _ in values] == [False, True, False]
    assert "RANK" not in os.environ
    assert current_rank().world_size == 1


@pytest.mark.parametrize("rank", [0, 1])
def test_failures_are_named_with_a_rank_in_the_foreground(on_ranks: OnRanks, rank: int) -> None:
    with pytest.raises(KeyError, match=f"rank {rank}") as caught:
        on_ranks(fails_in, 2, rank, foreground=1)
    assert caught.value.__notes__[0] == f"rank {rank} of 2 (local {rank}, node 0)"


def fails_at_first(rank: int) -> tuple[int, int]:
    restart = int(os.environ["TORCHELASTIC_RESTART_COUNT"])
    if restart == 0 and current_rank().rank == rank:
        raise ValueError("at the first start")
    return restart, os.getpid()


@pytest.mark.parametrize("failing", [0, 1])
def test_a_rank_in_the_foreground_starts_again_with_the_others(on_ranks: OnRanks, failing: int) -> None:
    values = on_ranks(fails_at_first, 2, failing, foreground=1, max_restarts=1)
    assert [restart for restart, _ in values] == [1, 1]
    assert [pid == os.getpid() for _, pid in values] == [False, True]
    with pytest.raises(ValueError, match="at the first start") as caught:
        on_ranks(fails_at_first, 2, failing, foreground=1)
    assert caught.value.__notes__[0].startswith(f"rank {failing} of 2")


def interrupted(rank: int) -> None:
    if current_rank().rank == rank:
        raise KeyboardInterrupt
    threading.Event().wait()


def test_ctrl_c_in_the_foreground_ends_the_run(on_ranks: OnRanks) -> None:
    with pytest.raises(RankFailed, match=r"rank 1 of 2 .*KeyboardInterrupt"):
        on_ranks(interrupted, 2, 1, foreground=1)


def test_ctrl_c_before_its_turn_ends_the_run_as_well(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    program = Path(__file__).parent / "programs" / "interrupted_foreground.py"
    environment = {**os.environ, "TEST_FIFO": str(fifo)}
    process = subprocess.Popen([sys.executable, str(program)], stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert fifo.read_text() == "!"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert said.splitlines()[-1] == "KeyboardInterrupt"


def test_a_foreground_rank_that_does_not_exist_is_refused(on_ranks: OnRanks) -> None:
    with pytest.raises(RankError, match="rank 7 is not part of the run"):
        on_ranks(adds, 2, 0, foreground=7)


def test_leaks_are_named() -> None:
    with ExitStack() as left:

        def process() -> None:
            left.enter_context(subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE))

        def port() -> None:
            left.enter_context(socket.create_server(("127.0.0.1", 0)))

        def memory() -> None:
            path = Path(f"/dev/shm/fledge-test-{os.getpid()}")
            path.touch()
            left.callback(path.unlink)

        def file() -> None:
            left.enter_context(tempfile.TemporaryDirectory(prefix=temporary_prefix()))

        leaks = ((process, "processes"), (port, "ports"), (memory, "shared memory"), (file, "temporary files"))
        for leak, word in leaks:
            with pytest.raises(AssertionError, match=word):
                leaking(leak)


SEMAPHORE = """
import _multiprocessing
kept = _multiprocessing.SemLock(0, 1, 1, "/" + name, False)
remove = lambda: _multiprocessing.sem_unlink("/" + name)
"""
OPENED = """
kept = open("/dev/shm/" + name, "w")
remove = lambda: os.unlink(kept.name)
"""
NAMED = """
name += f"-{os.getpid()}-0"
open("/dev/shm/" + name, "w").close()
remove = lambda: os.unlink("/dev/shm/" + name)
"""
OTHER_USERS = """
open("/dev/shm/" + name, "w").close()
os.chown("/dev/shm/" + name, 65534, 65534)
remove = lambda: os.unlink("/dev/shm/" + name)
"""
PROGRAM = "import os, sys; name = sys.argv[1]\n{}\nprint(name, flush=True); sys.stdin.read(); remove()"


@pytest.mark.parametrize(
    "makes",
    [
        pytest.param(SEMAPHORE, id="mapped"),  # under another name than in /dev/shm
        pytest.param(OPENED, id="open"),
        pytest.param(NAMED, id="named-after-its-process"),
        pytest.param(
            OTHER_USERS, id="of-another-user", marks=pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
        ),
    ],
)
def test_shared_memory_of_another_program_is_no_leak(makes: str) -> None:
    name = f"fledge-x{uuid.uuid4().hex}"
    command = ["sh", "-c", 'exec 3<&0; "$@" <&3 &', "sh", sys.executable, "-c", PROGRAM.format(makes), name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as shell:
        assert shell.stdin is not None
        assert shell.stdout is not None
        with no_leaks():
            made = shell.stdout.readline().decode().strip()
            shell.wait()  # from now on the program is nobody's child
        assert made in {entry.removeprefix("sem.") for entry in os.listdir("/dev/shm")}
        shell.stdin.close()
        assert shell.stdout.read().strip() == b""


def test_shared_memory_that_a_child_holds_is_a_leak() -> None:
    with ExitStack() as left:

        def leak() -> None:
            program = PROGRAM.format(OPENED)
            child = left.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", program, f"fledge-test-{os.getpid()}"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
            )
            assert child.stdout is not None
            assert child.stdout.readline()

        with pytest.raises(AssertionError, match=f"'shared memory': .'fledge-test-{os.getpid()}'"):
            leaking(leak)


def leaking(leak: Callable[[], None]) -> None:
    with no_leaks():
        leak()
