"""list[int] of 1,000 there and back."""

from __future__ import annotations

from collections.abc import Callable

TARGET = 1.5
NUMBERS = list(range(1_000))


def floor() -> Callable[[], object]:
    from benchmarks.tasks.bare import trip

    return lambda: trip(lambda numbers: numbers[::-1], {"numbers": "ints"}, "ints", {"numbers": NUMBERS})


def fledge() -> Callable[[], object]:
    from benchmarks.tasks.fledge_tasks import reverse

    return lambda: reverse(numbers=NUMBERS)


def flytekit() -> Callable[[], object]:
    from benchmarks.tasks.flytekit_tasks import forget, reverse

    def work() -> object:
        forget()
        return reverse(numbers=NUMBERS)

    return work
