"""A cache hit with an input of 1 KB (floor: hash the inputs, read the file, check it, parse it)."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

TARGET_S = 40e-6
TARGET_OF_FLYTEKIT = 0.25
TEXT = "x" * 1024


def floor() -> Callable[[], object]:
    from hashlib import sha256

    from flyteidl.core.literals_pb2 import LiteralMap

    def outputs() -> bytes:
        made = LiteralMap()
        made.literals["o0"].scalar.primitive.string_value = TEXT
        return made.SerializeToString(deterministic=True)

    def place() -> str:
        given = LiteralMap()
        given.literals["text"].scalar.primitive.string_value = TEXT
        return sha256(given.SerializeToString(deterministic=True)).hexdigest()

    Path(place()).write_bytes(sha256(outputs()).digest() + outputs())

    def work() -> object:
        with open(place(), "rb", buffering=0) as file:
            data = file.read()
        if sha256(data[32:]).digest() != data[:32]:
            raise ValueError("the file is damaged")
        return LiteralMap.FromString(data[32:]).literals["o0"].scalar.primitive.string_value

    return work


def fledge() -> Callable[[], object]:
    from benchmarks.tasks.fledge_tasks import remembered

    return lambda: remembered(text=TEXT)


def flytekit() -> Callable[[], object]:
    os.environ["HOME"] = str(Path("flytekit-home").absolute())  # its cache is below the home folder, always
    from benchmarks.tasks.flytekit_tasks import forget, remembered

    def work() -> object:
        forget()
        return remembered(text=TEXT)

    return work
