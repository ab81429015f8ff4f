"""Measure one piece of work as several contestants do it: ours, the peers', and the floor's.

In: scenario files (see README.md here). Out: for each contestant the median CPU time over interleaved rounds and, where
valgrind is installed, the number of instructions; as rows of a table.

Wall time says how busy the machine was; CPU time of the process says less of that, and instructions nothing of it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

__all__ = ["CONTESTANTS", "Measured", "Scenario", "has_valgrind", "load_scenario", "measure", "table"]

HERE = Path(__file__).parent
CONTESTANTS = ("floor", "fledge", "flytekit")
# Hash seeds decide the order of sets and so the number of instructions; byte code is compiled before the first round
# and has to be kept for the next ones.
ENVIRONMENT = {
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "",
    "FLYTE_SDK_LOGGING_LEVEL": "50",
    "OMP_NUM_THREADS": "1",
}


class Limit(NamedTuple):
    """One thing that is not to be exceeded, as a scenario's file says it; see `LIMITS`."""

    constant: str
    shown: Callable[[float], str]
    is_kept: Callable[[float, Measured, Mapping[str, Measured]], bool]


@dataclass(frozen=True)
class Scenario:
    """One piece of work: whole processes where there are `commands`, else one function of the file per contestant."""

    name: str
    title: str
    file: Path
    contestants: tuple[str, ...]
    commands: Callable[[Path], Mapping[str, list[str]]] | None
    targets: Mapping[Limit, float] = field(hash=False)
    needs: str = ""
    """Which environment, with more than the core in it, all contestants run in; none: each in its own."""
    is_countable: bool = True
    """Whether instructions say something: not of work that is the waiting for another process."""

    def is_missed(self, row: Mapping[str, Measured]) -> bool:
        """Whether ours failed or is over one of the targets. What was not measured is over none."""
        ours = row.get("fledge")
        if ours is None or ours.error:
            return True
        return not all(limit.is_kept(most, ours, row) for limit, most in self.targets.items())


@dataclass
class Measured:
    """What one contestant took: CPU seconds of each round, for one unit of work."""

    seconds: list[float] = field(default_factory=list)
    instructions: int | None = None
    error: str | None = None
    loops: int = 0
    peak_bytes: int = 0
    """The most memory that one of its processes, or a child of it, has held."""

    @property
    def median_s(self) -> float | None:
        return statistics.median(self.seconds) if self.seconds and self.error is None else None


class ContestantError(Exception):
    """A contestant's process failed; the text is the end of what it wrote."""


def load_scenario(file: Path) -> Scenario:
    """Read a scenario file: its docstring is the title, its functions are the contestants."""
    module = load_module(file)
    commands = getattr(module, "commands", None)
    names = getattr(module, "CONTESTANTS", None) or [name for name in CONTESTANTS if commands or hasattr(module, name)]
    return Scenario(
        name=file.stem,
        title=(module.__doc__ or file.stem).splitlines()[0].rstrip("."),
        file=file,
        contestants=tuple(names),
        commands=commands,
        targets={limit: getattr(module, limit.constant) for limit in LIMITS if hasattr(module, limit.constant)},
        needs=getattr(module, "NEEDS", ""),
        is_countable=getattr(module, "IS_COUNTABLE", True),
    )


def load_module(file: Path) -> ModuleType:
    """Import a file by its path; `benchmarks.tasks` must be importable."""
    spec = importlib.util.spec_from_file_location(f"scenario_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def measure(
    scenario: Scenario,
    pythons: Mapping[str, str],
    *,
    rounds: int = 5,
    counted: Iterable[str] = ("floor", "fledge"),
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Measured]:
    """Run every contestant once in each round, so that a slow moment of the machine meets all of them.

    Args:
        scenario: What to run.
        pythons: Contestant -> interpreter of its environment; contestants without one are left out.
        rounds: Processes for each contestant; one more before them warms caches and byte code.
        counted: Contestants whose instructions are counted, where valgrind is installed.
        say: Told what is being done.
    """
    results = {name: Measured() for name in scenario.contestants if name in pythons}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        commands = prepared(scenario, results, Path(folder), pythons)
        for number in range(rounds + 1):
            for name, measured in results.items():
                if measured.error is None:
                    say(f"{scenario.title}: {name}, round {number} of {rounds}")
                    attempt(one_round, measured, commands[name], folder, is_counted=number > 0)
        for name in counted if has_valgrind() and scenario.is_countable else ():
            if name in results and results[name].error is None:
                say(f"{scenario.title}: {name}, counting instructions")
                attempt(count_instructions, results[name], commands[name], folder)
    return results


