"""`fledge doctor`: what each plugin costs, what is broken or in conflict, what the environment says, and what to do."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING, Any, cast

import click

from fledge._version import __version__
from fledge.context import FlyteContextManager
from fledge.errors import nearest
from fledge.local_config import VARIABLES

if TYPE_CHECKING:
    from fledge.hooks.manager import PluginManager, PluginState

__all__ = ["Finding", "PluginPrice", "diagnose", "doctor_command", "loaded_plugins", "problem_of"]

# In a fresh interpreter that has loaded what every program with a task has, so that only the plugin's share counts.
_PROBE = """
import json, os, sys, time
import fledge.decorators, fledge.function, fledge.hooks.loading, fledge.wiring

def memory():
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:  # macOS has no /proc, and tells the peak in bytes; Windows has neither
        try:
            import resource
        except ImportError:
            return 0
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

known, before, start = set(sys.modules), memory(), time.perf_counter()
__import__(sys.argv[1])
cost, grown = time.perf_counter() - start, memory() - before
loaded = {name.partition(".")[0] for name in set(sys.modules) - known}
loaded = sorted(name for name in loaded - set(sys.stdlib_module_names) if not name.startswith("_"))
print(json.dumps({"load_ms": cost * 1000, "memory_mib": max(grown, 0) / 2**20, "imports": loaded}))
"""
_LIGHT_MS = 50.0
_AGAIN = 2


@dataclass(frozen=True)
class PluginPrice:
    """What importing one plugin's hook module costs: milliseconds, MiB of memory, top-level modules it loads."""

    plugin: str
    load_ms: float | None = None
    memory_mib: float | None = None
    imports: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Finding:
    """Something to act on: what it is about, what is wrong, what to do. Advice is no reason to fail."""

    about: str
    problem: str
    way_out: str
    is_advice: bool = False


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def doctor_command(as_json: bool) -> None:
    """Check the installation: prices, conflicts, broken plugins, versions. Exit code 1: a problem was found."""
    prices, findings, variables = diagnose()
    if as_json:
        data = {
            "version": __version__,
            "python": sys.version.split()[0],
            "plugins": [asdict(price) for price in prices],
            "findings": [asdict(finding) for finding in findings],
            "environment": variables,
        }
        click.echo(json.dumps(data, indent=2, sort_keys=True))
    else:
        _print(prices, findings, variables)
    sys.exit(1 if any(not finding.is_advice for finding in findings) else 0)


def diagnose() -> tuple[list[PluginPrice], list[Finding], dict[str, str]]:
    """Prices of all plugins, what is wrong, and the FLEDGE_* variables that are set."""
    manager = loaded_plugins()
    prices = [_price(state) for state in manager.states if state.state != "disabled"]
    variables = {name: value for name, value in sorted(os.environ.items()) if name.startswith("FLEDGE_")}
    findings = [*_broken(manager.states), *_conflicts(manager), *_versions(), *_unread(variables)]
    findings += [*_unmarked(manager.states), *_slow(prices)]
    return prices, findings, variables


def _price(state: PluginState) -> PluginPrice:
    """What looks heavy is measured again: the machine may have been busy, or Python may have compiled the module."""
    price = _measured(state)
    for _ in range(_AGAIN):
        if price.load_ms is None or price.load_ms <= _LIGHT_MS:
            break
        price = min(price, _measured(state), key=lambda one: one.load_ms or 0)
    return price


def _measured(state: PluginState) -> PluginPrice:
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, state.plugin.module],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        return PluginPrice(state.plugin.name)
    return PluginPrice(state.plugin.name, **json.loads(done.stdout.splitlines()[-1]))


def loaded_plugins() -> PluginManager:
    """The manager of the current context with every plugin loaded; nothing is logged, as the command tells it all."""
    manager = cast("PluginManager", FlyteContextManager.current_context().plugins)
    log = logging.getLogger("fledge.hooks")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        manager.load()
    finally:
        log.setLevel(level)
    return manager


