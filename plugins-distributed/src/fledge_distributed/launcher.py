"""A function and its payload in, N real processes, the leader's bytes out, or the first failure.

`launch` runs in the caller: it never imports a framework and starts nothing that outlives it. The ranks are started by
a zygote (`supervision`, `zygote`) and watched by an `attempt`, one per restart.
"""

from __future__ import annotations

import logging
import os
import pickle
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from fledge.errors import IgnoreOutputs
from fledge.progress import is_wanted, tracked
from fledge_distributed.attempt import Attempt
from fledge_distributed.errors import LaunchError, LeaderIgnored
from fledge_distributed.frames import anonymous_file
from fledge_distributed.logs import OnLog, RankLogs, one_by_one
from fledge_distributed.plans import Host, Outcome, Plan, no_environment
from fledge_distributed.rank_progress import RankProgress
from fledge_distributed.reports import RankReport, write_report
from fledge_distributed.supervision import Zygote, give_back, lease
from fledge_distributed.targets import to_target
from fledge_distributed.worker import Job

if TYPE_CHECKING:
    from fledge_distributed.config import Ranks
    from fledge_distributed.ranks import Rank
    from fledge_distributed.stopping import Stop

__all__ = ["AttemptType", "Launched", "launch", "run_ranks"]

AttemptType = Callable[[Zygote, Plan, int], Attempt]  # Attempt itself, or a way to make another kind
_log = logging.getLogger("fledge.distributed")


@dataclass(frozen=True)
class Launched:
    """What a run gave.

    Attributes:
        values: Rank -> bytes, of the leader or of all.
        ignored: Ranks that raised IgnoreOutputs.
        reports: What became of each rank, in the order of the attempts.
        extras: (rank, name, bytes) in the order they came.
    """

    values: dict[int, bytes]
    ignored: frozenset[int]
    reports: tuple[RankReport, ...]
    extras: tuple[tuple[int, str, bytes], ...] = field(default=())


def launch(
    payload: bytes, target: str | Callable[[bytes], object], config: Ranks, *, on_log: OnLog | None = None
) -> bytes:
    """Call `target(payload)` on every rank and return what the leader's call returned.

    Raises:
        The first failure: an exception of the user's own type, or RankFailed, RankTimeout, LaunchError.
        LeaderIgnored: rank 0 raised IgnoreOutputs.
    """
    launched = run_ranks(payload, target, config, on_log=on_log)
    if 0 in launched.ignored:
        raise leader_ignored(launched.ignored, config.nproc * config.nnodes)
    return launched.values[0]


def leader_ignored(ignored: frozenset[int], size: int) -> LeaderIgnored:
    """The error, and what to do about it."""
    who = f"all {size} ranks have" if len(ignored) == size else "rank 0, the leader, has"
    error = LeaderIgnored(f"{who} raised IgnoreOutputs, so there is no value to return. Let rank 0 return the outputs")
    error.__cause__ = IgnoreOutputs("raised in rank 0")
    return error


def run_ranks(
    payload: bytes,
    target: str | Callable[[bytes], object],
    config: Ranks,
    *,
    on_log: OnLog | None = None,
    collect_all: bool = False,
    name: str | None = None,
    stop: Stop | None = None,
    on_end: Callable[[Launched], None] = lambda _: None,
    environment: Callable[[Rank, Sequence[str]], Mapping[str, str]] = no_environment,
    host: Host | None = None,
    attempt_type: AttemptType = Attempt,
) -> Launched:
    """Like `launch`, with everything that the run gave.

    Args:
        payload, target, config, on_log: As for `launch`.
        collect_all: Keep the bytes of every rank.
        name: What progress is reported of; None: the target.
        stop: Who ends the run early.
        on_end: Called with what the run gave, also before its error is raised.
        environment: What each rank is told beside the usual.
        host: Run the ranks of this one node; None: of all nodes.
        attempt_type: How the ranks are started.
    """
    # A rank also tells its progress when nobody listens but every sign of life counts.
    tells_progress = is_wanted() or config.stall_timeout_s is not None
    job = Job(to_target(target), payload, tuple(sys.path), tuple(sys.argv), os.getcwd(), collect_all, tells_progress)
    deadline = None if config.timeout_s is None else time.monotonic() + config.timeout_s
    job_fd = anonymous_file(pickle.dumps(job))
    logs = RankLogs(config.nproc, config.nnodes, config.log_ranks, config.log_dir)
    try:
        here = config.nproc * (config.nnodes if host is None else 1)
        with logs, tracked(f"ranks of {name or job.target.name}", here, "ranks") as tracker:
            progress = RankProgress(tracker)
            on_lines = logs.write if on_log is None else one_by_one(on_log)
            plan = Plan(config, job_fd, on_lines, progress, environment, host, stop, deadline)
            outcome = _run_attempts(plan, attempt_type)
            launched = Launched(
                outcome.values, frozenset(outcome.ignored), tuple(outcome.reports), tuple(outcome.extras)
            )
            on_end(launched)
            if outcome.error is not None:
                raise outcome.error
    finally:
        os.close(job_fd)
    return launched


def _run_attempts(plan: Plan, attempt_type: AttemptType) -> Outcome:
    """With a zygote that is warm afterwards, or gone. The outcome of the last attempt, with the reports of all."""
    config = plan.config
    reports: list[RankReport] = []
    restart = 0
    zygote = lease(config.preload, config.start != "spawn")
    try:
        zygote.wait_ready(plan.stop, plan.deadline, f"timeout_s={config.timeout_s} s")
        _check_start(zygote, config)
        while True:
            outcome = attempt_type(zygote, plan, restart).run()
            reports += outcome.reports
            if outcome.error is None or not outcome.may_restart or restart == config.max_restarts:
                break
            restart += 1
            _log.warning("restart %d of %d after: %r", restart, config.max_restarts, outcome.error)
    except BaseException:  # whatever it was, KeyboardInterrupt too: nothing may stay behind
        zygote.close()
        raise
    give_back(zygote)
    if config.log_dir is not None:
        write_report(Path(config.log_dir, "ranks.jsonl"), reports)
    return replace(outcome, reports=reports)


def _check_start(zygote: Zygote, config: Ranks) -> None:
    reason = zygote.spawn_reason
    if reason is None or config.start == "spawn":
        return
    if config.start == "zygote":
        raise LaunchError(f'start="zygote" is not possible: {reason}')
    _log.warning("each rank is a fresh interpreter, which starts slower: %s", reason)