def prepared(
    scenario: Scenario, results: Mapping[str, Measured], folder: Path, pythons: Mapping[str, str]
) -> dict[str, list[str]]:
    """The command of each contestant; a `{loops}` in it is how often it does its work."""
    if scenario.commands is not None:
        given = scenario.commands(folder)
        return {name: [pythons[name], *given[name]] for name in results}
    worker = str(HERE / "worker.py")
    return {name: [pythons[name], worker, str(scenario.file), name, "{loops}"] for name in results}


def attempt(work: Callable[..., None], measured: Measured, *args: object, **options: bool) -> None:
    """Note a contestant's failure instead of losing the others' numbers."""
    try:
        work(measured, *args, **options)
    except ContestantError as exc:
        measured.error = str(exc)


def one_round(measured: Measured, command: list[str], folder: str, *, is_counted: bool) -> None:
    """One process. The first one is not counted; it says how many loops make a measurable batch."""
    ran = run(with_loops(command, measured.loops), folder)
    seconds = ran.seconds
    measured.peak_bytes = max(measured.peak_bytes, ran.peak_bytes)
    if "{loops}" in command:
        answer = json.loads(ran.out)
        measured.loops, seconds = answer["loops"], answer["seconds"]
    if is_counted:
        measured.seconds.append(seconds)


def with_loops(command: list[str], loops: int) -> list[str]:
    return [str(loops) if part == "{loops}" else part for part in command]


class Ran(NamedTuple):
    """What a process wrote, its CPU time (user and system) with that of the children it waited for, and its memory."""

    out: str
    err: str
    seconds: float
    peak_bytes: int


