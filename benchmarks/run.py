"""Run scenarios and print the table: `python benchmarks/run.py`, in an environment with fledge; `nox -s bench` does it.

Exit status: 1 when one of the contestants failed, or, with `--check`, when a target was missed.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.harness import (
    CONTESTANTS,
    Scenario,
    has_valgrind,
    load_scenario,
    measure,
    table,
)

SCENARIOS = Path(__file__).parent / "scenarios"


def main(arguments: list[str]) -> int:
    """Parse the command line, measure, print."""
    options = parsed(arguments)
    pythons = {"floor": sys.executable, "fledge": sys.executable, **dict(pair.split("=", 1) for pair in options.python)}
    files = [file for file in sorted(SCENARIOS.glob("*.py")) if not options.only or file.stem in options.only]
    scenarios = [load_scenario(file) for file in files]
    if options.list:
        print("\n".join(f"{scenario.name:24} {scenario.title}" for scenario in scenarios))
        return 0
    counted = {"none": (), "own": ("floor", "fledge"), "all": CONTESTANTS}[options.instructions]
    results = {
        scenario: measure(scenario, pythons_for(scenario, pythons), rounds=options.rounds, counted=counted, say=say)
        for scenario in scenarios
    }
    print(
        f"Python {platform.python_version()}, {platform.machine()}; median CPU time of {options.rounds} rounds", end=""
    )
    print("; instructions by valgrind" if has_valgrind() and counted else "; no instructions counted")
    print(table(results))
    if options.json:
        report = {scenario.name: {name: asdict(m) for name, m in row.items()} for scenario, row in results.items()}
        Path(options.json).write_text(json.dumps(report, indent=2), encoding="utf-8")
    failures = [(s.title, name, m.error) for s, row in results.items() for name, m in row.items() if m.error]
    for title, name, error in failures:
        print(f"\n{title}: {name} failed:\n{error}")
    missed = [scenario.title for scenario, row in results.items() if scenario.is_missed(row)]
    if missed:
        print(f"\nover their target: {', '.join(missed)}")
    return 1 if failures or (options.check and missed) else 0


def pythons_for(scenario: Scenario, given: dict[str, str]) -> dict[str, str]:
    """Each contestant's interpreter: that of the environment which the scenario needs, if it is given, else its own.

    A contestant that cannot live in that environment has one beside it: `sql.flytekit`.
    """
    needed = given.get(scenario.needs)
    if needed is None:
        return given
    return {name: given.get(f"{scenario.needs}.{name}", needed) for name in CONTESTANTS}


def parsed(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("only", nargs="*", help="names of scenarios; without any, all")
    parser.add_argument("--list", action="store_true", help="name the scenarios and stop")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="a peer's interpreter, or that of an environment",
    )
    parser.add_argument(
        "--instructions", choices=("none", "own", "all"), default="own", help="whose to count (all: minutes)"
    )
    parser.add_argument("--json", metavar="FILE", help="write every number")
    parser.add_argument("--check", action="store_true", help="fail when a target is missed")
    return parser.parse_args(arguments)


def say(text: str) -> None:
    """Progress, where somebody is watching."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    status = main(sys.argv[1:])
    say("")
    sys.exit(status)
