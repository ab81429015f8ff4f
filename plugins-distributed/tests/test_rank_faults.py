"""Every way in which a rank can end, with real processes: who is blamed, what the caller gets, what is left."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timezone

import pytest

from fledge.errors import IgnoreOutputs, NonRecoverableError, RecoverableError
from fledge_distributed.config import Ranks
from fledge_distributed.errors import LaunchError, LeaderIgnored, RankFailed, RankTimeout, RemoteTraceback
from fledge_distributed.launcher import Launched, launch, run_ranks
from fledge_distributed.ranks import current_rank
from fledge_distributed.reports import as_html

PRELOAD = ("pytest",)  # the ranks import this file, and with it pytest
FOUR = Ranks(nproc=4, preload=PRELOAD)


class OddError(Exception):
    """Its constructor takes what its args do not hold."""

    def __init__(self, code: int, *, where: str) -> None:
        super().__init__(f"{where} failed")
        self.code = code


class LockedError(Exception):
    """Holds what no pickle can carry."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.lock = threading.Lock()
        self.text = text


def wait_for_ever() -> None:
    threading.Event().wait()


def on_rank_one(act: Callable[[], object]) -> bytes:
    if current_rank().rank == 1:
        act()
    wait_for_ever()
    return b""


def raises(_: bytes) -> bytes:
    def act() -> None:
        error = ValueError("bad value", 7)
        error.__notes__ = ["a note of the user"]
        raise error

    return on_rank_one(act)


def raises_odd(_: bytes) -> bytes:
    def act() -> None:
        raise OddError(5, where="disk")

    return on_rank_one(act)


def raises_locked(_: bytes) -> bytes:
    def act() -> None:
        raise LockedError("held")

    return on_rank_one(act)


def raises_os_error(_: bytes) -> bytes:
    return on_rank_one(lambda: open("/nonexistent/file"))


def raises_chain(_: bytes) -> bytes:
    def act() -> None:
        try:
            os.environ["FLEDGE_TEST_NO_SUCH_KEY"]
        except KeyError as exc:
            raise RuntimeError("outer") from exc

    return on_rank_one(act)


def raises_local_class(_: bytes) -> bytes:
    class HiddenError(Exception):
        pass

    def act() -> None:
        raise HiddenError("cannot be found elsewhere")

    return on_rank_one(act)


def exits_three(_: bytes) -> bytes:
    return on_rank_one(lambda: sys.exit(3))


def exits_with_text(_: bytes) -> bytes:
    return on_rank_one(lambda: sys.exit("no data"))


def exits_zero(_: bytes) -> bytes:
    return on_rank_one(lambda: sys.exit(0))


def leaves(_: bytes) -> bytes:
    return on_rank_one(lambda: os._exit(0))


def leaves_four(_: bytes) -> bytes:
    return on_rank_one(lambda: os._exit(4))


def is_killed(_: bytes) -> bytes:
    return on_rank_one(lambda: os.kill(os.getpid(), signal.SIGKILL))


def is_terminated(_: bytes) -> bytes:
    return on_rank_one(lambda: os.kill(os.getpid(), signal.SIGTERM))


def segfaults(_: bytes) -> bytes:
    return on_rank_one(lambda: os.kill(os.getpid(), signal.SIGSEGV))


def aborts(_: bytes) -> bytes:
    return on_rank_one(os.abort)


def interrupts(_: bytes) -> bytes:
    return on_rank_one(lambda: os.kill(os.getpid(), signal.SIGINT))


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """No descriptor and no process but warm zygotes, which have no children."""
    before, ranks = set(os.listdir("/proc/self/fd")), _grandchildren()
    yield
    kept = {pid: command for pid, command in _grandchildren().items() if pid not in ranks}
    assert not kept, f"a zygote has kept a rank: {kept}"
    opened = {os.readlink(f"/proc/self/fd/{fd}") for fd in set(os.listdir("/proc/self/fd")) - before if _is_open(fd)}
    assert len([link for link in opened if not link.startswith("socket:")]) == 0, opened


def _is_open(fd: str) -> bool:
    return os.path.lexists(f"/proc/self/fd/{fd}")


def _grandchildren() -> dict[int, str]:
    """Process number and command of every child of a child: ranks, and what other tests' fixtures run."""
    found = [grandchild for child in _children(os.getpid()) for grandchild in _children(child)]
    return {pid: _read(pid, "cmdline").replace("\0", " ") for pid in found}


def _children(pid: int) -> list[int]:
    return [int(word) for word in _read(pid, f"task/{pid}/children").split()]


def _read(pid: int, name: str) -> str:
    """What /proc says of a process; nothing of one that has ended meanwhile."""
    try:
        with open(f"/proc/{pid}/{name}") as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        return ""


