"""Shows on standard error how far long work is: bars where rich is installed, or plain lines for a log.

In: every report of this process while `with progress_shown():` lasts. Out: what a person sees on the terminal, and
nothing on standard output: while there are bars, whatever else is written to this terminal stands above them.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import IO, Any, Literal, Protocol, cast

from fledge.errors import DefinitionError
from fledge.progress import ProgressReport, shown_to

__all__ = ["STYLES", "Style", "progress_shown"]

Style = Literal["auto", "rich", "plain", "off"]
STYLES: tuple[Style, ...] = ("auto", "rich", "plain", "off")

_MOST_BARS = 10
_LINE_EVERY_S = 5.0  # between two plain lines about one piece of work that goes on
_WORTH_A_LINE_S = 1.0  # work that lasted leaves a line when its bar goes
_LONGEST_NAME = 60  # characters; of a long path both ends are worth more than its middle
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
_lock = threading.Lock()  # held by the one display that this process has


class _Display(Protocol):
    """Shows reports from its beginning to its end."""

    def __enter__(self) -> Callable[[ProgressReport], None]: ...

    def __exit__(self, *_: object) -> None: ...


@contextmanager
def progress_shown(style: Style = "auto", stream: IO[str] | None = None) -> Iterator[None]:
    """Show the progress of all work in the block. Inside another such block it does nothing: one display is enough.

    Args:
        style: "auto": bars where the stream is a terminal and rich is installed, else nothing. "rich": bars. "plain":
            a line when work ends, and from time to time while it goes on. "off": nothing.
        stream: Standard error if not given; where there is none, nothing is shown.

    Raises:
        DefinitionError: "rich" was asked for and is not installed, or the style is none of these.
    """
    display = _display(style, stream if stream is not None else sys.stderr)
    if display is None or not _lock.acquire(blocking=False):
        yield
        return
    try:
        with display as listener, shown_to(listener):
            yield
    finally:
        _lock.release()


def _display(style: Style, stream: IO[str] | None) -> _Display | None:
    if style not in STYLES:
        raise DefinitionError(f"progress cannot be shown as {style!r}. Styles: {', '.join(STYLES)}")
    if stream is None:
        return None
    if style == "plain":
        return _Lines(stream)
    has_rich = style in ("auto", "rich") and importlib.util.find_spec("rich") is not None
    if style == "rich" and not has_rich:
        raise DefinitionError("bars of progress need rich, which is not installed: pip install 'fledge[rich]'")
    if style == "rich" or (style == "auto" and has_rich and _is_terminal(stream)):
        return _Bars(stream)
    return None


def _is_terminal(stream: IO[str]) -> bool:
    return stream.isatty() and os.environ.get("TERM") != "dumb"


# -- words -------------------------------------------------------------------------------------------------------------


def _name(report: ProgressReport) -> str:
    """One line, not too long, without anything that moves the cursor."""
    name = "".join(letter if letter.isprintable() else "?" for letter in report.name)
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME // 2]}…{name[1 - _LONGEST_NAME // 2 :]}"


def _amount(report: ProgressReport) -> str:
    """`12.0 of 256.0 MB`, `3 of 16 nodes`, `43 %`, `1,234 rows`; empty where nothing is counted."""
    done, total, unit = report.done, report.total, report.unit
    if unit == "%":
        return f"{done:.0f} %" if done else ""
    if unit == "bytes":
        step = 0
        while max(done, total or 0) >= 1000 ** (step + 1) and step < len(_UNITS) - 1:
            step += 1
        digits, scale, unit = (0 if step == 0 else 1), 1000**step, _UNITS[step]
    else:
        digits, scale = 0, 1
    if total is None:
        return f"{done / scale:,.{digits}f} {unit}".strip() if done else ""
    return f"{done / scale:,.{digits}f} of {total / scale:,.{digits}f} {unit}".strip()


def _ended(report: ProgressReport, seconds: float) -> str:
    """How it ended; of finished work it is enough to say how much there was."""
    amount = _amount(replace(report, total=None)) if report.state == "finished" else _amount(report)
    is_said = amount and (report.unit != "%" or report.state != "finished")
    return f"{_name(report)}: {f'{amount}, ' if is_said else ''}{report.state} after {seconds:.1f} s"


# -- plain lines -------------------------------------------------------------------------------------------------------


class _Lines:
    """A line when a piece of work ends, and from time to time while it goes on."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._times: dict[int, tuple[float, float]] = {}  # number -> when it began, when the last line was written
        self._writing = threading.RLock()  # a report may come from a finalizer in the middle of another one

    def __enter__(self) -> Callable[[ProgressReport], None]:
        return self._show

    def __exit__(self, *_: object) -> None:
        """There is nothing to put away."""

    def _show(self, report: ProgressReport) -> None:
        now = time.monotonic()
        with self._writing:
            began, last = self._times.setdefault(report.number, (now, now))
            if report.state != "running":
                del self._times[report.number]
                self._write(_ended(report, now - began))
            elif now - last >= _LINE_EVERY_S:
                self._times[report.number] = began, now
                self._write(f"{_name(report)}: {_amount(report) or 'running'}")

    def _write(self, line: str) -> None:
        self._stream.write(f"{line}\n")
        self._stream.flush()


