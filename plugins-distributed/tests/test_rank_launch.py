"""What ranks are told, how they are started, and that they end with their caller, however it ends."""

from __future__ import annotations

import io
import json
import os
import select
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fledge_distributed.attempt import held_port
from fledge_distributed.config import Ranks
from fledge_distributed.errors import LaunchError, RankFailed
from fledge_distributed.frames import INLINE_BYTES, Channel, Kind
from fledge_distributed.launcher import launch, run_ranks
from fledge_distributed.logs import LineSplitter, RankLogs
from fledge_distributed.ranks import Rank, current_rank
from fledge_distributed.supervision import warm_up
from fledge_distributed.zygote import _why_not_fork

PRELOAD = ("pytest", "hypothesis")  # the ranks import this file
TWO = Ranks(nproc=2, preload=PRELOAD)
WITHIN_S = 30  # how long the kernel may take to deliver what has to come


# -- pieces ------------------------------------------------------------------------------------------------------------


@given(st.binary(), st.lists(st.integers(1, 40)))
def test_lines_are_whole_however_the_bytes_arrive(data: bytes, cuts: list[int]) -> None:
    splitter, lines, at = LineSplitter(), [], 0
    for cut in cuts:
        lines += splitter.feed(data[at : at + cut])
        at += cut
    lines += splitter.feed(data[at:]) + splitter.end()
    text = data.decode("utf-8", "replace") if b"\n" not in data else None
    expected = [part.decode("utf-8", "replace").removesuffix("\r") for part in data.split(b"\n")]
    assert lines == (expected[:-1] if data.endswith(b"\n") or not data else expected), text


@given(st.lists(st.one_of(st.binary(max_size=50), st.just(b"x" * (INLINE_BYTES + 1))), max_size=5))
def test_frames_arrive_whole_and_in_order(bodies: list[bytes]) -> None:
    left, right = (Channel(sock) for sock in socket.socketpair())
    received: list[bytes] = []
    for body in bodies:
        left.send(Kind.VALUE, body)
        received += [frame.body for frame in right.receive()]
    left.close()
    received += [frame.body for frame in right.receive()]
    right.close()
    assert received == bodies


def test_a_held_port_is_given_to_nobody_else_and_can_be_listened_on() -> None:
    with held_port() as holder, socket.socket() as other, socket.socket() as listener:
        address = holder.getsockname()
        with pytest.raises(OSError, match="in use"):
            other.bind(address)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()


# -- what a rank sees --------------------------------------------------------------------------------------------------


def shows_environment(payload: bytes) -> bytes:
    return "\n".join(f"{name}={os.environ.get(name)}" for name in payload.decode().split()).encode()


def environments(names: str, config: Ranks) -> list[dict[str, str]]:
    values = run_ranks(names.encode(), shows_environment, config, collect_all=True).values
    rows = [values[rank].decode().splitlines() for rank in sorted(values)]
    return [dict(line.split("=", 1) for line in row) for row in rows]


def test_each_rank_has_the_variables_that_torchs_launcher_sets() -> None:
    names = (
        "RANK LOCAL_RANK GROUP_RANK NODE_RANK ROLE_RANK WORLD_SIZE LOCAL_WORLD_SIZE GROUP_WORLD_SIZE ROLE_WORLD_SIZE "
        "MASTER_ADDR TORCHELASTIC_RESTART_COUNT TORCHELASTIC_MAX_RESTARTS OMP_NUM_THREADS ROLE_NAME"
    )
    config = Ranks(nproc=2, nnodes=2, preload=PRELOAD, max_restarts=3)
    rows = [tuple(row.values()) for row in environments(names, config)]
    assert rows == [
        ("0", "0", "0", "0", "0", "4", "2", "2", "4", "127.0.0.1", "0", "3", "1", "default"),
        ("1", "1", "0", "0", "1", "4", "2", "2", "4", "127.0.0.1", "0", "3", "1", "default"),
        ("2", "0", "1", "1", "2", "4", "2", "2", "4", "127.0.0.1", "0", "3", "1", "default"),
        ("3", "1", "1", "1", "3", "4", "2", "2", "4", "127.0.0.1", "0", "3", "1", "default"),
    ]