DEATHS = [
    pytest.param(exits_three, 3, None, "left with exit code 3", id="sys-exit-3"),
    pytest.param(exits_with_text, 1, None, "left with exit code 1 .*: no data", id="sys-exit-text"),
    pytest.param(exits_zero, 0, None, "left with exit code 0", id="sys-exit-0"),
    pytest.param(leaves, 0, None, "left with exit code 0", id="os-exit-0"),
    pytest.param(leaves_four, 4, None, "left with exit code 4", id="os-exit-4"),
    pytest.param(is_killed, None, signal.SIGKILL, "killed by SIGKILL", id="sigkill"),
    pytest.param(is_terminated, None, signal.SIGTERM, "killed by SIGTERM", id="sigterm"),
    pytest.param(segfaults, None, signal.SIGSEGV, "killed by SIGSEGV", id="sigsegv"),
    pytest.param(aborts, None, signal.SIGABRT, "killed by SIGABRT", id="abort"),
]


@pytest.mark.parametrize(("body", "exitcode", "number", "text"), DEATHS)
def test_a_rank_that_ends_before_its_function_returned_is_named(
    body: Callable[[bytes], bytes], exitcode: int | None, number: int | None, text: str
) -> None:
    with pytest.raises(RankFailed, match=text) as caught:
        launch(b"", body, FOUR)
    error = caught.value
    assert (error.rank, error.node, error.exitcode, error.signal) == (1, 0, exitcode, number)
    assert str(error).startswith("rank 1 of 4 (local 1, node 0): ")


def test_an_exception_keeps_type_args_and_notes_behind_its_rank() -> None:
    with pytest.raises(ValueError, match="bad value") as caught:
        launch(b"", raises, FOUR)
    assert type(caught.value) is ValueError
    assert caught.value.args == ("bad value", 7)
    assert caught.value.__notes__[:2] == ["rank 1 of 4 (local 1, node 0)", "a note of the user"]


def test_the_cause_is_the_users_part_of_the_traceback() -> None:
    with pytest.raises(ValueError, match="bad value") as caught:
        launch(b"", raises, FOUR)
    text = str(caught.value.__cause__)
    assert isinstance(caught.value.__cause__, RemoteTraceback)
    assert f'File "{__file__}", line ' in text
    assert "fledge_distributed/" not in text
    assert len(text.splitlines()) <= 40


def test_a_constructor_that_takes_other_arguments_is_not_called_again() -> None:
    with pytest.raises(OddError) as caught:
        launch(b"", raises_odd, FOUR)
    assert caught.value.args == ("disk failed",)
    assert caught.value.code == 5


def test_an_attribute_that_cannot_travel_is_named_and_the_rest_kept() -> None:
    with pytest.raises(LockedError, match="held") as caught:
        launch(b"", raises_locked, FOUR)
    assert caught.value.text == "held"
    assert "attributes that could not be carried over: lock" in caught.value.__notes__


def test_an_os_error_keeps_its_number_and_file() -> None:
    with pytest.raises(FileNotFoundError) as caught:
        launch(b"", raises_os_error, FOUR)
    assert (caught.value.errno, caught.value.filename) == (2, "/nonexistent/file")


def test_the_cause_of_an_exception_is_in_its_traceback() -> None:
    with pytest.raises(RuntimeError, match="outer") as caught:
        launch(b"", raises_chain, FOUR)
    assert "KeyError: 'FLEDGE_TEST_NO_SUCH_KEY'" in str(caught.value.__cause__)


def test_a_class_that_is_not_loaded_here_is_named() -> None:
    with pytest.raises(RankFailed, match="HiddenError: cannot be found elsewhere") as caught:
        launch(b"", raises_local_class, FOUR)
    assert caught.value.rank == 1
    assert caught.value.exitcode is None


def test_a_keyboard_interrupt_in_a_rank_does_not_interrupt_the_caller() -> None:
    with pytest.raises(RankFailed, match="KeyboardInterrupt"):
        launch(b"", interrupts, FOUR)


def test_a_segmentation_fault_shows_the_python_stack() -> None:
    with pytest.raises(RankFailed) as caught:
        launch(b"", segfaults, FOUR)
    assert "Segmentation fault" in str(caught.value.__cause__)
    assert "segfaults" in str(caught.value.__cause__)


def echo_after_death(_: bytes) -> bytes:
    """Rank 1 dies; the others notice through a socket and raise, as a collective does."""
    import socket

    rank = current_rank()
    store = os.environ["FLEDGE_TEST_STORE"]
    if rank.rank == 1:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(store)
            server.listen(8)
            peers = [server.accept()[0] for _ in range(3)]
            os.kill(os.getpid(), int(os.environ["FLEDGE_TEST_SIGNAL"])) if peers else None
    while not os.path.exists(store):
        os.sched_yield()
    client = socket.socket(socket.AF_UNIX)
    while client.connect_ex(store):
        os.sched_yield()
    if not client.recv(1):
        raise RuntimeError(f"Connection closed by peer [127.0.0.1]:{10000 + rank.rank}")
    return b""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT, signal.SIGSEGV, signal.SIGTERM])
