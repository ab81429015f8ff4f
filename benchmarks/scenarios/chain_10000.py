"""A chain of 10,000 nodes from the decorator to bytes (floor: the messages filled by hand)."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.tasks import chains

TARGET = 4.0


def floor() -> Callable[[], object]:
    return chains.floor(10_000)


def fledge() -> Callable[[], object]:
    return chains.fledge(10_000)


def flytekit() -> Callable[[], object]:
    return chains.flytekit(10_000)
