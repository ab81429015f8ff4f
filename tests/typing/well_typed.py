"""What type checkers accept: `@task` and `@workflow` keep parameters and results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from fledge import FlyteFile, Interface, PythonTask, RecoverableError, TaskMetadata, kwtypes, task, workflow


class Parts(NamedTuple):
    whole: int
    rest: int


@dataclass
class Row:
    name: str
    price: float


@task
def add(a: int, b: int = 1) -> int:
    """Plain."""
    return a + b


@task(retries=2, timeout=60, cache=True, cache_version="1", environment={"MODE": "test"})
def divide(a: int, b: int) -> Parts:
    if b == 0:
        raise RecoverableError("try again")
    return Parts(*divmod(a, b))


@task
def total(rows: list[Row], by: dict[str, float] | None = None) -> float:
    return sum(row.price * (by or {}).get(row.name, 1.0) for row in rows)


@task
def first_line(file: FlyteFile[Literal["csv"]]) -> str:
    with open(file, encoding="utf-8") as lines:
        return lines.readline()


@task
async def later(a: int) -> int:
    return a


@workflow
def chain(a: int) -> int:
    return add(a=divide(a=a, b=2).whole)


class Shout(PythonTask[None]):
    def __init__(self, name: str) -> None:
        super().__init__("shout", name, interface=Interface(kwtypes(s=str), kwtypes(o0=str)))

    def execute(self, **kwargs: str) -> str:
        return kwargs["s"].upper()


def use() -> None:
    number: int = add(1, b=2)
    whole: int = divide(a=7, b=2).whole
    price: float = total(rows=[Row("a", 1.0)])
    chained: int = chain(a=number)
    plain: Callable[[int, int], int] = add.task_function
    metadata: TaskMetadata = add.metadata
    name: str = add.name
    print(whole, price, chained, plain(1, 2), metadata.retries, name, Shout("s").python_interface)


async def use_async() -> int:
    return await later(a=1)
