"""Local call with a text of 1 KB."""

from __future__ import annotations

from collections.abc import Callable

TARGET = 3.0
TEXT = "x" * 1024


def floor() -> Callable[[], object]:
    from benchmarks.tasks.bare import trip

    return lambda: trip(lambda text: text, {"text": "str"}, "str", {"text": TEXT})


def fledge() -> Callable[[], object]:
    from benchmarks.tasks.fledge_tasks import echo

    return lambda: echo(text=TEXT)


def flytekit() -> Callable[[], object]:
    from benchmarks.tasks.flytekit_tasks import echo, forget

    def work() -> object:
        forget()
        return echo(text=TEXT)

    return work