# -- bars --------------------------------------------------------------------------------------------------------------


class _Bars:
    """A bar for each piece of work that goes on; what is written meanwhile stands above the bars."""

    def __init__(self, stream: IO[str]) -> None:
        from rich.console import Console  # noqa: PLC0415 - an optional library, for terminals only
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415 - as above
        from rich.table import Column  # noqa: PLC0415 - as above

        self._stream = stream
        self._console = Console(file=stream, force_jupyter=False, highlight=False, markup=False, emoji=False)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True)),
            BarColumn(bar_width=24, complete_style="blue", pulse_style="blue"),
            TextColumn("{task.fields[amount]}", justify="right", markup=False, table_column=Column(no_wrap=True)),
            TimeElapsedColumn(),
            console=self._console,
            expand=True,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._bars: dict[int, tuple[Any, float]] = {}  # Any: rich's number of the bar; and when the work began
        self._changing = threading.RLock()  # as for lines
        self._process = os.getpid()
        self._exits = ExitStack()

    def __enter__(self) -> Callable[[ProgressReport], None]:
        with ExitStack() as undo:
            if self._console.is_terminal:
                undo.enter_context(_written_above(self._stream, self._console.out))
            undo.enter_context(self._progress)
            self._exits = undo.pop_all()
        return self._show

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    def _show(self, report: ProgressReport) -> None:
        if os.getpid() != self._process:  # a fork of ours: it has the listener, but the bars are its parent's
            return
        with self._changing:
            if report.state == "running":
                self._move(report)
            else:
                self._end(report)

    def _move(self, report: ProgressReport) -> None:
        if report.number not in self._bars:
            bar = self._progress.add_task(_name(report), total=None, amount="", visible=len(self._bars) < _MOST_BARS)
            self._bars[report.number] = bar, time.monotonic()
        self._progress.update(
            self._bars[report.number][0], completed=report.done, total=_total(report), amount=_amount(report)
        )

    def _end(self, report: ProgressReport) -> None:
        bar, began = self._bars.pop(report.number, (None, time.monotonic()))
        if bar is not None:
            self._progress.remove_task(bar)
        for waiting, _ in list(self._bars.values())[:_MOST_BARS]:
            self._progress.update(waiting, visible=True)
        seconds = time.monotonic() - began
        if report.state == "failed" or seconds >= _WORTH_A_LINE_S:
            self._console.out(_ended(report, seconds), style="red" if report.state == "failed" else "dim")


def _total(report: ProgressReport) -> float | None:
    """What a bar is a part of; a share that has not moved yet is not known."""
    if report.unit == "%":
        return 100.0 if report.done else None
    return report.total


@contextmanager
def _written_above(stream: IO[str], write: Callable[[str], None]) -> Iterator[None]:
    """Let everything that would reach the terminal of `stream` go through `write`, line by line.

    That is `sys.stderr` and `sys.stdout` where they are this terminal, and every log handler that writes to them.
    """
    above: dict[str, _Above] = {}
    for name in ("stderr", "stdout"):
        before = getattr(sys, name)
        if before is stream or (before is not None and before.isatty()):
            above[name] = _Above(before, write)
            setattr(sys, name, above[name])
    moved = [(handler, one) for one in above.values() for handler in _handlers() if handler.stream is one.stream]
    for handler, one in moved:
        handler.setStream(one)
    try:
        yield
    finally:
        for handler, one in moved:
            if handler.stream is one:
                handler.setStream(one.stream)
        for name, one in above.items():
            if getattr(sys, name) is one:
                setattr(sys, name, one.stream)
            one.end()


def _handlers() -> list[logging.StreamHandler[Any]]:  # Any: of any stream
    loggers = [
        logging.root,
        *(one for one in logging.root.manager.loggerDict.values() if isinstance(one, logging.Logger)),
    ]
    return [handler for one in loggers for handler in one.handlers if isinstance(handler, logging.StreamHandler)]


class _Above:
    """Stands for a stream of the terminal: whole lines are written above the bars; anything else is the stream's."""

    def __init__(self, stream: IO[str], write: Callable[[str], None]) -> None:
        self.stream = stream
        self._write = write
        self._rest = ""
        self._adding = threading.RLock()
        self._process: int | None = os.getpid()

    def write(self, text: str) -> int:
        if os.getpid() != self._process:  # in a fork another thread's lock would never be given back
            return self.stream.write(text)
        with self._adding:
            *lines, self._rest = (self._rest + text).split("\n")
            if lines:
                self._write("\n".join(map(_visible, lines)))
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        self.write("".join(lines))

    def flush(self) -> None:
        """Show a line that is not whole, a question for example; not one that writes over itself: bars do that."""
        if os.getpid() != self._process:
            self.stream.flush()
            return
        with self._adding:
            if self._rest and "\r" not in self._rest:
                self.write("\n")

    def end(self) -> None:
        """Give what is left to the stream, and from now on everything at once: somebody may have kept this object."""
        self._process = None
        self.stream.write(self._rest)
        self.stream.flush()

    def __getattr__(self, name: str) -> object:
        return cast("object", getattr(self.stream, name))


def _visible(line: str) -> str:
    """What a terminal would show of a line in which the cursor goes back to the start."""
    return line.rstrip("\r").rpartition("\r")[2]
