"""Local call add(1, 2)."""

from __future__ import annotations

from collections.abc import Callable

TARGET = 3.0
INPUTS = {"a": "int", "b": "int"}


def floor() -> Callable[[], object]:
    from benchmarks.tasks.bare import trip

    return lambda: trip(lambda a, b: a + b, INPUTS, "int", {"a": 1, "b": 2})


def fledge() -> Callable[[], object]:
    from benchmarks.tasks.fledge_tasks import add

    return lambda: add(a=1, b=2)


def flytekit() -> Callable[[], object]:
    from benchmarks.tasks.flytekit_tasks import add, forget

    def work() -> object:
        forget()
        return add(a=1, b=2)

    return work
