"""Bytes from the ranks' stdout and stderr to whole lines, each with its rank in front; files per rank on request."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from pathlib import Path
from types import TracebackType
from typing import TextIO

__all__ = ["LineSplitter", "OnLog", "RankLogs", "prefixed"]

OnLog = Callable[[int, str, str], None]  # rank, "stdout" or "stderr", one line without its end
_LONGEST_LINE = 1 << 20  # a longer one is cut, so that a rank which writes no line ends cannot fill the caller's memory


class LineSplitter:
    """Collects the bytes of one stream of one rank and hands on whole lines."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """The lines that `data` completes."""
        *whole, rest = (self._rest + data).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            whole.append(rest)
            rest = b""
        self._rest = rest
        return [_decoded(line) for line in whole]

    def end(self) -> list[str]:
        """The last line, when the stream ended without a line end."""
        rest, self._rest = self._rest, b""
        return [_decoded(rest)] if rest else []


def _decoded(line: bytes) -> str:
    return line.decode("utf-8", "replace").removesuffix("\r")


def prefixed(rank: int, line: str, node: int | None = None) -> str:
    """`[rank 3] text`, or `[node 1 rank 3] text` when a node is given."""
    return f"[rank {rank}] {line}" if node is None else f"[node {node} rank {rank}] {line}"


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

    def write(self, rank: int, stream: str, line: str) -> None:
        """Take one line; an OnLog."""
        if self._folder is not None:
            self._file(self._folder, rank).write(f"{line}\n")
        if self._shown is None or rank in self._shown:
            node = rank // self._nproc if self._nnodes > 1 else None
            _print_line(stream, prefixed(rank, line, node))

    def _file(self, folder: Path, rank: int) -> TextIO:
        if rank not in self._files:
            path = folder / f"rank-{rank}.log"
            self._files[rank] = path.open("w", buffering=1, encoding="utf-8", errors="backslashreplace")
        return self._files[rank]


def _print_line(stream: str, line: str) -> None:
    """Write one line at once; a closed or missing stream drops it."""
    out = sys.stdout if stream == "stdout" else sys.stderr
    if out is not None and not out.closed:
        out.write(f"{line}\n")
        out.flush()
