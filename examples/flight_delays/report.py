"""What the job prints: a line for each step as it ends, and tables at the end."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import IO, ParamSpec, TypeVar

import pyarrow as pa

__all__ = ["Step", "Steps", "rows_of", "text_table"]

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Step:
    """One task that ran: its name, the rank it ran on, the rows it gave or used, and its seconds."""

    name: str
    rank: str
    rows: int | None
    seconds: float

    def cells(self) -> tuple[str, str, str, str]:
        return self.name, self.rank, "" if self.rows is None else f"{self.rows:,}", f"{self.seconds:.2f}"


class Steps:
    """Runs tasks one by one and tells of each; on a terminal also of the one that is running."""

    def __init__(self, out: IO[str] | None = None) -> None:
        self.done: list[Step] = []
        self._out = out if out is not None else sys.stdout

    def run(self, task: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a task and note its rows and seconds."""
        name = str(getattr(task, "name", task)).rpartition(".")[2]
        if self._out.isatty():
            # What is printed next, by us or by a rank, overwrites it.
            print(f"  {name} ...", end="\r", file=self._out, flush=True)
        started = time.monotonic()
        result = task(*args, **kwargs)
        self.add(Step(name, "0 of 1", rows_of(result), time.monotonic() - started))
        return result

    def add(self, step: Step) -> None:
        self.done.append(step)
        rows = "" if step.rows is None else f"{step.rows:,} rows"
        print(f"  {step.name:<24}{rows:>16}{step.seconds:>9.2f} s", file=self._out, flush=True)


def text_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns side by side, the first one on the left, the others on the right."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]

    def joined(line: Sequence[str]) -> str:
        first, *rest = line
        return "  ".join(
            [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))]
        )

    return "\n".join([joined(header), "  ".join("-" * width for width in widths), *map(joined, lines[1:])])


def rows_of(result: object) -> int | None:
    """The rows of a table, or of all tables in a tuple; None where there is none."""
    if isinstance(result, pa.Table):
        return int(result.num_rows)
    if isinstance(result, tuple):
        counts = [rows_of(one) for one in result]
        return sum(count for count in counts if count is not None) if any(counts) else None
    return None
