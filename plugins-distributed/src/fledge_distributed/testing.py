"""Pytest fixtures for code that runs on ranks. Use them with `pytest_plugins = ["fledge_distributed.testing"]`.

    def test_ranks_agree(on_ranks):
        assert on_ranks(body, 4, 10) == [10, 10, 10, 10]          # body(10) on 4 real ranks: the values by rank

    def test_a_lost_rank_is_named(on_ranks):
        with pytest.raises(RankFailed) as caught:
            on_ranks(body, 4, 10, faults=[kill(2, at="epoch")])   # body calls fault_point("epoch")
        assert caught.value.rank == 2

`on_ranks(..., foreground=1)` runs rank 1 in the test's own process, where `breakpoint()` works.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from fledge_distributed.attempt import Attempt
from fledge_distributed.calls import IGNORED, call_on_ranks
from fledge_distributed.config import Ranks
from fledge_distributed.faults import Fault, fault_point, hang, kill, late
from fledge_distributed.foreground import run_in_foreground
from fledge_distributed.leaks import no_leaks

if TYPE_CHECKING:
    from fledge_distributed.launcher import AttemptType
    from fledge_distributed.stopping import Stop

__all__ = ["IGNORED", "Fault", "OnRanks", "fault_point", "hang", "kill", "late", "no_leaks", "on_ranks"]


class OnRanks:
    """Calls a function on ranks; what the fixture `on_ranks` gives."""

    def __init__(self, config: Ranks) -> None:
        self._config = config

    def __call__(
        self,
        body: Callable[..., object],
        nproc: int,
        *arguments: object,
        faults: Sequence[Fault] = (),
        foreground: int | None = None,
        **options: Any,  # Any: fields of Ranks
    ) -> list[Any]:  # Any: the body's own values
        """`body(*arguments)` on `nproc` ranks; the values by rank.

        Args:
            body: A function of a module, or of the test itself.
            nproc: How many ranks.
            arguments: What each rank calls the body with.
            faults: What happens to which rank.
            foreground: This rank runs in the test's own process.
            options: Other fields of Ranks: timeout_s, nnodes, ...
        """
        config = replace(self._config, nproc=nproc, **options)
        values: list[Any] = []  # Any: the body's own

        def run(attempt_type: AttemptType = Attempt, stop: Stop | None = None) -> None:
            values.extend(
                call_on_ranks(body, *arguments, config=config, faults=faults, attempt_type=attempt_type, stop=stop)
            )

        if foreground is None:
            run()
        else:
            run_in_foreground(foreground, run)
        return values


@pytest.fixture
def on_ranks() -> Iterator[OnRanks]:
    """Run a function on real ranks; checks at the end of the test that nothing is left behind."""
    with no_leaks():
        yield OnRanks(Ranks(preload=("pytest",), grace_s=1.0))
