"""What became of each rank of a run, as data: returned, ignored, failed or stopped; when; how much memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Literal

__all__ = ["RankReport", "as_html", "write_report"]


@dataclass(frozen=True)
class RankReport:
    """One rank of one attempt.

    Attributes:
        rank: Counted over all nodes from 0.
        node: Its node.
        state: "returned", "ignored" (raised IgnoreOutputs), "failed", or "stopped" because another one had failed or
            the run was ended.
        seconds: From its start to its end.
        peak_mib: The largest resident size.
        headline: Why it failed; empty otherwise.
        restart: Which attempt: 0 is the first start, 1 the first restart.
        started, ended: UTC; None for a report that was not made by a run.
    """

    rank: int
    node: int
    state: Literal["returned", "ignored", "failed", "stopped"]
    seconds: float
    peak_mib: float
    headline: str = ""
    restart: int = 0
    started: datetime | None = None
    ended: datetime | None = None


def write_report(path: Path, reports: Iterable[RankReport]) -> None:
    """JSON lines, one object per rank and attempt; times as ISO text."""
    lines = [json.dumps(asdict(report), default=datetime.isoformat) for report in reports]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def as_html(reports: Sequence[RankReport]) -> str:
    """A table for a deck."""
    has_restarts = any(one.restart for one in reports)
    rows = "\n".join(
        f"<tr>{f'<td>{one.restart}</td>' if has_restarts else ''}<td>{one.rank}</td><td>{one.node}</td>"
        f"<td>{escape(one.state)}</td><td>{one.seconds:.2f}</td><td>{one.peak_mib:.0f}</td>"
        f"<td>{escape(one.headline)}</td></tr>"
        for one in reports
    )
    names = (*(("restart",) if has_restarts else ()), "rank", "node", "state", "seconds", "peak MiB", "why")
    head = "".join(f"<th>{name}</th>" for name in names)
    return f"<table><thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table>"
