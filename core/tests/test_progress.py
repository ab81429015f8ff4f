"""Reports of progress: first and last are always sent, nothing without a listener, a bad listener hurts nobody."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fledge.progress import ProgressReport, is_wanted, next_number, shown_to, tracked


@given(st.lists(st.floats(0, 1e9), max_size=20), st.sampled_from(["", "bytes"]), st.none() | st.floats(1, 1e9))
def test_the_last_report_has_the_whole_sum_and_none_falls(parts: list[float], unit: str, total: float | None) -> None:
    seen: list[ProgressReport] = []
    with shown_to(seen.append), tracked("sum", total, unit) as tracker:
        for part in parts:
            tracker.advance(part)
    assert [one.done for one in seen] == sorted(one.done for one in seen)
    assert seen[-1].done == pytest.approx(sum(parts))
    assert {(one.name, one.unit, one.total) for one in seen} == {("sum", unit, total)}
    assert [one.state for one in seen] == ["running"] * (len(seen) - 1) + ["finished"]
    assert len({one.number for one in seen}) == 1


@given(st.lists(st.floats(0, 100), max_size=10))
def test_what_is_reached_never_falls(reached: list[float]) -> None:
    seen: list[ProgressReport] = []
    with shown_to(seen.append), tracked("query", 100, "%") as tracker:
        for done in reached:
            tracker.reach(done)
    assert seen[-1].done == max(reached, default=0)


def test_work_that_fails_says_so_and_the_exception_is_the_same() -> None:
    seen: list[ProgressReport] = []
    error = ValueError("no")
    with shown_to(seen.append), pytest.raises(ValueError, match="no") as caught, tracked("work"):
        raise error
    assert caught.value is error
    assert seen[-1].state == "failed"


def test_nobody_hears_anything_outside_the_block() -> None:
    seen: list[ProgressReport] = []
    assert not is_wanted()
    with tracked("before") as tracker:
        tracker.advance()
        with shown_to(seen.append):
            assert is_wanted()
        tracker.advance()
    assert not is_wanted()
    assert seen == []


def test_numbers_for_reports_from_elsewhere_are_nobody_elses() -> None:
    heard: list[ProgressReport] = []
    with shown_to(heard.append):
        number = next_number()
        with tracked("work"):
            pass
    assert number not in {one.number for one in heard} | {next_number()}


def test_two_pieces_of_work_of_one_name_are_told_apart() -> None:
    seen: list[ProgressReport] = []
    with shown_to(seen.append), tracked("upload"), tracked("upload"):
        pass
    assert len({one.number for one in seen}) == 2


def test_a_listener_that_raises_is_logged_once_and_the_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[ProgressReport] = []

    def broken(one: ProgressReport) -> None:
        raise RuntimeError(one.name)

    with caplog.at_level(logging.ERROR, "fledge.progress"), shown_to(broken), shown_to(seen.append), tracked("work"):
        pass
    assert [one.state for one in seen] == ["running", "finished"]
    assert len(caplog.records) == 1


def test_threads_lose_no_count() -> None:
    seen: list[ProgressReport] = []

    def work(amounts: Iterable[int]) -> None:
        for amount in amounts:
            tracker.advance(amount)

    with shown_to(seen.append), tracked("rows", unit="rows") as tracker:
        threads = [threading.Thread(target=work, args=([1] * 1_000,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert seen[-1].done == 8_000


def test_the_total_may_become_known_on_the_way() -> None:
    seen: list[ProgressReport] = []
    with shown_to(seen.append), tracked("rows") as tracker:
        tracker.reach(3, total=12)
    assert (seen[0].total, seen[-1].total) == (None, 12)
