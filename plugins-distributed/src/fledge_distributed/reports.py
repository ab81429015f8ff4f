"""What became of each rank of a run, as data: returned, ignored, failed or stopped; when; how much memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Literal

from fledge.decks import bar

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
    """A table for a deck, with a picture of when each rank ran."""
    has_restarts = any(one.restart for one in reports)
    pictures = _when(reports)
    rows = "\n".join(
        f"<tr>{f'<td>{one.restart}</td>' if has_restarts else ''}<td>{one.rank}</td><td>{one.node}</td>"
        f"<td>{escape(one.state)}</td>{picture}<td>{one.seconds:.2f}</td><td>{one.peak_mib:.0f}</td>"
        f"<td>{escape(one.headline)}</td></tr>"
        for one, picture in zip(reports, pictures or [""] * len(reports), strict=True)
    )
    when = ("when",) if pictures else ()
    names = (*(("restart",) if has_restarts else ()), "rank", "node", "state", *when, "seconds", "peak MiB", "why")
    head = "".join(f"<th>{name}</th>" for name in names)
    return f"<table><thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table>"


def _when(reports: Sequence[RankReport]) -> list[str]:
    """A cell for each rank: its time within the time of all. Nothing when one of them has no times."""
    times = [(one.started.timestamp(), one.ended.timestamp()) for one in reports if one.started and one.ended]
    if len(times) < len(reports):
        return []
    begin, end = min(start for start, _ in times), max(end for _, end in times)
    return [
        f"<td>{bar(start - begin, stop - begin, end - begin, one.state)}</td>"
        for one, (start, stop) in zip(reports, times, strict=True)
    ]
