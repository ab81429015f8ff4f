"""A chain of 100 nodes from the decorator to bytes (floor: the messages filled by hand)."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.tasks import chains

TARGET = 4.0


def floor() -> Callable[[], object]:
    return chains.floor(100)


def fledge() -> Callable[[], object]:
    return chains.fledge(100)


def flytekit() -> Callable[[], object]:
    return chains.flytekit(100)