def run(command: list[str], folder: str) -> Ran:
    """Run a process to its end; it must succeed."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        env = {**os.environ, **ENVIRONMENT, "FLEDGE_CACHE_DIR": str(Path(folder) / "cache"), "TMPDIR": folder}
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=out, stderr=err, stdin=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        peak_bytes = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        spent_s = usage.ru_utime + usage.ru_stime
        ran = Ran(out.read().decode(), err.read().decode(errors="replace"), spent_s, peak_bytes)
    if process.returncode != 0:
        raise ContestantError(ran.err.strip()[-2000:] or f"exit status {process.returncode}")
    return ran


# -- instructions ------------------------------------------------------------------------------------------------------


def has_valgrind() -> bool:
    """Whether instructions can be counted here."""
    return shutil.which("valgrind") is not None


def count_instructions(measured: Measured, command: list[str], folder: str) -> None:
    """Instructions of one unit of work: of the whole process, or the difference of two numbers of loops."""
    if "{loops}" not in command:
        measured.instructions = instructions(command, folder)
        return
    median = measured.median_s or 0.0
    more = max(1, min(200, int(0.02 / median))) if median > 0 else 2
    few, many = (instructions([*with_loops(command, loops), "counted"], folder) for loops in (1, 1 + more))
    measured.instructions = (many - few) // more


def instructions(command: list[str], folder: str) -> int:
    """What valgrind counts for a process, start to end."""
    told = run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *command], folder).err
    found = re.search(r"Collected : (\d+)", told)
    if found is None:
        raise ContestantError(f"valgrind said nothing of instructions: {told[-500:]}")
    return int(found[1])


# -- the table ---------------------------------------------------------------------------------------------------------


def table(results: Mapping[Scenario, Mapping[str, Measured]]) -> str:
    """Markdown: one row for each scenario, ratios to the floor and to the peers."""
    head = ["scenario", *CONTESTANTS, "fledge/floor", "target", "flytekit/fledge", "instructions fledge/floor"]
    rows = [[scenario.title, *cells(scenario, measured)] for scenario, measured in results.items()]
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = [" | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in [head, *rows]]
    lines.insert(1, " | ".join("-" * width for width in widths))
    return "\n".join(f"| {line} |" for line in lines)


def cells(scenario: Scenario, measured: Mapping[str, Measured]) -> list[str]:
    times = {name: measured[name].median_s if name in measured else None for name in CONTESTANTS}
    shown = ["failed" if name in measured and measured[name].error else seconds(times[name]) for name in CONTESTANTS]
    if any(limit.constant == PEAK for limit in scenario.targets):
        peaks = [measured[name].peak_bytes if name in measured else 0 for name in CONTESTANTS]
        shown = [f"{text}, {megabytes(peak)}" if peak else text for text, peak in zip(shown, peaks, strict=True)]
    counts = {name: measured[name].instructions if name in measured else None for name in CONTESTANTS}
    target = ", ".join(limit.shown(most) for limit, most in scenario.targets.items())
    ratio = ratio_of(times["fledge"], times["floor"])
    peer = ratio_of(times["flytekit"], times["fledge"])
    counted = (
        f"{millions(counts['fledge'])} / {millions(counts['floor'])} {ratio_of(counts['fledge'], counts['floor'])}"
    )
    return [*shown, ratio, target, peer, counted.strip()]


def ratio_of(one: float | None, other: float | None) -> str:
    return f"{one / other:.1f}x" if one and other else ""


def seconds(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value * 1e6:.1f} us" if value < 1e-3 else f"{value * 1e3:.1f} ms" if value < 1 else f"{value:.2f} s"


def megabytes(value: float) -> str:
    return f"{value / 1e6:.0f} MB"


def millions(value: int | None) -> str:
    if value is None:
        return "-"
    return f"{value / 1e6:.1f} M" if value >= 1e6 else f"{value / 1e3:.1f} k"


# -- targets -----------------------------------------------------------------------------------------------------------


def is_within(most: float, ours: Measured, row: Mapping[str, Measured], other: str) -> bool:
    """At most so many times what the other took: instructions where both are known, for they do not jitter."""
    theirs = row.get(other, Measured())
    if ours.instructions and theirs.instructions:
        return ours.instructions <= most * theirs.instructions
    return not (ours.median_s and theirs.median_s) or ours.median_s <= most * theirs.median_s


def is_little_more(most_s: float, ours: Measured, row: Mapping[str, Measured]) -> bool:
    """At most so many seconds more than the floor; by the floor's time for an instruction where both are counted."""
    floor = row.get("floor", Measured())
    if not (ours.median_s and floor.median_s):
        return True
    if ours.instructions and floor.instructions:
        return (ours.instructions / floor.instructions - 1) * floor.median_s <= most_s
    return ours.median_s - floor.median_s <= most_s


PEAK = "TARGET_PEAK_BYTES"
LIMITS = (
    Limit("TARGET", lambda most: f"{most:g}x", lambda most, ours, row: is_within(most, ours, row, "floor")),
    Limit(
        "TARGET_OF_FLYTEKIT",
        lambda most: f"{most:g}x flytekit",
        lambda most, ours, row: is_within(most, ours, row, "flytekit"),
    ),
    Limit(
        "TARGET_INSTRUCTIONS",
        lambda most: millions(round(most)),
        lambda most, ours, _: not ours.instructions or ours.instructions <= most,
    ),
    Limit("TARGET_S", seconds, lambda most, ours, _: not ours.median_s or ours.median_s <= most),
    Limit("TARGET_S_MORE", lambda most: f"+{seconds(most)}", is_little_more),
    Limit(PEAK, megabytes, lambda most, ours, _: ours.peak_bytes <= most),
)
