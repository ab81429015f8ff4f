"""dict[str, float] of 1,000 there and back."""

from __future__ import annotations

from collections.abc import Callable

TARGET = 1.5
WEIGHTS = {f"key {number}": number / 7 for number in range(1_000)}


def floor() -> Callable[[], object]:
    from benchmarks.tasks.bare import trip

    return lambda: trip(lambda weights: weights, {"weights": "floats"}, "floats", {"weights": WEIGHTS})


def fledge() -> Callable[[], object]:
    from benchmarks.tasks.fledge_tasks import scale

    return lambda: scale(weights=WEIGHTS)


def flytekit() -> Callable[[], object]:
    from benchmarks.tasks.flytekit_tasks import forget, scale

    def work() -> object:
        forget()
        return scale(weights=WEIGHTS)

    return work
