"""The Python stacks of ranks that did not end, as text for people: without our own frames, equal ones together."""

from __future__ import annotations

import re
import sysconfig
from collections.abc import Mapping, Sequence
from traceback import FrameSummary

from fledge.frames import Pruner
from fledge_distributed.errors import RankTimeout
from fledge_distributed.failures import World, listed

__all__ = ["cleaned", "timeout_error", "whereabouts"]

_GROUPS = 3  # shown in the message; `stacks` of the error has all of them, whole
_LINES = 10
_STANDARD = sysconfig.get_path("stdlib")
_PACKAGES = ("site-packages", "dist-packages")
_FRAME = re.compile(r'^ *File "(.+)", line (\d+) in (.*)$', re.MULTILINE)
_HIDDEN = ("fledge_distributed", 'File "<string>", line 1 in <module>', "<frozen importlib", "<frozen runpy")


def cleaned(dump: str) -> str:
    """What faulthandler wrote, without the frames of the launcher and of the import system."""
    return "\n".join(line for line in dump.splitlines() if not any(hidden in line for hidden in _HIDDEN)).strip()


def whereabouts(stacks: Mapping[int, str]) -> list[str]:
    """`ranks 0, 2 were at File "train.py", line 7 in train`: the innermost frame of the user's, a line per place."""
    shown = {rank: stack for rank, stack in stacks.items() if stack}
    if not shown:
        return []
    pruner = Pruner.of_installed()
    groups = _grouped({rank: _users_frame(stack, pruner) for rank, stack in shown.items()})
    lines = [f"{listed(ranks)} {'was' if len(ranks) == 1 else 'were'} at {place}" for place, ranks in groups.items()]
    left_out = [f"and at {len(lines) - _GROUPS} other places: see the cause's `stacks`"] if len(lines) > _GROUPS else []
    return lines[:_GROUPS] + left_out


def _users_frame(stack: str, pruner: Pruner) -> str:
    """Of the main thread, which answers the signal, the innermost frame that belongs to no library, fledge or plugin.

    A program that is installed is a library, too: where there is no other frame, the innermost one of a package.
    """
    _, _, current = stack.rpartition("Current thread")
    frames = [FrameSummary(file, int(line), name) for file, line, name in _FRAME.findall(current)]
    others = [frame for frame in frames if not pruner.is_own(frame)]
    users = [frame for frame in others if not _is_in(frame, (_STANDARD, *_PACKAGES))]
    place = next(iter(users or [frame for frame in others if _is_in(frame, _PACKAGES)]), None)
    if place is None:
        return "no line of yours: not begun yet, or about to end"
    return f'File "{place.filename}", line {place.lineno} in {place.name}'


def _is_in(frame: FrameSummary, places: Sequence[str]) -> bool:
    return any(place in frame.filename for place in places)


def timeout_error(
    world: World, what: str, stacks: Mapping[int, str], missing: Sequence[int], tally: str = ""
) -> RankTimeout:
    """`what` goes on after `ranks 1, 3 `; `tally` after it. Equal stacks are shown once, innermost lines first.

    Of each the main thread, which faulthandler writes last, comes first: there is no room for all threads.
    """
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
    """The main thread first, and without thread numbers, which differ between processes."""
    others, begin, current = stack.rpartition("Current thread")
    return "\n".join(
        line.strip() if line.startswith(" ") else line.partition(" 0x")[0]
        for line in f"{begin}{current}\n{others}".splitlines()
        if line.strip()
    )
