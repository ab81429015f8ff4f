"""Local call with ten inputs."""

from __future__ import annotations

from collections.abc import Callable

TARGET = 3.0
INPUTS = {**dict.fromkeys("abcde", "int"), "f": "float", "g": "float", "h": "str", "i": "str", "j": "bool"}


def total(a: int, b: int, c: int, d: int, e: int, f: float, g: float, h: str, i: str, j: bool) -> int:
    return a + b + c + d + e


def floor() -> Callable[[], object]:
    from benchmarks.tasks.bare import trip

    values = {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 1.5, "g": 2.5, "h": "x", "i": "y", "j": True}
    return lambda: trip(total, INPUTS, "int", values)


def fledge() -> Callable[[], object]:
    from benchmarks.tasks.fledge_tasks import ten

    return lambda: ten(a=1, b=2, c=3, d=4, e=5, f=1.5, g=2.5, h="x", i="y", j=True)


def flytekit() -> Callable[[], object]:
    from benchmarks.tasks.flytekit_tasks import forget, ten

    def work() -> object:
        forget()
        return ten(a=1, b=2, c=3, d=4, e=5, f=1.5, g=2.5, h="x", i="y", j=True)

    return work
