"""Where the other ranks were: when one fails, when the task's own time is up, and when not all of them have met."""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import threading
from collections.abc import Callable

import pytest

from fledge import base_task, task
from fledge.errors import TaskTimeoutError
from fledge_distributed import RankFailed, Ranks, RankTimeout, current_rank, hooks
from fledge_distributed.attempt import Attempt
from fledge_distributed.errors import RemoteTraceback
from fledge_distributed.launcher import launch, run_ranks
from fledge_distributed.stacks import whereabouts

PRELOAD = ("pytest",)
FOUR = Ranks(nproc=4, preload=PRELOAD)


def waits_here() -> None:
    threading.Event().wait()


def waits_there() -> None:
    import select

    select.select([], [], [])


def meet(expected: int) -> socket.socket:
    """As a framework's store does it: rank 0 listens, everybody connects; returns when `expected` ranks have."""
    address = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    if current_rank().rank == 0:
        server = socket.create_server(address)
        threading.Thread(target=serve, args=(server, expected), daemon=True).start()
    client = socket.socket()
    while client.connect_ex(address) != 0:
        client.close()
        os.sched_yield()
        client = socket.socket()
    assert client.recv(1)
    return client


def serve(server: socket.socket, expected: int) -> None:
    clients = [server.accept()[0] for _ in range(expected)]
    for client in clients:
        client.send(b"!")
    threading.Event().wait()


def fails_when_all_have_started(payload: bytes) -> bytes:
    store = meet(4)
    rank = current_rank().rank
    if rank == 1:
        fail(payload, 0)
    (waits_there if rank == 2 else waits_here)()
    return store.recv(1)


def fail(payload: bytes, depth: int) -> None:
    if depth < 100:
        fail(payload, depth + 1)
    if payload == b"kill":
        os.kill(os.getpid(), signal.SIGKILL)
    raise ValueError("deep")


@pytest.mark.parametrize(("payload", "kind"), [(b"raise", ValueError), (b"kill", RankFailed)])
def test_the_stacks_of_the_ranks_that_had_not_failed_go_along(payload: bytes, kind: type[Exception]) -> None:
    with pytest.raises(kind) as caught:
        launch(payload, fails_when_all_have_started, FOUR)
    cause = caught.value.__cause__
    assert isinstance(cause, RemoteTraceback)
    assert 1 not in cause.stacks
    for rank, stack in cause.stacks.items():
        assert ("in waits_there" if rank == 2 else "in waits_here") in stack or "in meet" in stack
        assert "fledge_distributed" not in stack
    assert set(cause.stacks) == {0, 2, 3}


def test_the_report_of_a_failure_has_at_most_forty_lines_and_says_where_the_others_were() -> None:
    with pytest.raises(ValueError, match="deep") as caught:
        launch(b"raise", fails_when_all_have_started, FOUR)
    notes = caught.value.__notes__
    assert notes[0] == "rank 1 of 4 (local 1, node 0)"
    assert any(re.search(rf'was at File "{__file__}", line \d+ in ', note) for note in notes[1:]), notes
    assert len(str(caught.value.__cause__).splitlines()) + sum(len(note.splitlines()) for note in notes) <= 40


def test_places_are_grouped_and_few() -> None:
    def stack(line: int) -> str:
        return (
            f'Thread 0x1 (most recent call first):\n  File "other.py", line 1 in other\n'
            f'Current thread 0x{line} (most recent call first):\n  File "{threading.__file__}", line 3 in wait\n'
            f'  File "train.py", line {line} in train'
        )

    assert whereabouts({0: stack(7), 2: stack(7), 3: stack(8)}) == [
        'ranks 0, 2 were at File "train.py", line 7 in train',
        'rank 3 was at File "train.py", line 8 in train',
    ]
    assert len(whereabouts({rank: stack(rank) for rank in range(64)})) == 4
    assert whereabouts({0: ""}) == []


def test_a_place_is_the_users_not_one_of_fledge_or_of_a_plugin_that_their_line_led_to() -> None:
    """A rank that is still importing the user's module is deep in the loading of plugins, installed as files or not."""
    own = f'  File "{hooks.__file__}", line 3 in <module>\n  File "{base_task.__file__}", line 5 in __call__\n'
    standard = f'  File "{threading.__file__}", line 3 in wait\n'
    begin = f"Current thread 0x1 (most recent call first):\n{standard}{own}"
    users = '  File "train.py", line 7 in <module>\n  File "main.py", line 1 in main\n'
    installed = '  File "/x/site-packages/program.py", line 9 in run\n'
    assert whereabouts({0: begin + users + installed}) == ['rank 0 was at File "train.py", line 7 in <module>']
    assert whereabouts({0: begin + installed}) == ['rank 0 was at File "/x/site-packages/program.py", line 9 in run']
    assert whereabouts({0: begin, 2: begin}) == ["ranks 0, 2 were at no line of yours: not begun yet, or about to end"]


