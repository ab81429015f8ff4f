"""What a user writes into `task_config` to run a task on several ranks."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Literal

from fledge.errors import DefinitionError

__all__ = ["Ranks"]


@dataclass(frozen=True)
class Ranks:
    """`nproc` ranks on each of `nnodes` nodes, all on this machine; no framework needed.

    Args:
        nproc: Ranks per node.
        nnodes: Nodes. On one machine they are simulated: the ranks are told what they would be told on two hosts.
        preload: Modules that are imported once, before the ranks are forked, e.g. `("torch",)`. Only import-time work is
            shared; a module that starts threads at import makes each rank a fresh interpreter.
        timeout_s: The whole run may take this long.
        stall_timeout_s: The run is stopped when no rank has written a line or sent anything for so long.
        grace_s: How long a rank has after SIGTERM before SIGKILL.
        max_restarts: How often all ranks are started again after a failure.
        start: "auto" forks from the zygote where that is safe; "zygote" insists on it; "spawn" never forks.
    """

    nproc: int = 2
    _: KW_ONLY
    nnodes: int = 1
    preload: tuple[str, ...] = ()
    timeout_s: float | None = None
    stall_timeout_s: float | None = None
    grace_s: float = 5.0
    max_restarts: int = 0
    start: Literal["auto", "zygote", "spawn"] = "auto"

    def __post_init__(self) -> None:
        at_least("nproc", self.nproc, 1)
        at_least("nnodes", self.nnodes, 1)
        at_least("max_restarts", self.max_restarts, 0)
        for name in ("timeout_s", "stall_timeout_s", "grace_s"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise DefinitionError(f"{name}={value!r}: give seconds, 0 or more")
        if self.start not in ("auto", "zygote", "spawn"):
            raise DefinitionError(f'start={self.start!r}: choose "auto", "zygote" or "spawn"')
        if isinstance(self.preload, str):
            raise DefinitionError(f"preload={self.preload!r}: give a tuple of module names, ({self.preload!r},)")
        object.__setattr__(self, "preload", tuple(self.preload))


def at_least(name: str, value: object, lowest: int) -> None:
    """DefinitionError unless `value` is an int from `lowest` on."""
    if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
        raise DefinitionError(f"{name}={value!r}: give a whole number, {lowest} or more")
