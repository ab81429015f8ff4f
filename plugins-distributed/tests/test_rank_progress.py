"""Progress of ranks in the caller: under the rank's name, to its end, and nothing where nobody listens."""

from __future__ import annotations

import os
import signal
import threading
from collections import defaultdict

import pytest

from fledge import task
from fledge.errors import RecoverableError
from fledge.progress import ProgressReport, is_wanted, shown_to, tracked
from fledge_distributed import RankFailed, Ranks, current_rank
from fledge_distributed.launcher import launch

PRELOAD = ("pytest",)
TWO = Ranks(nproc=2, preload=PRELOAD)


@task(task_config=TWO)
def counts(rows: int) -> bool:
    with tracked("rows", rows, "rows") as tracker:
        for _ in range(rows):
            tracker.advance()
    return is_wanted()


@task(task_config=TWO)
def counts_in_threads_and_children(rows: int) -> int:
    threads = [threading.Thread(target=counts_once, args=(f"part {part}", rows)) for part in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    child = os.fork()
    if child == 0:
        counts_once("of a child", rows)
        os._exit(0)
    os.waitpid(child, 0)
    return rows


def counts_once(name: str, rows: int) -> None:
    with tracked(name, rows) as tracker:
        tracker.advance(rows)


def dies_on_the_way(_: bytes) -> bytes:
    with tracked("epochs", 10) as tracker:
        tracker.advance(3)
        if current_rank().rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        threading.Event().wait()
    return b""


def succeeds_at_second(_: bytes) -> bytes:
    counts_once("step", 2)
    if os.environ["TORCHELASTIC_RESTART_COUNT"] == "0" and current_rank().rank == 1:
        raise RecoverableError("again")
    return b"done"


@task(task_config=TWO)
def starts_ranks() -> bool:
    return counts(rows=4) if current_rank().is_leader else False


def by_work(heard: list[ProgressReport]) -> dict[int, list[ProgressReport]]:
    works: dict[int, list[ProgressReport]] = defaultdict(list)
    for one in heard:
        works[one.number].append(one)
    return works


def ends(heard: list[ProgressReport]) -> list[tuple[str, float, str]]:
    return sorted((last.name, last.done, last.state) for *_, last in by_work(heard).values())


def test_what_a_body_counts_is_heard_under_its_rank_and_so_are_the_ranks() -> None:
    heard: list[ProgressReport] = []
    with shown_to(heard.append):
        assert counts(rows=5)
    name = f"ranks of {counts.name}"
    assert ends(heard) == [("rank 0: rows", 5, "finished"), ("rank 1: rows", 5, "finished"), (name, 2, "finished")]
    assert {(one.total, one.unit) for one in heard if one.name == name} == {(2, "ranks")}
    for reports in by_work(heard).values():
        assert [one.done for one in reports] == sorted(one.done for one in reports)
        assert [one.state for one in reports[:-1]] == ["running"] * (len(reports) - 1)


def counts_and_writes(_: bytes) -> bytes:
    with tracked("lines", 2000) as tracker:
        for number in range(2000):
            print(f"line {number}")
            tracker.reach(number)
    return b""


def test_reports_do_not_mix_with_lines() -> None:
    lines: dict[int, list[str]] = {0: [], 1: []}
    with shown_to(lambda one: None):
        launch(b"", counts_and_writes, TWO, on_log=lambda rank, stream, line: lines[rank].append(line))
    assert lines == {rank: [f"line {number}" for number in range(2000)] for rank in range(2)}


def test_ranks_count_nothing_when_nobody_listens() -> None:
    assert not counts(rows=5)


def test_threads_of_ranks_are_heard_and_their_children_disturb_nobody() -> None:
    heard: list[ProgressReport] = []
    with shown_to(heard.append):
        assert counts_in_threads_and_children(rows=7) == 7
    expected = [(f"rank {rank}: part {part}", 7, "finished") for rank in range(2) for part in range(3)]
    assert [end for end in ends(heard) if end[0].startswith("rank ")] == expected


def test_what_a_lost_rank_and_its_peers_were_doing_has_failed() -> None:
    heard: list[ProgressReport] = []
    with shown_to(heard.append), pytest.raises(RankFailed):
        launch(b"", dies_on_the_way, TWO)
    name = f"ranks of {__name__}:dies_on_the_way"
    assert [(one, state) for one, _, state in ends(heard)] == [
        ("rank 0: epochs", "failed"),
        ("rank 1: epochs", "failed"),
        (name, "failed"),
    ]


def test_ranks_that_start_again_are_other_works() -> None:
    heard: list[ProgressReport] = []
    with shown_to(heard.append):
        assert launch(b"", succeeds_at_second, Ranks(nproc=2, preload=PRELOAD, max_restarts=1)) == b"done"
    assert [end for end in ends(heard) if end[0] == "rank 1: step"] == [("rank 1: step", 2, "finished")] * 2


def test_ranks_of_ranks_are_heard() -> None:
    heard: list[ProgressReport] = []
    with shown_to(heard.append):
        assert starts_ranks()
    names = {one.name for one in heard}
    assert {"rank 0: rank 0: rows", "rank 0: rank 1: rows", f"rank 0: ranks of {counts.name}"} <= names


def stays_alive_by_counting(_: bytes) -> bytes:
    """Writes no line for longer than the limit, but counts."""
    with tracked("steps") as tracker:
        for _step in range(6):
            threading.Event().wait(0.3)
            tracker.advance()
    return b"done"


def test_counting_is_a_sign_of_life_also_when_nobody_listens() -> None:
    config = Ranks(nproc=1, preload=PRELOAD, stall_timeout_s=1.2)
    assert launch(b"", stays_alive_by_counting, config) == b"done"