# -- the task's own time -----------------------------------------------------------------------------------------------


@task(task_config=Ranks(nproc=3, preload=PRELOAD), timeout=2)
def hangs() -> int:
    if current_rank().rank == 2:
        return 1
    (waits_there if current_rank().rank else waits_here)()
    return 0


def in_main_thread() -> None:
    with pytest.raises(TaskTimeoutError):
        hangs()


class TimeIsUpThen(Attempt):
    """The time of the run is up while a failure settles."""

    def _on_failure(self) -> None:
        super()._on_failure()
        self._on_late("did not end in time")


def test_a_failure_just_before_the_time_is_up_is_the_one_that_is_raised() -> None:
    with pytest.raises(ValueError, match="deep"):
        run_ranks(b"raise", fails_when_all_have_started, FOUR, attempt_type=TimeIsUpThen)


def in_another_thread() -> None:
    thread = threading.Thread(target=in_main_thread)
    thread.start()
    thread.join()


@pytest.mark.parametrize("call", [in_main_thread, in_another_thread])
def test_the_stacks_of_all_ranks_are_in_the_log_when_the_tasks_time_is_up(
    call: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="fledge.distributed"):
        call()
    (record,) = [record for record in caplog.records if record.name == "fledge.distributed"]
    text = record.getMessage()
    assert text.startswith("ranks 0, 1 had not returned when the task's time was up; 1 of 3 ranks had returned")
    assert "in waits_here" in text
    assert "in waits_there" in text


def stops(_: bytes) -> bytes:
    if current_rank().rank == 1:
        os.kill(os.getpid(), signal.SIGSTOP)
    waits_here()
    return b""


def test_a_rank_that_cannot_answer_is_named_all_the_same() -> None:
    with pytest.raises(RankTimeout) as caught:
        launch(b"", stops, Ranks(nproc=2, preload=PRELOAD, timeout_s=1.5, grace_s=0.1))
    assert caught.value.missing == (0, 1)
    assert "in waits_here" in caught.value.stacks[0]
    assert caught.value.stacks[1] == ""
    assert "rank 1 of 2 (local 1, node 0):\n  (no stack: it did not answer)" in str(caught.value)


def waits_beside_a_thread(_: bytes) -> bytes:
    threading.Thread(target=goes_deep, args=(20,), daemon=True).start()
    waits_here()
    return b""


def goes_deep(depth: int) -> None:
    goes_deep(depth - 1) if depth else waits_there()


def test_of_a_rank_with_threads_the_message_shows_the_main_one() -> None:
    with pytest.raises(RankTimeout) as caught:
        launch(b"", waits_beside_a_thread, Ranks(nproc=2, preload=PRELOAD, timeout_s=1.5))
    assert "in waits_here" in str(caught.value)
    assert "ranks 0, 1:\n  Current thread" in str(caught.value)
    assert all("in goes_deep" in stack for stack in caught.value.stacks.values())


# -- the rendezvous ----------------------------------------------------------------------------------------------------


def rank_two_stays_away(_: bytes) -> bytes:
    if current_rank().rank == 2:
        waits_here()
    store = meet(3)
    waits_there()
    return store.recv(1)


def test_ranks_that_have_not_joined_are_named() -> None:
    with pytest.raises(RankTimeout) as caught:
        launch(b"", rank_two_stays_away, Ranks(nproc=4, preload=PRELOAD, rendezvous_timeout_s=2.5))
    first = str(caught.value).splitlines()[0]
    assert first == "rank 2 did not join within rendezvous_timeout_s=2.5 s; 3 of 4 ranks joined"
    assert caught.value.missing == (2,)
    assert set(caught.value.stacks) == {0, 1, 2, 3}
    assert "in waits_here" in caught.value.stacks[2]


def joins_and_works_on(_: bytes) -> bytes:
    store = meet(2)
    threading.Event().wait(3.0)  # beyond the limit for joining
    return b"%d" % store.fileno()


def test_ranks_that_have_joined_may_take_their_time() -> None:
    assert launch(b"", joins_and_works_on, Ranks(nproc=2, preload=PRELOAD, rendezvous_timeout_s=2.5))
