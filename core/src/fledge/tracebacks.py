"""How an exception is shown: an exception -> its traceback as text, without the frames that only lead through fledge.

Readers want their own lines. Frames of fledge, click and the import system are left out, but below the last frame of
somebody else's they stay for exceptions that are not fledge's own: there a bug would show.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable, Iterator
from traceback import StackSummary, TracebackException

from fledge.errors import FledgeError

__all__ = ["format_error", "summary", "was_raised_by_fledge"]

_OWN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "")
_IMPORT_SYSTEM = ("<frozen ", os.path.join(os.path.dirname(importlib.__file__), ""))


def format_error(error: BaseException, hide: Iterable[str] = ()) -> str:
    """The text Python would print for an uncaught `error`, causes, notes and groups included, ending in a line break.

    Args:
        error: Stays as it is.
        hide: Names of further packages whose frames are left out, e.g. `fledge_distributed`.
    """
    folders = (_OWN, *_folders(("click", *hide)))
    shown = TracebackException(type(error), error, error.__traceback__)
    for one, exc in _chain(shown, error):
        one.stack = _without(one.stack, folders, keep_last=not isinstance(exc, FledgeError))
    text = "".join(shown.format())
    if sys.version_info < (3, 11):  # which does not print notes
        text += "".join(f"{note}\n" for note in getattr(error, "__notes__", ()))
    return text


def summary(error: BaseException) -> str:
    """`ValueError: the message`, also when the exception's own `str` fails."""
    try:
        text = str(error)
    except Exception as exc:  # noqa: BLE001 - a user's exception may fail in any way; the message must still be made
        text = f"<its text cannot be made: {type(exc).__name__}>"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def was_raised_by_fledge(error: BaseException) -> bool:
    """Is the innermost frame fledge's? Then the message says it all and the traceback leads nowhere."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_code.co_filename.startswith(_OWN)


def _folders(packages: Iterable[str]) -> Iterator[str]:
    for name in packages:
        file = getattr(sys.modules.get(name), "__file__", None)
        if file:
            yield os.path.join(os.path.dirname(os.path.abspath(file)), "")


def _chain(shown: TracebackException, error: BaseException) -> Iterator[tuple[TracebackException, BaseException]]:
    """Every exception that will be printed, beside the exception it stands for."""
    waiting: list[tuple[TracebackException | None, BaseException | None]] = [(shown, error)]
    while waiting:
        one, exc = waiting.pop()
        if one is None or exc is None:
            continue
        yield one, exc
        waiting += [(one.__cause__, exc.__cause__), (one.__context__, exc.__context__)]
        waiting += zip(getattr(one, "exceptions", None) or (), getattr(exc, "exceptions", ()), strict=False)


def _without(stack: StackSummary, folders: tuple[str, ...], *, keep_last: bool) -> StackSummary:
    frames = [frame for frame in stack if not frame.filename.startswith(_IMPORT_SYSTEM)]
    own = [frame.filename.startswith(folders) for frame in frames]
    last = max((number for number, is_own in enumerate(own) if not is_own), default=-1)
    return StackSummary.from_list(
        [frame for number, frame in enumerate(frames) if not own[number] or (keep_last and number > last)]
    )
