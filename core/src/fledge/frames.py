"""Whose frames are they? A stack -> the frames of the reader's own code, and those of libraries that it calls.

What fledge, its plugins and click do in between is left out, with the library calls that they make.
"""

from __future__ import annotations

import importlib
import logging
import os
import re
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from traceback import FrameSummary, StackSummary
from types import FrameType, TracebackType

__all__ = ["Pruner", "format_stack", "from_the_body"]

_log = logging.getLogger("fledge.frames")
_OWN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "")
_COMMANDS = (os.path.join(_OWN, "cli", ""), os.path.join(_OWN, "entrypoint.py"))
_LIBRARY = os.path.join(os.path.dirname(os.path.abspath(os.__file__)), "")
_SITE = re.compile(r"[\\/](?:site|dist)-packages[\\/]([^\\/.]+)")
_IMPORT_SYSTEM = ("<frozen ", os.path.join(os.path.dirname(importlib.__file__), ""))


def format_stack(frame: FrameType) -> str:
    """Where a thread is, outermost first, without the command that called it. Plugins are not looked up."""
    stack = traceback.extract_stack(frame)
    begin = max((number + 1 for number, one in enumerate(stack) if one.filename.startswith(_COMMANDS)), default=0)
    kept = Pruner([], set()).without(stack[begin:])
    return "".join((kept or stack).format())


def from_the_body(found: TracebackType | None) -> TracebackType | None:
    """A traceback without the frames of fledge that it begins with; all of it where all are fledge's, or to debug."""
    first = found
    while first is not None and first.tb_frame.f_code.co_filename.startswith(_OWN):
        first = first.tb_next
    return found if first is None or logging.getLogger("fledge").isEnabledFor(logging.DEBUG) else first


class Pruner:
    """Tells frames of fledge, click, plugins and what they are built on from all others.

    Args:
        folders: Of packages that are taken for fledge's own, each with a separator at the end; or files.
        built_on: Top-level packages whose frames are left out below frames of fledge's own.
    """

    def __init__(self, folders: Iterable[str], built_on: set[str]) -> None:
        self._own, self._built_on = (_OWN, *_places(["click"]), *folders), built_on

    @classmethod
    def of_installed(cls) -> Pruner:
        """With the plugins that are installed. It reads the metadata of all distributions: for errors only."""
        from importlib.metadata import distribution, entry_points  # noqa: PLC0415 - costs more than all here

        try:
            points = list(entry_points(group="fledge"))
            needed = [needs for point in points if point.dist is not None for needs in point.dist.requires or ()]
            needed += distribution("fledge").requires or ()
        except Exception as exc:  # noqa: BLE001 - metadata may be broken in any way; the error is shown all the same
            _log.debug("the metadata of the plugins cannot be read: %r", exc)
            return cls([], set())
        built_on = {re.split(r"[^\w-]", one, maxsplit=1)[0].lower().replace("-", "_") for one in needed}
        packages = {point.value.partition(":")[0].partition(".")[0] for point in points}
        return cls(_places(packages), built_on | {"google"})  # protobuf's package

    def is_own(self, frame: FrameSummary) -> bool:
        """Is it a frame of fledge, of a plugin or of click?"""
        return frame.filename.startswith(self._own)

    def without(self, stack: Sequence[FrameSummary], *, keep_last: bool = False) -> StackSummary:
        """The frames to show, outermost first; with `keep_last` also all below the last one of them."""
        frames = [frame for frame in stack if not frame.filename.startswith(_IMPORT_SYSTEM)]
        kept, is_inside = set(), False
        for number, frame in enumerate(frames):
            is_inside = self.is_own(frame) or (is_inside and self._is_library(frame, frames[number - 1]))
            if not is_inside:
                kept.add(number)
        last = max(kept, default=-1)
        return StackSummary.from_list(
            [frame for number, frame in enumerate(frames) if number in kept or (keep_last and number > last)]
        )

    def _is_library(self, frame: FrameSummary, before: FrameSummary) -> bool:
        """Does it belong to Python, or to something that fledge or a plugin is built on?"""
        site = _SITE.search(frame.filename)
        if site is not None:
            return site[1].lower() in self._built_on
        if frame.filename.startswith("<"):  # code of `eval`; right below our own frames it may be the reader's
            return not self.is_own(before)
        return frame.filename.startswith(_LIBRARY) or frame.filename.endswith((".pyx", ".pxi"))


def _places(packages: Iterable[str]) -> Iterator[str]:
    """The folders of packages that are loaded; of a module in one file, that file."""
    for name in packages:
        module = sys.modules.get(name)
        file = getattr(module, "__file__", None)
        if file:
            is_package = hasattr(module, "__path__")
            yield os.path.join(os.path.dirname(os.path.abspath(file)), "") if is_package else os.path.abspath(file)
