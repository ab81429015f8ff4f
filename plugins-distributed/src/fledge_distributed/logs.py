"""Bytes from the ranks' stdout and stderr to whole lines, each with its rank in front."""

from __future__ import annotations

import sys
from collections.abc import Callable

__all__ = ["LineSplitter", "OnLog", "prefixed", "print_line"]

OnLog = Callable[[int, str, str], None]  # rank, "stdout" or "stderr", one line without its end
_LONGEST_LINE = 1 << 20  # a longer one is cut, so that a rank which writes no line ends cannot fill the caller's memory


class LineSplitter:
    """Collects the bytes of one stream of one rank and hands on whole lines."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[str]:
        """The lines that `data` completes."""
        self._rest += data
        *whole, rest = self._rest.split(b"\n")
        if len(rest) > _LONGEST_LINE:
            whole.append(rest)
            rest = bytearray()
        self._rest = bytearray(rest)
        return [_decoded(line) for line in whole]

    def end(self) -> list[str]:
        """The last line, when the stream ended without a line end."""
        rest, self._rest = self._rest, bytearray()
        return [_decoded(rest)] if rest else []


def _decoded(line: bytes | bytearray) -> str:
    return bytes(line).decode("utf-8", "replace").removesuffix("\r")


def prefixed(rank: int, line: str, node: int | None = None) -> str:
    """`[rank 3] text`, or `[node 1 rank 3] text` when a node is given."""
    return f"[rank {rank}] {line}" if node is None else f"[node {node} rank {rank}] {line}"


def print_line(stream: str, line: str) -> None:
    """Write one line at once to the caller's stdout or stderr; a closed or missing stream drops it."""
    out = sys.stdout if stream == "stdout" else sys.stderr
    if out is not None and not out.closed:
        out.write(f"{line}\n")
        out.flush()
