"""Tasks of the tests, where a container finds them."""

from __future__ import annotations

from fledge_example import Money, Owned

from fledge import task

__all__ = ["double"]


@task(task_config=Owned(team="search"), enable_deck=True)
def double(amount: Money) -> Money:
    return Money(amount.cents * 2, amount.currency)
