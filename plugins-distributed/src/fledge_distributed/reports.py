"""What became of each rank of a run, as data: returned, ignored, failed or stopped; how long; how much memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path

__all__ = ["RankReport", "as_html", "write_report"]


@dataclass(frozen=True)
class RankReport:
    """One rank of one attempt.

    `state`: "returned", "ignored" (raised IgnoreOutputs), "failed", or "stopped" because another one had failed.
    `seconds`: from its start to its end. `peak_mib`: the largest resident size. `headline`: why it failed.
    """

    rank: int
    node: int
    state: str
    seconds: float
    peak_mib: float
    headline: str = ""


def write_report(path: Path, reports: Iterable[RankReport]) -> None:
    """JSON lines, one object per rank."""
    path.write_text("".join(f"{json.dumps(asdict(report))}\n" for report in reports), encoding="utf-8")


def as_html(reports: Sequence[RankReport]) -> str:
    """A table for a deck."""
    rows = "\n".join(
        f"<tr><td>{one.rank}</td><td>{one.node}</td><td>{escape(one.state)}</td><td>{one.seconds:.2f}</td>"
        f"<td>{one.peak_mib:.0f}</td><td>{escape(one.headline)}</td></tr>"
        for one in reports
    )
    head = "".join(f"<th>{name}</th>" for name in ("rank", "node", "state", "seconds", "peak MiB", "why"))
    return f"<table><thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table>"