def test_no_variable_of_torchs_launcher_is_missing() -> None:
    """Those that its own test program prints, and what they mean for ranks without an agent of torch."""
    names = (
        "LOCAL_RANK RANK GROUP_RANK ROLE_RANK ROLE_NAME LOCAL_WORLD_SIZE WORLD_SIZE GROUP_WORLD_SIZE ROLE_WORLD_SIZE "
        "MASTER_ADDR MASTER_PORT TORCHELASTIC_RESTART_COUNT TORCHELASTIC_MAX_RESTARTS TORCHELASTIC_RUN_ID "
        "TORCHELASTIC_USE_AGENT_STORE TORCH_NCCL_ASYNC_ERROR_HANDLING OMP_NUM_THREADS"
    )
    (row, _) = environments(names, TWO)
    assert "None" not in row.values()
    assert (row["TORCHELASTIC_USE_AGENT_STORE"], row["TORCH_NCCL_ASYNC_ERROR_HANDLING"]) == ("False", "1")


def test_port_and_run_id_are_shared_and_new_for_each_run() -> None:
    runs = [environments("MASTER_PORT TORCHELASTIC_RUN_ID", TWO) for _ in range(2)]
    assert all(run[0] == run[1] for run in runs)
    assert runs[0][0]["TORCHELASTIC_RUN_ID"] != runs[1][0]["TORCHELASTIC_RUN_ID"]


def tells_its_starts(payload: bytes) -> bytes:
    """The leader fails at the first start, and leaves run id and zygote of it in a file."""
    told, file = f"{os.environ['TORCHELASTIC_RUN_ID']} {os.getppid()}", Path(payload.decode())
    if current_rank().is_leader and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
        file.write_text(told)
        raise ValueError("at the first start")
    return f"{file.read_text()} {told}".encode() if current_rank().is_leader else b""


def test_a_restart_has_a_new_run_id_and_the_same_zygote_and_so_has_the_next_run(tmp_path: Path) -> None:
    config = Ranks(nproc=2, preload=PRELOAD, max_restarts=1)
    runs = [launch(str(tmp_path / "told").encode(), tells_its_starts, config).decode().split() for _ in range(2)]
    assert len({run_id for first, _, second, _ in runs for run_id in (first, second)}) == 4
    assert len({zygote for _, first, _, second in runs for zygote in (first, second)}) == 1


def test_the_callers_environment_folder_and_arguments_hold_in_the_ranks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OF_THE_CALLER", "set after the zygote has started")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.chdir(tmp_path)
    row = environments("OF_THE_CALLER OMP_NUM_THREADS", TWO)[0]
    assert row == {"OF_THE_CALLER": "set after the zygote has started", "OMP_NUM_THREADS": "3"}
    assert launch(b"", shows_folder, TWO).decode().split("|") == [str(tmp_path), *sys.argv]


def shows_folder(_: bytes) -> bytes:
    return "|".join([os.getcwd(), *sys.argv]).encode()


def shows_rank(_: bytes) -> bytes:
    return repr(current_rank()).encode()


@pytest.mark.parametrize("start", ["zygote", "spawn"])
def test_forked_and_spawned_ranks_know_their_place(start: str) -> None:
    config = Ranks(nproc=2, preload=PRELOAD if start == "zygote" else (), start=start)  # type: ignore[arg-type]  # both fit
    values = run_ranks(b"", shows_rank, config, collect_all=True).values
    assert values == {rank: repr(Rank(rank, rank, 0, 2, 2)).encode() for rank in range(2)}


def dies(payload: bytes) -> bytes:
    if current_rank().rank == 1:
        os.kill(os.getpid(), signal.SIGKILL) if payload == b"kill" else raises()
    threading.Event().wait()
    return b""


def raises() -> None:
    raise ValueError("from rank 1")


@pytest.mark.parametrize(("payload", "kind"), [(b"raise", ValueError), (b"kill", RankFailed)])
def test_a_spawned_rank_that_fails_is_named_as_a_forked_one(payload: bytes, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="rank 1") as caught:
        launch(payload, dies, Ranks(nproc=3, start="spawn"))
    assert [str(caught.value), *getattr(caught.value, "__notes__", ())][payload == b"raise"].startswith("rank 1 of 3")


