"""The Python stacks of ranks that did not end, as text for people: without our own frames, equal ones together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fledge_distributed.errors import RankTimeout
from fledge_distributed.failures import World, listed

__all__ = ["cleaned", "timeout_error"]

_GROUPS = 3  # shown in the message; `stacks` of the error has all of them, whole
_LINES = 10
_HIDDEN = ("fledge_distributed", 'File "<string>", line 1 in <module>', "<frozen importlib", "<frozen runpy")


def cleaned(dump: str) -> str:
    """What faulthandler wrote, without the frames of the launcher and of the import system."""
    return "\n".join(line for line in dump.splitlines() if not any(hidden in line for hidden in _HIDDEN)).strip()


def timeout_error(world: World, what: str, stacks: Mapping[int, str], missing: Sequence[int]) -> RankTimeout:
    """`what` goes on after `ranks 1, 3 `. Equal stacks are shown once, innermost lines first."""
    returned = world.size - len(missing)
    lines = [f"{listed(missing)} {what}; {returned} of {world.size} ranks had returned"]
    groups: dict[str, list[int]] = {}
    for rank, stack in stacks.items():
        groups.setdefault(_comparable(stack), []).append(rank)
    for stack, ranks in list(groups.items())[:_GROUPS]:
        shown = stack.splitlines()[:_LINES] or ["(no stack: it did not answer)"]
        lines += [f"{world.place(ranks[0]) if len(ranks) == 1 else listed(ranks)}:", *(f"  {line}" for line in shown)]
    if len(groups) > _GROUPS:
        lines.append(f"and {len(groups) - _GROUPS} other stacks: see the error's `stacks`")
    return RankTimeout("\n".join(lines), stacks, missing)


def _comparable(stack: str) -> str:
    """Without thread numbers, which differ between processes."""
    return "\n".join(
        line.strip() if line.startswith(" ") else line.partition(" 0x")[0]
        for line in stack.splitlines()
        if line.strip()
    )
