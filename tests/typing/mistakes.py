"""Ten mistakes that type checkers catch; a test checks that each line marked MISTAKE, and no other, is reported."""

from __future__ import annotations

from fledge import TaskMetadata, task, workflow
from fledge.settings import Resources


@task
def add(a: int, b: int = 1) -> int:
    return a + b


@task
async def later(a: int) -> int:
    return a


@workflow
def chain(a: int) -> int:
    return add(a=a)


add(a="1")  # MISTAKE: a text for a number
add(1, 2, 3)  # MISTAKE: an argument too many
add()  # MISTAKE: a missing argument
add(aa=1)  # MISTAKE: a misspelt argument
text: str = add(a=1)  # MISTAKE: a number for a text
chain(b=1)  # MISTAKE: a misspelt input of a workflow
add(a=1).upper()  # MISTAKE: a number has no upper()
task(retrys=2)(add.task_function)  # MISTAKE: a misspelt option
TaskMetadata(retries="2")  # MISTAKE: a text for a count
Resources(cpus="2")  # MISTAKE: a misspelt resource


async def forgets() -> int:
    return later(a=1)  # MISTAKE: an awaitable for a number
