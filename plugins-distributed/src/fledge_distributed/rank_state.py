"""What the caller knows of one rank, from its start to its end, and what that makes of it: a failure, a report."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Literal

from fledge_distributed.failures import Failure
from fledge_distributed.frames import Kind
from fledge_distributed.reports import RankReport
from fledge_distributed.stacks import cleaned
from fledge_distributed.worker import STACKS_END

if TYPE_CHECKING:
    from fledge_distributed.frames import Channel, Frame
    from fledge_distributed.logs import LineSplitter
    from fledge_distributed.ranks import Rank
    from fledge_distributed.troubles import Trouble
    from fledge_distributed.worker import Exit

__all__ = ["RankState"]

_CRASHES = (signal.SIGSEGV, signal.SIGBUS)
_FATAL = b"Fatal Python error"  # how faulthandler begins when a rank crashes by itself
_STATES: dict[Kind, Literal["returned", "ignored", "failed"]] = {
    Kind.VALUE: "returned",
    Kind.IGNORED: "ignored",
    Kind.ERROR: "failed",
}


@dataclass
class RankState:
    """One rank of an attempt.

    Attributes:
        place: Which rank it is.
        results: Its frames.
        streams: Descriptor -> name and lines of its stdout and stderr.
        stacks_fd: Where its stacks arrive.
        started, started_at: When it was started, on the monotonic and on the wall clock.
        pid: 0 until it has started, and in the foreground.
        stacks: All that has arrived on `stacks_fd`.
        asked_at: How much of it there was when the rank was asked for its stacks; None: not asked.
        answers: It has started and handles the signal for stacks.
        final: The frame that says how its function ended.
        trouble: What its function raised.
        gone_at: When its socket or its process ended.
        is_cut_off: Its socket had ended when the ranks were stopped, and of its process that was not known.
        is_bystander: Who has started it ended it as well, because another one had failed.
        exit: How its process ended.
        peak_kib: Its largest resident size, as far as it has said so itself.
    """

    place: Rank
    results: Channel
    streams: dict[int, tuple[str, LineSplitter]]
    stacks_fd: int
    started: float = field(default_factory=time.monotonic)
    started_at: float = field(default_factory=time.time)
    pid: int = 0
    stacks: bytearray = field(default_factory=bytearray)
    asked_at: int | None = None
    answers: bool = False
    final: Frame | None = None
    trouble: Trouble | None = None
    gone_at: float | None = None
    is_cut_off: bool = False
    is_bystander: bool = False
    exit: Exit | None = None
    peak_kib: int = 0

    @property
    def owes_stacks(self) -> bool:
        return self.asked_at is not None and self.gone_at is None and STACKS_END not in self.stacks[self.asked_at :]

    @property
    def has_left(self) -> bool:
        """It ended before its function had."""
        return self.gone_at is not None and self.final is None

    @property
    def crashed_answering(self) -> bool:
        """Asked for its stacks, it crashed instead of the end of the answer: the interpreter's dump of frames that
        change meanwhile is not safe. That is our doing, not a failure of the rank.
        """
        if self.asked_at is None or self.exit is None or -self.exit.status not in _CRASHES:
            return False
        before, answer = self.stacks[: self.asked_at], self.stacks[self.asked_at :]
        return STACKS_END not in answer and _FATAL not in before and not answer.startswith(_FATAL)

    @property
    def stack(self) -> str:
        """Its last dump, or that of its crash, without the frames of the launcher at the bottom."""
        crash = self.stacks.find(_FATAL)
        begin = crash if crash >= 0 else self.asked_at or 0
        return cleaned(bytes(self.stacks[begin:]).replace(STACKS_END, b"").decode("utf-8", "replace"))

    @property
    def failure(self) -> Failure:
        """What it raised, or how it ended."""
        if self.trouble is not None:
            return Failure(self.place.rank, self.trouble.when, self.trouble, exitcode=self.trouble.exitcode)
        now = time.monotonic()
        when = min(now if self.gone_at is None else self.gone_at, self.exit.when if self.exit else now)
        status = self.exit.status if self.exit is not None else 0
        exitcode, number = (status, None) if status >= 0 else (None, -status)
        if self.is_cut_off and number == signal.SIGTERM:  # ours
            number = None
        return Failure(self.place.rank, when, exitcode=exitcode, signal=number, stack=self.stack)

    def report(self, restart: int, *, is_blamed: bool) -> RankReport:
        """What became of it; of a rank that is not blamed and did not return, that it was stopped."""
        state = _STATES[self.final.kind] if self.final is not None else "failed" if is_blamed else "stopped"
        seconds = (self.exit.when if self.exit else time.monotonic()) - self.started
        return RankReport(
            rank=self.place.rank,
            node=self.place.node_rank,
            state=state,
            seconds=seconds,
            peak_mib=max(self.peak_kib, self.exit.peak_kib if self.exit else 0) / 1024,
            headline=self.failure.headline if state == "failed" else "",
            restart=restart,
            started=datetime.fromtimestamp(self.started_at, timezone.utc),
            ended=datetime.fromtimestamp(self.started_at + seconds, timezone.utc),
        )
