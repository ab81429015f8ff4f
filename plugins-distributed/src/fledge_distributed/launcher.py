"""A function and its payload in, N real processes, the leader's bytes out, or the first failure.

`launch` runs in the caller: it never imports a framework and starts nothing that outlives it. The ranks are started by
a zygote (`supervision`, `zygote`) and watched by an `attempt`, one per restart.
"""

from __future__ import annotations

import logging
import os
import pickle
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from fledge.errors import IgnoreOutputs
from fledge_distributed.attempt import Attempt, Host, Outcome, Plan, no_environment
from fledge_distributed.errors import LaunchError, LeaderIgnored
from fledge_distributed.frames import anonymous_file
from fledge_distributed.logs import OnLog, RankLogs
from fledge_distributed.reports import RankReport, write_report
from fledge_distributed.supervision import Zygote, give_back, lease
from fledge_distributed.targets import to_target
from fledge_distributed.worker import Job

if TYPE_CHECKING:
    from fledge_distributed.config import Ranks
    from fledge_distributed.ranks import Rank

__all__ = ["AttemptType", "Launched", "launch", "run_ranks"]

AttemptType = Callable[[Zygote, Plan, int], Attempt]  # Attempt itself, or a way to make another kind
_log = logging.getLogger("fledge.distributed")


@dataclass(frozen=True)
class Launched:
    """What a run gave. `values`: rank -> bytes, of the leader or of all; `ignored`: ranks that raised IgnoreOutputs."""

    values: dict[int, bytes]
    ignored: frozenset[int]
    reports: tuple[RankReport, ...]
    extras: tuple[tuple[int, str, bytes], ...] = field(default=())  # (rank, name, bytes) in the order they came


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
    watch: Callable[[Attempt], None] = lambda _: None,
    environment: Callable[[Rank, Sequence[str]], Mapping[str, str]] = no_environment,
    host: Host | None = None,
    attempt_type: AttemptType = Attempt,
) -> Launched:
    """Like `launch`, with everything that the run gave.

    Args:
        payload, target, config, on_log: As for `launch`.
        collect_all: Keep the bytes of every rank.
        watch: Called with each attempt before it starts; `attempt.wake()` makes it look at its thread's exceptions.
        environment: What each rank is told beside the usual.
        host: Run the ranks of this one node; None: of all nodes.
        attempt_type: How the ranks are started.
    """
    job = Job(to_target(target), payload, tuple(sys.path), tuple(sys.argv), os.getcwd(), collect_all)
    job_fd = anonymous_file(pickle.dumps(job))
    logs = RankLogs(config.nproc, config.nnodes, config.log_ranks, config.log_dir)
    plan = Plan(config, job_fd, on_log or logs.write, environment, host)
    zygote = lease(config.preload, config.start != "spawn")
    try:
        zygote.wait_ready()
        _check_start(zygote, config)
        with logs:
            outcome = _run_attempts(zygote, plan, watch, attempt_type)
    except BaseException:  # whatever it was, KeyboardInterrupt too: nothing may stay behind
        zygote.close()
        raise
    finally:
        os.close(job_fd)
    give_back(zygote)
    if config.log_dir is not None:
        write_report(Path(config.log_dir, "ranks.jsonl"), outcome.reports)
    if outcome.error is not None:
        raise outcome.error
    return Launched(outcome.values, frozenset(outcome.ignored), tuple(outcome.reports), tuple(outcome.extras))


def _run_attempts(zygote: Zygote, plan: Plan, watch: Callable[[Attempt], None], attempt_type: AttemptType) -> Outcome:
    restart = 0
    while True:
        attempt = attempt_type(zygote, plan, restart)
        watch(attempt)
        outcome = attempt.run()
        if outcome.error is None or not outcome.may_restart or restart == plan.config.max_restarts:
            return outcome
        restart += 1
        _log.warning("restart %d of %d after: %r", restart, plan.config.max_restarts, outcome.error)


def _check_start(zygote: Zygote, config: Ranks) -> None:
    reason = zygote.spawn_reason
    if reason is None or config.start == "spawn":
        return
    if config.start == "zygote":
        raise LaunchError(f'start="zygote" is not possible: {reason}')
    _log.warning("each rank is a fresh interpreter, which starts slower: %s", reason)
