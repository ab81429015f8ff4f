"""What a machine or a program may lack: shared memory, ports, open files, a module for the function."""

from __future__ import annotations

import os
import select
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import ClassVar

import pytest

from fledge_distributed import RankFailed, Ranks, current_rank
from fledge_distributed.attempt import Attempt, held_port
from fledge_distributed.frames import INLINE_BYTES
from fledge_distributed.launcher import launch, run_ranks
from fledge_distributed.plans import Host
from fledge_distributed.rank_state import RankState
from fledge_distributed.worker import Exit

PROGRAMS = Path(__file__).parent / "programs"
PRELOAD = ("pytest",)
WITHIN_S = 60


def unshared(*options: str) -> list[str]:
    """The beginning of a command in namespaces of its own; skips where this user may not have them."""
    if shutil.which("unshare") is None:
        pytest.skip("namespaces need `unshare` of util-linux, which is not installed")
    tried = subprocess.run(["unshare", *options, "true"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        pytest.skip(f"namespaces cannot be made here: {tried.stderr.strip()}")
    return ["unshare", *options]


def on_full_machine(what: str, *before: str) -> str:
    command = [*before, sys.executable, str(PROGRAMS / "full_machine.py"), what]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


WITH_SMALL_SHM = ("sh", "-c", 'mount -t tmpfs -o size=64k tmpfs /dev/shm && exec "$@"', "sh")


@pytest.mark.parametrize(
    ("what", "texts"),
    [
        ("value", ["50000000 bytes"]),
        ("write", ["OSError: [Errno 28] No space left on device", "| rank 1 of 2 (local 1, node 0)"]),
        ("map", ["RankFailed: rank 1 of 2 (local 1, node 0): killed by SIGBUS; ", "/dev/shm", "may be full"]),
    ],
)
def test_a_full_dev_shm_ends_only_those_who_use_it_and_says_so(what: str, texts: list[str]) -> None:
    told = on_full_machine(what, *unshared("--mount"), *WITH_SMALL_SHM)
    for text in texts:
        assert text in told


def test_a_machine_without_a_free_port_is_told_so() -> None:
    told = on_full_machine("ports", *unshared("--net"))
    assert told.startswith("LaunchError: no port of 127.0.0.1 can be held for the ranks to meet at: Address already in")


def test_more_ranks_than_open_files_allow_are_refused() -> None:
    told = on_full_machine("files")
    for line in told.splitlines():
        assert line.startswith("LaunchError: rank ")
        assert "could not be started: Too many open files; `ulimit -n` is the limit" in line


def listens(_: bytes) -> bytes:
    if current_rank().is_leader:
        socket.create_server(("127.0.0.1", int(os.environ["MASTER_PORT"])), reuse_port=False).close()
    else:
        threading.Event().wait()
    return b""


@pytest.mark.parametrize("what", ["signals", "sockets"])
def test_what_the_caller_has_blocked_and_limited_does_not_reach_the_launcher(what: str) -> None:
    command = [sys.executable, str(PROGRAMS / "odd_callers.py"), what]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    assert (done.returncode, done.stdout) == (0, f"{INLINE_BYTES - 1}\n"), done.stderr


def test_a_port_of_the_job_that_is_in_use_is_the_leaders_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        host = Host(0, "127.0.0.1", other.getsockname()[1], "job")
        with pytest.raises(OSError, match="in use") as caught:
            run_ranks(b"", listens, Ranks(nproc=2, preload=PRELOAD), host=host)
    assert caught.value.__notes__[0] == "rank 0 of 2 (local 0, node 0)"


def closes_all(_: bytes) -> bytes:
    """As a program does that makes itself a daemon."""
    if current_rank().rank == 1:
        os.closerange(3, 256)
    threading.Event().wait()
    return b""


def test_a_rank_that_closes_all_its_descriptors_is_named_and_ended() -> None:
    with pytest.raises(RankFailed, match=r"rank 1 of 2 .*: closed its connection to the launcher before") as caught:
        launch(b"", closes_all, Ranks(nproc=2, preload=PRELOAD))
    assert (caught.value.rank, caught.value.exitcode, caught.value.signal) == (1, None, None)


def returns_early(_: bytes) -> bytes:
    """Rank 1 returns; the others wait for it until the kernel tells them that it has gone."""
    if current_rank().rank == 1:
        with socket.create_server(("127.0.0.1", int(os.environ["MASTER_PORT"]))) as server:
            for _number in range(2):
                server.accept()[0].close()
        return b""
    client = socket.socket()
    while client.connect_ex(("127.0.0.1", int(os.environ["MASTER_PORT"]))):
        client.close()
        client = socket.socket()
    if not client.recv(1):
        raise ConnectionError(f"Connection closed by peer, says rank {current_rank().rank}")
    return b""


def test_a_rank_that_returned_while_others_waited_for_it_is_named() -> None:
    with pytest.raises(ConnectionError, match="closed by peer") as caught:
        launch(b"", returns_early, Ranks(nproc=3, preload=PRELOAD))
    assert "had already returned: rank 1" in caught.value.__notes__


# -- a function that no module holds -----------------------------------------------------------------------------------

CELL = """
from fledge import task
from fledge_distributed import Ranks, current_rank
offset = 40

def helper(x):
    return x + offset + current_rank().world_size

@task(task_config=Ranks(nproc=2))
def add(x: int) -> int:
    if x < 0:
        raise ValueError(f"from rank {current_rank().rank}")
    return helper(x)
"""
CALL = """
print(add(x=1))
try:
    add(x=-1)
except ValueError as exc:
    print(exc.args[0], "|", exc.__cause__)
"""
SHOWN = ["43", "from rank", "ValueError: from rank"]


def shown_by(*command: str, stdin: str | None = None) -> str:
    done = subprocess.run(
        [sys.executable, *command], input=stdin, capture_output=True, text=True, timeout=WITHIN_S, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_task_of_a_script_of_a_command_and_of_standard_input_runs_on_ranks(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(CELL + CALL)
    for shown in (shown_by(str(script)), shown_by("-c", CELL + CALL), shown_by("-", stdin=CELL + CALL)):
        assert all(text in shown for text in SHOWN), shown


NOTEBOOK = """
import linecache, sys
for number, cell in enumerate([{cell!r}, {changed!r}, {call!r}]):
    name = f"<cell {{number}}>"
    linecache.cache[name] = (len(cell), None, cell.splitlines(True), name)
    exec(compile(cell, name, "exec"), sys.modules["__main__"].__dict__)
"""


def test_cells_of_a_notebook_may_be_run_again_with_changes() -> None:
    """A kernel runs cells one by one in `__main__`, which has no file."""
    changed = CELL.replace("offset = 40", "offset = 50")
    shown = shown_by("-c", NOTEBOOK.format(cell=CELL, changed=changed, call=CALL))
    assert "53" in shown


def test_a_script_without_a_guard_is_not_run_again_by_its_ranks(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(f"print('top level')\n{CELL}{CALL}")
    assert shown_by(str(script)).count("top level") == 1


def exits_at_once(_: bytes) -> bytes:
    os._exit(3)


class StrangeError(ValueError):
    """Gets an attribute that its constructor knows nothing of."""

    batch: object = None


def raises_with_a_stranger(_: bytes) -> bytes:
    import tabnanny  # which nobody else loads

    error = StrangeError("bad batch")
    error.batch = tabnanny.check
    error.args = ("bad batch", 5)
    raise error


def test_an_attribute_of_a_module_that_the_caller_has_not_loaded_costs_only_itself() -> None:
    with pytest.raises(StrangeError) as caught:
        launch(b"", raises_with_a_stranger, Ranks(nproc=1, preload=PRELOAD))
    assert caught.value.args == ("bad batch", 5)
    assert "attributes that could not be carried over: batch" in caught.value.__notes__


def leaves_a_talker(_: bytes) -> None:
    talk = "import os, select\nwhile True: os.write(1, b'words\\n' * 20_000)"
    subprocess.Popen([sys.executable, "-c", talk], start_new_session=True)
    select.select([], [], [], 0.3)  # for it to begin; were it later, the test would pass all the same


class CountsLastChunks(Attempt):
    """How often a stream is read after the end of the rank, before its end is dealt with."""

    counted: ClassVar[list[int]] = []
    _is_ending = False

    def _on_exit(self, exit_: Exit) -> None:
        self._is_ending = True
        super()._on_exit(exit_)
        self._is_ending = False

    def _on_stream(self, rank: RankState, fd: int) -> bool:
        if self._is_ending:
            self.counted.append(fd)
        return super()._on_stream(rank, fd)


def test_what_a_rank_left_behind_may_talk_without_end_and_is_not_listened_to() -> None:
    config = Ranks(nproc=1, preload=PRELOAD, grace_s=1.0)
    run_ranks(b"", leaves_a_talker, config, on_log=lambda *_: None, attempt_type=CountsLastChunks)
    assert len(CountsLastChunks.counted) <= 2 * 16


def test_ports_are_free_again_after_failures() -> None:
    with pytest.raises(RankFailed):
        launch(b"", exits_at_once, Ranks(nproc=2, preload=PRELOAD))
    with held_port() as holder:
        assert holder.getsockname()[1]
