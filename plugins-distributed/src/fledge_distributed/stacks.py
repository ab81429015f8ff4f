"""The Python stacks of ranks that did not end, as text for people: without our own frames, equal ones together."""

from __future__ import annotations

import sysconfig
from collections.abc import Mapping, Sequence

from fledge_distributed.errors import RankTimeout
from fledge_distributed.failures import World, listed

__all__ = ["cleaned", "timeout_error", "whereabouts"]

_GROUPS = 3  # shown in the message; `stacks` of the error has all of them, whole
_LINES = 10
_LIBRARIES = (sysconfig.get_path("stdlib"), "site-packages", "dist-packages")
_HIDDEN = ("fledge_distributed", 'File "<string>", line 1 in <module>', "<frozen importlib", "<frozen runpy")


def cleaned(dump: str) -> str:
    """What faulthandler wrote, without the frames of the launcher and of the import system."""
    return "\n".join(line for line in dump.splitlines() if not any(hidden in line for hidden in _HIDDEN)).strip()


def whereabouts(stacks: Mapping[int, str]) -> list[str]:
    """`ranks 0, 2 were at File "train.py", line 7 in train`: the innermost frame of the user's, a line per place."""
    groups = _grouped({rank: _users_frame(stack) for rank, stack in stacks.items() if stack})
    lines = [f"{listed(ranks)} {'was' if len(ranks) == 1 else 'were'} at {place}" for place, ranks in groups.items()]
    left_out = [f"and at {len(lines) - _GROUPS} other places: see the cause's `stacks`"] if len(lines) > _GROUPS else []
    return lines[:_GROUPS] + left_out


def _users_frame(stack: str) -> str:
    """Of the main thread, which answers the signal; the innermost frame at all where there is none of the user's."""
    _, _, current = stack.rpartition("Current thread")
    frames = [line.strip() for line in current.splitlines() if line.lstrip().startswith("File ")]
    users = [frame for frame in frames if not any(place in frame for place in _LIBRARIES)]
    return next(iter(users or frames), "an unknown place")


def timeout_error(
    world: World, what: str, stacks: Mapping[int, str], missing: Sequence[int], tally: str = ""
) -> RankTimeout:
    """`what` goes on after `ranks 1, 3 `; `tally` after it. Equal stacks are shown once, innermost lines first."""
    tally = tally or f"{world.size - len(missing)} of {world.size} ranks had returned"
    lines = [f"{listed(missing)} {what}; {tally}"]
    groups = _grouped({rank: _comparable(stack) for rank, stack in stacks.items()})
    for stack, ranks in list(groups.items())[:_GROUPS]:
        shown = stack.splitlines()[:_LINES] or ["(no stack: it did not answer)"]
        lines += [f"{world.place(ranks[0]) if len(ranks) == 1 else listed(ranks)}:", *(f"  {line}" for line in shown)]
    if len(groups) > _GROUPS:
        lines.append(f"and {len(groups) - _GROUPS} other stacks: see the error's `stacks`")
    return RankTimeout("\n".join(lines), stacks, missing)


def _grouped(texts: Mapping[int, str]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for rank, text in texts.items():
        groups.setdefault(text, []).append(rank)
    return groups


def _comparable(stack: str) -> str:
    """Without thread numbers, which differ between processes."""
    return "\n".join(
        line.strip() if line.startswith(" ") else line.partition(" 0x")[0]
        for line in stack.splitlines()
        if line.strip()
    )
