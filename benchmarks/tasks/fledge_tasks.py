"""The tasks that scenarios call, as a user of fledge writes them."""

from __future__ import annotations

from dataclasses import dataclass

from fledge import task

__all__ = ["Point", "add", "echo", "moved", "remembered", "reverse", "scale", "ten"]


@dataclass
class Point:
    x: int
    y: float
    name: str


@task
def add(a: int, b: int) -> int:
    return a + b


@task
def ten(a: int, b: int, c: int, d: int, e: int, f: float, g: float, h: str, i: str, j: bool) -> int:
    return a + b + c + d + e


@task
def echo(text: str) -> str:
    return text


@task
def moved(point: Point) -> Point:
    return Point(point.x + 1, point.y, point.name)


@task
def reverse(numbers: list[int]) -> list[int]:
    return numbers[::-1]


@task
def scale(weights: dict[str, float]) -> dict[str, float]:
    return weights


@task(cache=True, cache_version="1")
def remembered(text: str) -> str:
    return text
