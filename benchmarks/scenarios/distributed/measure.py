"""Ranks of fledge, torchrun and flytekit's Elastic, interleaved; run by a Python with fledge-distributed and torch.

    python benchmarks/scenarios/distributed/measure.py --rounds 3 --nproc 1 2 4 8 --flytekit /path/to/its/python

Out: a Markdown table of medians; most are wall time, as it is what a user waits for: run it on a quiet machine. Beside
them stand the targets of fledge. Exit status 1 when a contestant fails, or with `--check` when a target is missed.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT, PACKAGE = HERE.parents[2], "benchmarks.scenarios.distributed"
QUIET = {"OMP_NUM_THREADS": "1", "FLYTE_SDK_LOGGING_LEVEL": "50"}
CONTESTANTS = ("import torch", "fledge", "torchrun", "flytekit")
START, CPU, WARM, LATENCY, LARGE = (
    "start to barrier",
    "CPU of a run",
    "warm call to barrier",
    "last return to value",
    "100 MB",
)
MEMORY, TREE, LINES = "USS", "PSS of all", "10 MB of lines"
UNITS = {
    START: "s",
    CPU: "s",
    WARM: "s",
    MEMORY: "MiB per rank",
    TREE: "MiB",
    LATENCY: "s",
    LARGE: "s",
    LINES: "s, slowest rank",
}
# (measure, ranks) -> the most that fledge may take.
TARGETS = {(WARM, 2): 0.1, (WARM, 8): 0.2, (MEMORY, 4): 15.0, (TREE, 4): 300.0}
ANY = {LATENCY: 0.05, LARGE: 1.5, LINES: 1.0}  # with any number of ranks
TIMES_IMPORT = {START: 1.25, CPU: 2.0}  # of what one `import torch` takes; so much processor time with 8 ranks

Numbers = dict[str, float]
Work = Callable[[int, Path], Numbers]


def main(arguments: list[str]) -> int:
    """Measure and print."""
    options = parsed(arguments)
    works = contestants(options.flytekit)
    found: dict[tuple[str, int], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for number in range(options.rounds + 1):  # the first round warms the page cache and byte code
        for nproc in options.nproc if number else options.nproc[:1]:
            for name, work in works.items():
                with tempfile.TemporaryDirectory(prefix="bench-") as folder:
                    numbers = work(nproc, Path(folder))
                for measure, value in numbers.items() if number else ():
                    found[measure, nproc][name].append(value)
    medians = {row: {name: statistics.median(all_) for name, all_ in cells.items()} for row, cells in found.items()}
    rows = sorted(medians, key=lambda row: (list(UNITS).index(row[0]), row[1]))
    print(f"median of {options.rounds} rounds, {os.cpu_count()} cores")
    print("| measure | ranks | " + " | ".join(CONTESTANTS) + " | target |\n" + "|---" * (len(CONTESTANTS) + 3) + "|")
    missed = False
    for measure, nproc in rows:
        cells = medians[measure, nproc]
        most = target(measure, nproc, cells)
        is_missed = most is not None and cells["fledge"] > most
        missed = missed or is_missed
        shown = " | ".join(f"{cells[name]:.3f}" if name in cells else "-" for name in CONTESTANTS)
        verdict = "" if most is None else f"{most:.2f}{' MISSED' if is_missed else ''}"
        print(f"| {measure}, {UNITS[measure]} | {nproc} | {shown} | {verdict} |")
    return 1 if missed and options.check else 0


def parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--nproc", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument(
        "--flytekit", metavar="PYTHON", help="one with flytekitplugins-kfpytorch; else this one, if it has"
    )
    parser.add_argument("--check", action="store_true", help="fail when a target is missed")
    return parser.parse_args(arguments)


def contestants(flytekit: str | None) -> Mapping[str, Work]:
    """Those that can run here."""
    works: dict[str, Work] = {
        "import torch": only_import,
        "fledge": program("ranks_fledge"),
        "torchrun": torchrun,
    }
    if flytekit or importlib.util.find_spec("flytekitplugins") is not None:
        works["flytekit"] = program("ranks_flytekit", flytekit or sys.executable)
    return works


def target(measure: str, nproc: int, cells: Mapping[str, float]) -> float | None:
    """The most that fledge may take."""
    if measure == START or (measure == CPU and nproc == 8):
        return TIMES_IMPORT[measure] * cells["import torch"]
    return ANY.get(measure, TARGETS.get((measure, nproc)))


# -- contestants -------------------------------------------------------------------------------------------------------


def only_import(nproc: int, folder: Path) -> Numbers:
    """The floor of a start: one process that imports the framework."""
    begun = time.monotonic()
    cpu_s = ran([sys.executable, "-c", "import torch.distributed"], nproc)
    return {START: time.monotonic() - begun, CPU: cpu_s}


def torchrun(nproc: int, folder: Path) -> Numbers:
    """It gives no value back, and each run is a new process."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={nproc}"]
    begun = time.monotonic()
    cpu_s = ran([*command, str(HERE / "ranks_body.py"), str(folder)], nproc)
    marks = marks_in(folder, nproc)
    return {START: max(mark["met"] for mark in marks) - begun, CPU: cpu_s, **memory(marks)}


def program(module: str, python: str = sys.executable) -> Work:
    """A user's program with several calls of the module's task, and once more with the first one alone."""

    def work(nproc: int, folder: Path) -> Numbers:
        command = [python, str(HERE / "ranks_calls.py"), f"{PACKAGE}.{module}", str(folder)]
        cpu_s = ran([*command, "cold"], nproc)
        shutil.rmtree(folder / "cold")
        begun = time.monotonic()
        ran(command, nproc)
        calls: Mapping[str, Mapping[str, float]] = json.loads((folder / "calls.json").read_text())
        marks = {name: marks_in(folder / name, nproc) for name in calls}
        met = {name: max(mark["met"] for mark in marks[name]) for name in calls}
        return {
            START: met["cold"] - begun,
            CPU: cpu_s,
            WARM: met["warm"] - calls["warm"]["begun"],
            **memory(marks["warm"]),
            LATENCY: calls["warm"]["ended"] - max(mark["returned"] for mark in marks["warm"]),
            LARGE: calls["large"]["ended"] - marks["large"][0]["returned"],
            LINES: max(mark["wrote_s"] for mark in marks["lines"]),
        }

    return work


def ran(command: list[str], nproc: int) -> float:
    """The processor seconds of the command and all it has started; it must succeed."""
    own = {"PYTHONPATH": str(ROOT), "BENCH_NPROC": str(nproc), "BENCH_PARENT": str(os.getpid())}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command,
        env={**os.environ, **own, **QUIET},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def marks_in(folder: Path, nproc: int) -> list[dict[str, Any]]:  # Any: JSON
    """What each rank has noted, by rank."""
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(nproc)]


def memory(marks: list[dict[str, Any]]) -> Numbers:  # Any: JSON
    """Of the largest rank, and of all processes together."""
    return {MEMORY: max(float(mark["uss_mib"]) for mark in marks), TREE: float(marks[0]["tree_mib"])}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
