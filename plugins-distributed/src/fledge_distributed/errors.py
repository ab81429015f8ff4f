"""What goes wrong when a task runs on several ranks, and the carrier of a traceback from another process.

An error of the user's own type reaches the caller as that type; these classes are for the rest: a rank that died or
left, a run that did not end in time, a leader without outputs, ranks that could not be started.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone

from fledge.errors import FledgeError

__all__ = [
    "LaunchError",
    "LeaderIgnored",
    "RankCancelled",
    "RankError",
    "RankFailed",
    "RankTimeout",
    "RemoteTraceback",
]


class RankError(FledgeError):
    """Base of the errors about ranks; raised itself for a rank that does not fit its world."""

    origin = "USER"


class RankFailed(RankError, RuntimeError):  # noqa: N818 - the name is part of the public API
    """A rank died, left before its function returned, or raised what cannot be rebuilt here.

    Fields: `rank`, `node`, `exitcode` (None when a signal ended it), `signal` (its number or None; with neither it was
    still alive, cut off from us), `peers` (the other failures in one line each), `recoverable` (the rank said that
    another attempt may succeed).
    """

    def __init__(
        self,
        message: str,
        rank: int,
        node: int = 0,
        exitcode: int | None = None,
        signal: int | None = None,
        peers: Sequence[str] = (),
        recoverable: bool = False,
    ) -> None:
        super().__init__(message)
        self.rank, self.node, self.exitcode, self.signal = rank, node, exitcode, signal
        self.peers, self.recoverable = tuple(peers), recoverable


class RankTimeout(RankError, TimeoutError):  # noqa: N818 - the name is part of the public API
    """A run did not end, or did not move, in time.

    Fields: `stacks` (rank -> its Python stack when the time was up), `missing` (ranks that had not returned; with
    rendezvous_timeout_s, that had not joined).
    """

    def __init__(self, message: str, stacks: Mapping[int, str], missing: Sequence[int]) -> None:
        super().__init__(message)
        self.stacks, self.missing = dict(stacks), tuple(missing)


class RankCancelled(RankError):  # noqa: N818 - named as its siblings
    """The run was told to end, by its own `cancel` or that of a run around it, before all ranks had returned.

    Fields: `missing` (ranks that had not returned; empty when none had been started).
    """

    def __init__(self, message: str, missing: Sequence[int] = ()) -> None:
        super().__init__(f"the run was cancelled: {message}")
        self.missing = tuple(missing)


class LeaderIgnored(RankError):  # noqa: N818 - the name is part of the public API
    """The leader raised IgnoreOutputs although the task declares outputs, so there is no value to return."""


class LaunchError(RankError):
    """The ranks could not be started, or the process that starts them died."""

    code, origin = "SYSTEM", "SYSTEM"


class RemoteTraceback(Exception):  # noqa: N818 - not raised: it stands as the cause of the error it explains
    """The text of a traceback from a rank; the cause of the error that the caller gets.

    Fields: `at` (when the rank failed, UTC), `stacks` (rank -> Python stack of those that had not failed, before they
    were stopped).
    """

    def __init__(self, text: str, at: float, stacks: Mapping[int, str]) -> None:
        super().__init__(text)
        self.stacks = dict(stacks)
        self.at = datetime.fromtimestamp(at, timezone.utc)

    def __str__(self) -> str:
        return f"\n{self.args[0]}" if self.args[0] else "(it left no traceback)"
