"""Bytes from the ranks' stdout and stderr to whole lines, each with its rank in front; files per rank on request."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from types import TracebackType
from typing import TextIO

from fledge.printing import write_at_once

__all__ = ["LineSplitter", "OnLines", "OnLog", "RankLogs", "one_by_one", "prefix"]

OnLog = Callable[[int, str, str], None]  # rank, "stdout" or "stderr", one line without its end
OnLines = Callable[[int, str, Sequence[str]], None]  # the same for all lines that have come at once
_LONGEST_LINE = 1 << 20  # a longer one is cut, so that a rank which writes no line ends cannot fill the caller's memory


class LineSplitter:
    """Collects the bytes of one stream of one rank and hands on whole lines."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """The lines that `data` completes."""
        head, newline, rest = (self._rest + data).rpartition(b"\n")
        self._rest = rest
        lines = _decoded(head) if newline else []
        return lines + self.end() if len(rest) > _LONGEST_LINE else lines

    def end(self) -> list[str]:
        """The last line, when the stream ended without a line end."""
        rest, self._rest = self._rest, b""
        return _decoded(rest) if rest else []


def _decoded(data: bytes) -> list[str]:
    """At once, as decoding each line is what takes the time; a line end is never part of another character."""
    lines = data.decode("utf-8", "replace").split("\n")
    return [line.removesuffix("\r") for line in lines] if b"\r" in data else lines


def prefix(rank: int, node: int | None = None) -> str:
    """`[rank 3] `, or `[node 1 rank 3] ` when a node is given."""
    return f"[rank {rank}] " if node is None else f"[node {node} rank {rank}] "


def one_by_one(on_log: OnLog) -> OnLines:
    """For those who take one line at a time."""

    def take(rank: int, stream: str, lines: Sequence[str]) -> None:
        for line in lines:
            on_log(rank, stream, line)

    return take


class RankLogs:
    """Where the lines of a run go: to the caller's stdout and stderr, and to a file per rank.

    Args:
        nproc: Ranks per node.
        nnodes: With more than one, lines name the node too.
        shown: Ranks whose lines are printed; None: all.
        folder: Gets `rank-<n>.log` with both streams of each rank, as they were written.
    """

    def __init__(
        self, nproc: int, nnodes: int = 1, shown: Collection[int] | None = None, folder: str | None = None
    ) -> None:
        self._nproc, self._nnodes, self._shown = nproc, nnodes, shown
        self._folder = Path(folder) if folder is not None else None
        self._files: dict[int, TextIO] = {}

    def __enter__(self) -> RankLogs:  # noqa: PYI034 - typing.Self came with Python 3.11
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for file in self._files.values():
            file.close()
        self._files.clear()

    def write(self, rank: int, stream: str, lines: Sequence[str]) -> None:
        """Take lines; an OnLines."""
        if not lines:
            return
        if self._folder is not None:
            file = self._file(self._folder, rank)
            file.write("\n".join([*lines, ""]))
            file.flush()
        if self._shown is None or rank in self._shown:
            node = rank // self._nproc if self._nnodes > 1 else None
            before = prefix(rank, node)
            _print(stream, "".join([f"{before}{line}\n" for line in lines]))

    def _file(self, folder: Path, rank: int) -> TextIO:
        if rank not in self._files:
            path = folder / f"rank-{rank}.log"
            self._files[rank] = path.open("w", encoding="utf-8", errors="backslashreplace")
        return self._files[rank]


def _print(stream: str, text: str) -> None:
    """Write whole lines at once; a closed or missing stream drops them, and what its encoding lacks is spelled out."""
    out = sys.stdout if stream == "stdout" else sys.stderr
    if out is not None and not getattr(out, "closed", False):  # whatever has `write` may stand in for a stream
        write_at_once(out, text)