@pytest.mark.parametrize("repeat", range(2))
def test_the_dead_rank_is_blamed_and_its_peers_are_one_line(
    number: int, repeat: int, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEDGE_TEST_STORE", f"{tmp_path}/s")
    monkeypatch.setenv("FLEDGE_TEST_SIGNAL", str(int(number)))
    with pytest.raises(RankFailed) as caught:
        launch(b"", echo_after_death, FOUR)
    assert (caught.value.rank, caught.value.signal) == (1, number)
    (line,) = caught.value.peers
    assert line.startswith("ranks 0, 2, 3: RuntimeError: Connection closed by peer")


def hangs(_: bytes) -> bytes:
    if current_rank().rank in (1, 3):
        wait_for_ever()
    return b"done"


def hangs_in_native_code(_: bytes) -> bytes:
    import select

    if current_rank().rank == 1:
        select.select([], [], [])
    return b"done"


@pytest.mark.parametrize("options", [{"timeout_s": 1.5}, {"stall_timeout_s": 1.5}], ids=["timeout", "stall"])
def test_a_hang_ends_with_the_stacks_of_the_ranks_that_had_not_returned(options: dict[str, float]) -> None:
    with pytest.raises(RankTimeout, match="2 of 4 ranks had returned") as caught:
        launch(b"", hangs, Ranks(nproc=4, preload=PRELOAD, **options))  # type: ignore[arg-type]  # one float option
    assert caught.value.missing == (1, 3)
    assert set(caught.value.stacks) == {1, 3}
    assert all("in wait_for_ever" in stack for stack in caught.value.stacks.values())
    assert str(caught.value).startswith("ranks 1, 3 ")


def test_a_rank_in_native_code_gives_its_stack_too() -> None:
    with pytest.raises(RankTimeout) as caught:
        launch(b"", hangs_in_native_code, Ranks(nproc=4, preload=PRELOAD, timeout_s=1.5))
    assert "in hangs_in_native_code" in caught.value.stacks[1]


def crashes_when_asked(payload: bytes) -> bytes:
    """Rank 1 fails; rank 0 crashes in the middle of its answer, as the interpreter's dump of frames does at times."""
    if current_rank().rank == 1:
        os.wait() if os.fork() else os._exit(0)  # a moment of the kernel's, so that rank 0 is likely to wait below
        raise ValueError("the cause") if payload == b"raise" else os.abort()
    stacks = signal.set_wakeup_fd(-1)

    def crash(number: int, frame: object) -> None:
        os.write(stacks, b"Current thread 0x1 (most recent call first):\n")
        faulthandler.disable()
        os.kill(os.getpid(), signal.SIGSEGV)

    faulthandler.unregister(signal.SIGUSR2)
    signal.signal(signal.SIGUSR2, crash)
    wait_for_ever()
    return b""


@pytest.mark.parametrize(("payload", "kind"), [(b"raise", ValueError), (b"abort", RankFailed)])
def test_a_rank_that_crashes_because_it_was_asked_for_its_stack_is_not_blamed(
    payload: bytes, kind: type[Exception]
) -> None:
    launched: list[Launched] = []
    with pytest.raises(kind) as caught:
        run_ranks(payload, crashes_when_asked, Ranks(nproc=2, preload=PRELOAD), on_end=launched.append)
    assert getattr(caught.value, "rank", 1) == 1
    assert not [note for note in getattr(caught.value, "__notes__", ()) if "SIGSEGV" in note]
    assert [report.state for report in launched[0].reports] == ["stopped", "failed"]


def ignores_sigterm(_: bytes) -> bytes:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if current_rank().rank == 1:
        raise ValueError("first")
    wait_for_ever()
    return b""


def test_a_rank_that_ignores_sigterm_is_killed_after_the_grace_time() -> None:
    with pytest.raises(ValueError, match="first"):
        launch(b"", ignores_sigterm, Ranks(nproc=2, preload=PRELOAD, grace_s=0.1))


def ignores(payload: bytes) -> bytes:
    if str(current_rank().rank) in payload.decode():
        raise IgnoreOutputs(f"rank {current_rank().rank}")
    return b"value"


def ignores_as_cause(_: bytes) -> bytes:
    try:
        raise IgnoreOutputs
    except IgnoreOutputs as exc:
        raise RuntimeError("wrapped") from exc


def test_ranks_that_ignore_leave_the_leaders_value() -> None:
    launched = run_ranks(b"13", ignores, FOUR)
    assert launched.values == {0: b"value"}
    assert launched.ignored == {1, 3}
    assert [report.state for report in launched.reports] == ["returned", "ignored", "returned", "ignored"]


def test_a_leader_that_ignores_is_an_error() -> None:
    with pytest.raises(LeaderIgnored, match="rank 0, the leader"):
        launch(b"0", ignores, FOUR)


@pytest.mark.parametrize(("body", "payload"), [(ignores, b"0123"), (ignores_as_cause, b"")])
def test_all_ranks_ignoring_is_an_error_of_its_own(body: Callable[[bytes], bytes], payload: bytes) -> None:
    with pytest.raises(LeaderIgnored, match="all 4 ranks"):
        launch(payload, body, FOUR)


def returns_text(_: bytes) -> object:
    return "text" if current_rank().rank == 0 else b""


def test_a_result_that_is_not_bytes_is_a_type_error_naming_the_function() -> None:
    with pytest.raises(TypeError, match="returns_text returned str"):
        launch(b"", returns_text, FOUR)


def returns_much(payload: bytes) -> bytes:
    return payload * 100


def test_a_hundred_megabytes_come_back_whole() -> None:
    block = os.urandom(1 << 20)
    assert launch(block, returns_much, Ranks(nproc=2, preload=PRELOAD)) == block * 100


def fails_until_restart(payload: bytes) -> bytes:
    restart = int(os.environ["TORCHELASTIC_RESTART_COUNT"])
    if current_rank().rank == 1 and restart < int(payload):
        raise RecoverableError(f"restart {restart}")
    return b"%d of %s" % (restart, os.environ["TORCHELASTIC_MAX_RESTARTS"].encode())


def test_all_ranks_are_started_again_up_to_max_restarts() -> None:
    assert launch(b"2", fails_until_restart, Ranks(nproc=2, preload=PRELOAD, max_restarts=2)) == b"2 of 2"
    with pytest.raises(RecoverableError, match="restart 1"):
        launch(b"2", fails_until_restart, Ranks(nproc=2, preload=PRELOAD, max_restarts=1))


def test_reports_tell_of_every_attempt_when_each_rank_ran() -> None:
    before = datetime.now(timezone.utc)
    launched = run_ranks(b"1", fails_until_restart, Ranks(nproc=2, preload=PRELOAD, max_restarts=1))
    after = datetime.now(timezone.utc)
    found = {(one.restart, one.rank): one for one in launched.reports}
    assert list(found) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert found[0, 1].headline == "RecoverableError: restart 0"
    assert [found[key].state for key in ((0, 1), (1, 0), (1, 1))] == ["failed", "returned", "returned"]
    for one in launched.reports:
        assert one.started is not None
        assert one.ended is not None
        assert before <= one.started <= one.ended <= after
        assert one.peak_mib > 1
    assert "<th>restart</th>" in as_html(launched.reports)


def fails_for_good(_: bytes) -> bytes:
    raise NonRecoverableError(os.environ["TORCHELASTIC_RESTART_COUNT"])


def test_an_error_that_no_retry_can_help_is_not_restarted() -> None:
    with pytest.raises(NonRecoverableError) as caught:
        launch(b"", fails_for_good, Ranks(nproc=2, preload=PRELOAD, max_restarts=3))
    assert caught.value.args == ("0",)


def leaves_children(_: bytes) -> bytes:
    """A plain child, and one in a session of its own that ignores SIGTERM."""
    for daemon in (False, True):
        if os.fork() == 0:
            if daemon:
                os.setsid()
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
            wait_for_ever()
    return b"%d" % os.getpid()


def test_children_of_a_rank_end_with_the_run() -> None:
    assert launch(b"", leaves_children, Ranks(nproc=2, preload=PRELOAD, grace_s=0.2))


def test_a_preload_that_cannot_be_imported_is_named() -> None:
    with pytest.raises(LaunchError, match="preload 'no_such_module' cannot be imported: ModuleNotFoundError"):
        launch(b"", hangs, Ranks(preload=("no_such_module",)))


def test_a_closure_variable_that_cannot_be_pickled_is_named_before_any_rank_starts() -> None:
    lock = threading.Lock()

    def body(_: bytes) -> bytes:
        with lock:
            return b""

    with pytest.raises(LaunchError, match=r"its variable 'lock' \(lock\) cannot be pickled"):
        launch(b"", body, Ranks())


def test_a_target_that_does_not_exist_is_named() -> None:
    with pytest.raises(LaunchError, match="has no function 'nothing'"):
        launch(b"", "os.path:nothing", Ranks())
    with pytest.raises(LaunchError, match="module:function"):
        launch(b"", "os.path", Ranks())
    with pytest.raises(ModuleNotFoundError) as caught:
        launch(b"", "no_such_module:f", Ranks())
    assert caught.value.name == "no_such_module"
