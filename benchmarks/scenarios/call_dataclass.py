"""Local call with a small dataclass there and back (floor: msgpack in a binary literal)."""

from __future__ import annotations

from collections.abc import Callable

TARGET = 3.0


def floor() -> Callable[[], object]:
    from dataclasses import dataclass

    import msgspec
    from flyteidl.core.literals_pb2 import Literal, LiteralMap

    @dataclass
    class Point:
        x: int
        y: float
        name: str

    pack, unpack = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(dict).decode

    def put(literal: Literal, point: Point) -> None:
        literal.scalar.binary.value = pack({"x": point.x, "y": point.y, "name": point.name})
        literal.scalar.binary.tag = "msgpack"

    def work() -> object:
        given, made = LiteralMap(), LiteralMap()
        put(given.literals["point"], Point(1, 2.5, "here"))
        point = Point(**unpack(given.literals["point"].scalar.binary.value))
        put(made.literals["o0"], Point(point.x + 1, point.y, point.name))
        return Point(**unpack(made.literals["o0"].scalar.binary.value))

    return work


def fledge() -> Callable[[], object]:
    from benchmarks.tasks.fledge_tasks import Point, moved

    return lambda: moved(point=Point(1, 2.5, "here"))


def flytekit() -> Callable[[], object]:
    from benchmarks.tasks.flytekit_tasks import Point, forget, moved

    def work() -> object:
        forget()
        return moved(point=Point(1, 2.5, "here"))

    return work