def shows_descriptors(_: bytes) -> bytes:
    links = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
    kinds = [os.readlink(link).partition(":")[0] for link in links if os.path.lexists(link)]
    return f"{kinds.count('pipe')} {kinds.count('socket')}".encode()


def test_no_rank_has_the_descriptors_of_another() -> None:
    """Else the end of one would not be seen while the other lives."""
    values = run_ranks(b"", shows_descriptors, Ranks(nproc=16, preload=PRELOAD), collect_all=True).values
    assert set(values.values()) == {b"3 1"}, values  # stdout, stderr, stacks; results


def test_sixty_four_ranks_start_and_end() -> None:
    values = run_ranks(b"", shows_rank, Ranks(nproc=64, preload=PRELOAD), collect_all=True).values
    assert len(set(values.values())) == 64


@pytest.mark.slow
def test_fifty_launches_at_once_do_not_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "programs"))
    results: dict[int, bytes] = {}
    path = str(tmp_path / "s")

    def one(number: int) -> None:
        results[number] = launch(f"{number} {path}".encode(), "held_ports:listens_until_all_do", Ranks(nproc=1))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(50)]
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen(len(threads))
        server.settimeout(WITHIN_S)
        for thread in threads:
            thread.start()
        told = [server.accept()[0] for _ in threads]
    for one_told in told:
        one_told.close()
    for thread in threads:
        thread.join()
    assert {number: value.split()[0] for number, value in results.items()} == {n: b"%d" % n for n in range(50)}
    assert len({value.split()[1] for value in results.values()}) == 50, "two runs had one port"


def draws_numbers(_: bytes) -> bytes:
    import random

    import numpy as np

    return f"{random.random()} {np.random.rand()}".encode()  # noqa: NPY002 - the old global generator is the subject


def test_ranks_do_not_share_random_numbers() -> None:
    pytest.importorskip("numpy", reason="numpy is not installed: its generator cannot be checked")
    config = Ranks(nproc=2, preload=(*PRELOAD, "numpy.random"))
    drawn = [run_ranks(b"", draws_numbers, config, collect_all=True).values for _ in range(2)]
    assert len({number for values in drawn for value in values.values() for number in value.split()}) == 8


