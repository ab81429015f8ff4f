"""What a run is to do, and how one attempt of it ended: plain data between the launcher and its attempts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fledge_distributed.config import Ranks
    from fledge_distributed.logs import OnLines
    from fledge_distributed.rank_progress import RankProgress
    from fledge_distributed.ranks import Rank
    from fledge_distributed.reports import RankReport
    from fledge_distributed.stopping import Stop

__all__ = ["Host", "Outcome", "Plan", "no_environment"]


def no_environment(rank: Rank, addresses: Sequence[str]) -> Mapping[str, str]:  # noqa: ARG001 - a default of Plan
    """Nothing beside what every rank is told."""
    return {}


@dataclass(frozen=True)
class Host:
    """Which of a job's nodes this machine is, and where its rank 0 listens."""

    node_rank: int
    address: str
    port: int
    run_id: str


@dataclass(frozen=True)
class Plan:
    """What a run is to do.

    Attributes:
        config: The ranks.
        job_fd: The file with what every rank is told.
        on_lines: Gets the lines of the ranks.
        progress: Gets their reports of progress.
        environment: What a rank is told beside the usual; from its place and an address (host:port) per rank.
        host: Run the ranks of this one node; None: all nodes are simulated here.
        stop: Who ends the run early; None: nobody.
        deadline: `time.monotonic()` seconds at which the whole run, with its restarts, has taken too long.
    """

    config: Ranks
    job_fd: int
    on_lines: OnLines
    progress: RankProgress
    environment: Callable[[Rank, Sequence[str]], Mapping[str, str]] = no_environment
    host: Host | None = None
    stop: Stop | None = None
    deadline: float | None = None


@dataclass
class Outcome:
    """How an attempt ended; `error` None: every rank returned or ignored."""

    values: dict[int, bytes] = field(default_factory=dict)
    ignored: list[int] = field(default_factory=list)
    extras: list[tuple[int, str, bytes]] = field(default_factory=list)
    reports: list[RankReport] = field(default_factory=list)
    error: BaseException | None = None
    may_restart: bool = False
