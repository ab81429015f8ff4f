"""How an exception or a stack is shown: as text, without the frames that only lead through fledge and its plugins.

Readers want their own lines. What fledge, its plugins and click do in between is left out, with the library calls they
make; causes that only they know are left out as well, as the error above says what they mean. For an exception that is
not fledge's own, all below the reader's last line stays: there a bug would show. FLEDGE_LOG=DEBUG shows everything.
"""

from __future__ import annotations

import sys
import traceback
from traceback import TracebackException

from fledge.errors import FledgeError, PluginError, origin_of
from fledge.frames import Pruner

__all__ = ["format_error", "format_in_short", "summary"]


def format_error(error: BaseException) -> str:
    """The text Python would print for an uncaught `error`, causes, notes and groups included, ending in a line break.

    The exception stays as it is.
    """
    shown = _tidied(error, Pruner.of_installed())
    text = "".join(shown.format())
    if sys.version_info < (3, 11):  # which does not print notes
        text += "".join(f"{note}\n" for note in getattr(error, "__notes__", ()))
    return text


def format_in_short(error: BaseException) -> str:
    """For an error that fledge or a plugin found in what the user wrote: the message, notes and the user's lines.

    Empty for every other exception, and when one of its causes has something to add: `format_error` is for those.
    """
    if not isinstance(error, FledgeError) or isinstance(error, PluginError):
        return ""
    pruner = Pruner.of_installed()
    frames = traceback.extract_tb(error.__traceback__)
    shown = _tidied(error, pruner)
    if not frames or not pruner.is_own(frames[-1]) or _next(shown, error)[0] is not None:
        return ""
    lines = [f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())]
    lines += [f"  at {frame.filename}:{frame.lineno}: {frame.line}" for frame in reversed(shown.stack)]
    return "\n".join(lines) + "\n"


def summary(error: BaseException) -> str:
    """`ValueError: the message`, also when the exception's own `str` fails."""
    try:
        text = str(error)
    except Exception as exc:  # noqa: BLE001 - a user's exception may fail in any way; the message must still be made
        text = f"<its text cannot be made: {type(exc).__name__}>"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _tidied(error: BaseException, pruner: Pruner) -> TracebackException:
    """What will be printed, without what the module's docstring says."""
    shown = TracebackException(type(error), error, error.__traceback__)
    waiting: list[tuple[TracebackException, BaseException]] = [(shown, error)]
    while waiting:
        one, exc = waiting.pop()
        below, cause = _next(one, exc)
        while below is not None and cause is not None and _is_internal(pruner, below, exc):
            below, cause = _next(below, cause)
            one.__cause__, one.__context__, one.__suppress_context__ = below, None, True
        kept = pruner.without(one.stack)
        # One of the user's without a line of theirs was raised in another process: its cause shows those lines.
        if not isinstance(exc, FledgeError) and (kept or origin_of(exc) != "USER"):
            kept = pruner.without(one.stack, keep_last=True)
        one.stack = kept
        if below is not None and cause is not None:
            waiting.append((below, cause))
        waiting += zip(getattr(one, "exceptions", None) or (), getattr(exc, "exceptions", ()), strict=False)
    return shown


def _next(one: TracebackException, exc: BaseException) -> tuple[TracebackException | None, BaseException | None]:
    """What is printed above it: the cause, else the context unless it is suppressed."""
    if one.__cause__ is not None:
        return one.__cause__, exc.__cause__
    return (None, None) if one.__suppress_context__ else (one.__context__, exc.__context__)


def _is_internal(pruner: Pruner, cause: TracebackException, above: BaseException) -> bool:
    """A cause that passed through fledge and plugins only, and an error above it that says what it means."""
    is_told = isinstance(above, FledgeError) and not isinstance(above, PluginError)
    return is_told and any(map(pruner.is_own, cause.stack)) and not pruner.without(cause.stack)