def test_a_preload_that_starts_threads_means_fresh_interpreters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tmp_path.joinpath("threads_at_import.py").write_text(
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    config = Ranks(nproc=2, preload=("threads_at_import",))
    assert launch(b"x", "builtins:bytes", config) == b"x"
    assert "a preloaded module has started threads: python" in caplog.text
    with pytest.raises(LaunchError, match="has started threads"):
        launch(b"x", "builtins:bytes", Ranks(preload=("threads_at_import",), start="zygote"))


def says_whose_it_is(_: bytes) -> bytes:
    import preloaded_from_a_folder  # type: ignore[import-not-found]  # the test makes it

    return bytes(preloaded_from_a_folder.FOLDER)


def test_a_preload_is_that_of_the_callers_path_at_each_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = Ranks(nproc=1, preload=(*PRELOAD, "preloaded_from_a_folder"))
    for folder in (b"first", b"second"):
        (tmp_path / folder.decode()).mkdir()
        (tmp_path / folder.decode() / "preloaded_from_a_folder.py").write_text(f"FOLDER = {folder!r}")
        monkeypatch.syspath_prepend(tmp_path / folder.decode())
        assert launch(b"", says_whose_it_is, config) == folder


def test_elsewhere_than_on_linux_nothing_is_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert _why_not_fork() == "forking is not safe on darwin"


# -- lines -------------------------------------------------------------------------------------------------------------


def writes_lines(_: bytes) -> bytes:
    rank = current_rank().rank
    print(f"out of {rank}")
    print(f"err of {rank}", file=sys.stderr)
    os.write(1, b"no line end")
    return b""


def test_every_line_of_every_rank_arrives_with_its_rank_and_stream() -> None:
    lines: list[tuple[int, str, str]] = []
    launch(b"", writes_lines, TWO, on_log=lambda *line: lines.append(line))
    assert sorted(lines) == sorted(
        [(rank, "stdout", f"out of {rank}") for rank in range(2)]
        + [(rank, "stderr", f"err of {rank}") for rank in range(2)]
        + [(rank, "stdout", "no line end") for rank in range(2)]
    )


def test_lines_are_printed_with_the_rank_and_the_node_when_there_are_several(capfd: pytest.CaptureFixture[str]) -> None:
    launch(b"", writes_lines, Ranks(nproc=1, preload=PRELOAD))
    launch(b"", writes_lines, Ranks(nproc=1, nnodes=2, preload=PRELOAD))
    out, err = capfd.readouterr()
    assert "[rank 0] out of 0\n" in out
    assert "[node 1 rank 1] out of 1\n" in out
    assert "[node 1 rank 1] err of 1\n" in err


class OnlyWrites:
    """What scripts put in place of a stream that is to go to a file as well."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None:
        pass


def test_lines_reach_a_stream_that_lacks_their_letters_or_is_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    narrow, plain = io.TextIOWrapper(io.BytesIO(), "ascii"), OnlyWrites()
    monkeypatch.setattr(sys, "stdout", narrow)
    monkeypatch.setattr(sys, "stderr", plain)
    logs = RankLogs(1)
    logs.write(0, "stdout", ["\N{LATIN SMALL LETTER E WITH ACUTE}t\N{LATIN SMALL LETTER E WITH ACUTE}"])
    logs.write(0, "stderr", ["as it is"])
    assert narrow.buffer.getvalue() == b"[rank 0] \\xe9t\\xe9\n"
    assert plain.text == "[rank 0] as it is\n"


def test_files_per_rank_hold_all_lines_and_the_screen_only_those_asked_for(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    config = Ranks(nproc=2, preload=PRELOAD, log_ranks=(1,), log_dir=str(tmp_path / "logs"))
    launch(b"", writes_lines, config)
    out, _ = capfd.readouterr()
    assert "[rank 1] out of 1" in out
    assert "[rank 0]" not in out
    for rank in range(2):
        lines = (tmp_path / "logs" / f"rank-{rank}.log").read_text().splitlines()
        assert sorted(lines) == sorted([f"out of {rank}", f"err of {rank}", "no line end"])
    reports = [json.loads(line) for line in (tmp_path / "logs" / "ranks.jsonl").read_text().splitlines()]
    assert [(one["rank"], one["state"]) for one in reports] == [(0, "returned"), (1, "returned")]
    assert all(one["seconds"] > 0 and one["peak_mib"] > 1 for one in reports)


LINES = 100_000


def writes_much(_: bytes) -> bytes:
    for number in range(LINES):
        os.write(1, b"%099d\n" % number)
    return b""


def test_ten_megabytes_of_lines_per_rank_arrive_in_order() -> None:
    numbers: list[list[int]] = [[], []]
    launch(b"", writes_much, TWO, on_log=lambda rank, stream, line: numbers[rank].append(int(line)))
    assert numbers == [list(range(LINES))] * 2


# -- the end of the caller ---------------------------------------------------------------------------------------------

SCRIPT = """
import os, signal, sys, threading
from fledge_distributed.config import Ranks
from fledge_distributed.launcher import launch

def body(payload):
    if payload == b"nested":
        return launch(b"asleep", body, Ranks(nproc=2, grace_s=0.2))
    fifo = os.open(os.environ["TEST_FIFO"], os.O_WRONLY)
    if payload == b"stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if payload == b"children" and os.fork() == 0:
        os.setsid()
    os.write(fifo, b"%d %d\\n" % (os.getpid(), os.getppid()))
    if payload == b"native":
        import select
        select.select([], [], [])
    threading.Event().wait()

if __name__ == "__main__":
    if sys.argv[1] != "deaf":  # these tests may run in the background of a shell, where SIGINT is ignored
        signal.signal(signal.SIGINT, signal.default_int_handler)
    launch(sys.argv[1].encode(), body, Ranks(nproc=2, grace_s=0.2))
"""


@pytest.fixture
def caller(tmp_path: Path) -> Iterator[Callable[..., tuple[subprocess.Popen[bytes], int, list[int]]]]:
    """Starts a script that runs two ranks; gives it, a descriptor that ends with the last rank, and the process ids."""
    started: list[subprocess.Popen[bytes]] = []
    script, fifo = tmp_path / "script.py", tmp_path / "fifo"
    script.write_text(textwrap.dedent(SCRIPT))
    os.mkfifo(fifo)

    def start(body: str, prefix: tuple[str, ...] = ()) -> tuple[subprocess.Popen[bytes], int, list[int]]:
        command = [*prefix, sys.executable, str(script), body]
        process = subprocess.Popen(command, env={**os.environ, "TEST_FIFO": str(fifo)}, stderr=subprocess.PIPE)
        started.append(process)
        reader = os.open(fifo, os.O_RDONLY)
        words: list[str] = []
        while len(words) < (8 if body in ("children", "nested") else 4):
            words += read(reader).decode().split()
        return process, reader, [int(word) for word in words]

    yield start
    for process in started:
        process.kill()


def read(fd: int) -> bytes:
    """The next bytes, or the end; fails when neither comes."""
    ready, _, _ = select.select([fd], [], [], WITHIN_S)
    assert ready, "still open: a rank is alive"
    return os.read(fd, 1000)


@pytest.mark.parametrize("body", ["asleep", "native", "stubborn", "children", "nested"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_nothing_outlives_a_caller_that_is_ended(
    number: signal.Signals, body: str, caller: Callable[..., tuple[subprocess.Popen[bytes], int, list[int]]]
) -> None:
    process, reader, pids = caller(body)
    zygote = os.pidfd_open(pids[1])
    process.send_signal(number)
    assert read(reader) == b""  # the end: every rank, and every child of one, has closed it
    assert select.select([zygote], [], [], WITHIN_S)[0], "the zygote is alive"
    _, errors = process.communicate(timeout=WITHIN_S)
    assert process.returncode == -number
    assert (b"KeyboardInterrupt" in errors) == (number is signal.SIGINT)
    os.close(reader)
    os.close(zygote)


def test_nothing_outlives_a_caller_that_ignored_sigint_from_the_start(
    caller: Callable[..., tuple[subprocess.Popen[bytes], int, list[int]]],
) -> None:
    process, reader, _ = caller("deaf", ("sh", "-c", 'trap "" INT; exec "$@"', "sh"))
    process.kill()
    assert read(reader) == b""
    process.communicate(timeout=WITHIN_S)
    os.close(reader)


def test_ranks_started_from_a_thread_outlive_the_thread_that_started_the_zygote() -> None:
    starter = threading.Thread(target=warm_up, args=(PRELOAD,))
    starter.start()
    starter.join()
    assert launch(b"", shows_rank, TWO)


def test_a_forked_child_of_the_caller_has_its_own_zygote() -> None:
    assert launch(b"", shows_rank, TWO)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, launch(b"", shows_rank, TWO))
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as file:
        assert file.read() == repr(Rank(0, 0, 0, 2, 2)).encode()
    os.waitpid(child, 0)
    assert launch(b"", shows_rank, TWO)


def kills_the_zygote(_: bytes) -> bytes:
    if current_rank().rank == 1:
        os.kill(os.getppid(), signal.SIGKILL)
    threading.Event().wait()
    return b""


def test_the_death_of_the_zygote_is_an_error_and_ends_the_ranks() -> None:
    with pytest.raises(LaunchError, match="ended unexpectedly, killed by signal 9"):
        launch(b"", kills_the_zygote, TWO)


def stops_itself(_: bytes) -> bytes:
    raise RankFailed("made by a user", 5)


def test_an_error_of_ours_raised_in_a_rank_keeps_its_fields() -> None:
    with pytest.raises(RankFailed, match="made by a user") as caught:
        launch(b"", stops_itself, TWO)
    assert caught.value.rank == 5


def test_the_caller_never_loads_what_it_preloads() -> None:
    code = (
        "import sys\n"
        "from fledge_distributed.config import Ranks\n"
        "from fledge_distributed.launcher import launch\n"
        "assert launch(b'x', 'builtins:bytes', Ranks(preload=('sqlite3',))) == b'x'\n"
        "assert 'sqlite3' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=WITHIN_S)