def problem_of(state: PluginState) -> str:
    """Why a plugin is left out, without its name; empty when it is not."""
    return str(state.error).removeprefix(f"plugin {state.plugin}: ") if state.error is not None else ""


def _broken(states: list[PluginState]) -> list[Finding]:
    found = []
    for state in states:
        if state.state == "quarantined":
            cause = state.error.__cause__ if state.error is not None else None
            missing = cause.name if isinstance(cause, ModuleNotFoundError) else None
            needs = f"install what brings the module {missing!r}; or " if missing else ""
            way_out = (
                f"{needs}update or remove it: pip install -U {state.plugin.distribution}; "
                f"or switch it off: FLEDGE_DISABLE_PLUGINS={state.plugin.name}"
            )
            found.append(Finding(str(state.plugin), problem_of(state), way_out))
    return found


def _conflicts(manager: PluginManager) -> list[Finding]:
    return [
        Finding(thing, f"claimed by {' and '.join(owners)}", f"switch one off: FLEDGE_DISABLE_PLUGINS={owners[-1]}")
        for thing, owners in manager.conflicts()
    ]


def _versions() -> list[Finding]:
    """Our own packages are released together: one that differs from the core was left behind by an update."""
    findings = []
    for distribution in metadata.distributions():
        name: Any = distribution.metadata["Name"]  # Any: None for a broken installation
        if (
            name
            and name.lower().startswith("fledge-")
            and _is_ours(distribution)
            and distribution.version != __version__
        ):
            problem = f"is {distribution.version}, the core is {__version__}"
            findings.append(Finding(name, problem, f"pip install {name}=={__version__}"))
    return findings


def _is_ours(distribution: metadata.Distribution) -> bool:
    return (distribution.metadata["Author"] or "") == "The fledge authors"


def _unread(variables: dict[str, str]) -> list[Finding]:
    """A misspelt variable has no effect. Only advice: a plugin may have named one of its own so."""
    return [
        Finding(
            name,
            f"fledge reads no such variable{nearest(name, VARIABLES)}",
            f"correct or unset it; fledge reads {', '.join(VARIABLES)}",
            is_advice=True,
        )
        for name in variables
        if name not in VARIABLES
    ]


def _unmarked(states: list[PluginState]) -> list[Finding]:
    return [
        Finding(
            str(state.plugin),
            f"its {hook}() is named like a hook and has no @hookimpl: it is never called",
            "its author could mark or rename it",
            is_advice=True,
        )
        for state in states
        for hook in state.unmarked
    ]


def _slow(prices: list[PluginPrice]) -> list[Finding]:
    return [
        Finding(
            price.plugin,
            f"its hook module takes {price.load_ms:.0f} ms to import (it loads {', '.join(price.imports)})",
            "its author could import inside the hooks what only they need",
            is_advice=True,
        )
        for price in prices
        if price.load_ms is not None and price.load_ms > _LIGHT_MS
    ]


def _print(prices: list[PluginPrice], findings: list[Finding], variables: dict[str, str]) -> None:
    click.echo(f"fledge {__version__}, Python {sys.version.split()[0]}")
    click.echo("\nplugin          load       memory     imports")
    for price in prices:
        cost = "not importable" if price.load_ms is None else f"{price.load_ms:6.1f} ms  {price.memory_mib:6.1f} MiB"
        click.echo(f"{price.plugin:<14} {cost}  {', '.join(price.imports)}")
    if not prices:
        click.echo("(none installed)")
    click.echo(
        "\nenvironment: "
        + (", ".join(f"{name}={value}" for name, value in variables.items()) or "no FLEDGE_* variable is set")
    )
    for finding in findings:
        kind = click.style("advice", fg="yellow") if finding.is_advice else click.style("problem", fg="red")
        click.echo(f"\n{kind} {finding.about}: {finding.problem}\n  what to do: {finding.way_out}")
    if all(finding.is_advice for finding in findings):
        click.echo("\nno problems found")
