"""Which plugins are installed: read from entry-point metadata only, nothing is imported.

The folders of `sys.path` are scanned for `*.dist-info/entry_points.txt`; importlib.metadata, which costs far more,
serves the other path entries (zip files, custom finders).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

__all__ = ["GROUP", "InstalledPlugin", "installed_plugins"]

GROUP = "fledge"


@dataclass(frozen=True, order=True)
class InstalledPlugin:
    """One entry point: `name = module` of a distribution."""

    name: str
    distribution: str
    version: str
    module: str

    @property
    def identity(self) -> tuple[str, str]:
        return self.distribution, self.name

    def __str__(self) -> str:
        return f"{self.name} ({self.distribution} {self.version})"


def installed_plugins(path: Iterable[str] | None = None) -> list[InstalledPlugin]:
    """Every entry point of the group, ordered by name, then distribution.

    A distribution that is found in two path entries counts once, as for imports: the first one shadows the second.
    One identity twice in one place is returned twice: the manager quarantines both.
    """
    found: list[InstalledPlugin] = []
    seen: set[str] = set()
    for entry in sys.path if path is None else path:
        here = list(_in_folder(entry or os.curdir)) if os.path.isdir(entry or os.curdir) else list(_elsewhere(entry))
        names = {plugin.distribution for plugin in here} - seen
        found.extend(plugin for plugin in here if plugin.distribution in names)
        seen |= names
    return sorted(found)


def _in_folder(folder: str) -> Iterator[InstalledPlugin]:
    try:
        entries = [entry.path for entry in os.scandir(folder) if entry.name.endswith((".dist-info", ".egg-info"))]
    except OSError:  # a folder of sys.path that cannot be listed has no plugins for us
        return
    for entry in sorted(entries):
        try:
            with open(os.path.join(entry, "entry_points.txt"), encoding="utf-8") as file:
                text = file.read()
        except (OSError, UnicodeDecodeError):
            continue
        if f"[{GROUP}]" in text:
            yield from _parse(text, *_name_and_version(entry))


def _name_and_version(info: str) -> tuple[str, str]:
    """From the METADATA file, whose first lines are `Name:` and `Version:`; else from the folder's name."""
    name, version = "", ""
    metadata = os.path.join(info, "METADATA")
    if not os.path.isfile(metadata):
        metadata = os.path.join(info, "PKG-INFO")
    if os.path.isfile(metadata):
        with open(metadata, encoding="utf-8", errors="replace") as file:
            for line in file:
                if not line.strip():
                    break
                if line.startswith("Name: "):
                    name = line[6:].strip()
                elif line.startswith("Version: "):
                    version = line[9:].strip()
    stem_name, _, stem_version = os.path.splitext(os.path.basename(info))[0].partition("-")
    return (name or stem_name).lower().replace("_", "-"), version or stem_version


def _parse(text: str, distribution: str, version: str) -> Iterator[InstalledPlugin]:
    section = ""
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith("["):
            section = line.strip("[]").strip()
        elif section == GROUP and "=" in line and not line.startswith(("#", ";")):
            name, _, module = line.partition("=")
            yield InstalledPlugin(name.strip(), distribution, version, module.partition("[")[0].strip())


def _elsewhere(entry: str) -> Iterator[InstalledPlugin]:
    if not os.path.exists(entry):
        return
    from importlib.metadata import distributions  # noqa: PLC0415 - expensive, and rarely needed

    for distribution in distributions(path=[entry]):
        for point in distribution.entry_points:
            if point.group == GROUP:
                told = distribution.metadata  # of a damaged installation it says nothing
                name = told["Name"].lower().replace("_", "-") if "Name" in told else "unknown"
                version = told["Version"] if "Version" in told else "unknown"  # noqa: SIM401 - its protocol has no get
                yield InstalledPlugin(point.name, name, version, point.value)
