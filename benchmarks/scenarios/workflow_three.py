"""A workflow of three nodes, local (floor: each node's inputs from the literals above, a trip each)."""

from __future__ import annotations

from collections.abc import Callable

TARGET = 4.0


def floor() -> Callable[[], object]:
    from flyteidl.core.literals_pb2 import LiteralMap

    from benchmarks.tasks.bare import TRIPS

    put, take = TRIPS["int"]

    def add(a: int, b: int) -> int:
        return a + b

    def work() -> object:
        inputs = LiteralMap()
        put(inputs.literals["x"], 1)
        last = inputs.literals["x"]
        for _ in range(3):
            given = LiteralMap()
            given.literals["a"].CopyFrom(last)
            put(given.literals["b"], 1)
            native = {name: take(given.literals[name]) for name in ("a", "b")}
            made = LiteralMap()
            put(made.literals["o0"], add(**native))
            last = made.literals["o0"]
        return take(last)

    return work


def fledge() -> Callable[[], object]:
    from benchmarks.tasks.fledge_workflows import three

    return lambda: three(x=1)


def flytekit() -> Callable[[], object]:
    from benchmarks.tasks.flytekit_tasks import forget
    from benchmarks.tasks.flytekit_workflows import three

    def work() -> object:
        forget()
        return three(x=1)

    return work
