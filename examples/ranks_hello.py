"""A task on four ranks: the function runs in four processes, and the caller gets rank 0's value.

`python examples/ranks_hello.py`
"""

from __future__ import annotations

from fledge import task
from fledge_distributed import Ranks, current_rank


@task(task_config=Ranks(nproc=4))
def who() -> int:
    rank = current_rank()
    print(f"rank {rank.rank} of {rank.world_size}")
    return rank.world_size


@task(task_config=Ranks(nproc=4))
def odd_one_out(number: int) -> int:
    if current_rank().rank == number:
        raise ValueError("not me")
    return number


if __name__ == "__main__":
    print(who())
    try:
        odd_one_out(number=2)
    except ValueError as exc:
        print(f"{exc}: {exc.__notes__[0]}")
