"""Try one installed distribution in its environment: `python smoke_installed.py DISTRIBUTION`.

Standard library only: the environment holds nothing else. Prints one line; a failure names what is missing.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path


def main(name: str) -> None:
    """Check what an installed package must bring; AssertionError says what it does not."""
    module = name.replace("-", "_")
    installed = distribution(name)
    files = {str(file) for file in installed.files or ()}
    assert any(file.endswith("licenses/LICENSE") for file in files), f"{name}: no LICENSE among the installed files"
    assert f"{module}/py.typed" in files, f"{name}: no {module}/py.typed, so type checkers ignore its annotations"
    assert not [file for file in files if "tests/" in file], f"{name}: its tests are installed"
    assert "Typing :: Typed" in (installed.metadata.get_all("Classifier") or ()), f"{name}: no classifiers"

    package = importlib.import_module(module)
    assert package.__file__ is not None
    assert Path(package.__file__).is_relative_to(sys.prefix), f"{module} was imported from {package.__file__}"
    missing = [public for public in package.__all__ if not hasattr(package, public)]
    assert not missing, f"{module}.__all__ names {missing}, which are not there"

    core = importlib.import_module("fledge._version")
    assert installed.version == core.__version__, f"{name} {installed.version} beside fledge {core.__version__}"

    told = subprocess.run(
        [sys.executable, str(Path(sys.executable).with_name("fledge")), "plugins"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, f"`fledge plugins` exited with {told.returncode}: {told.stderr}"
    for entry in installed.entry_points.select(group="fledge"):
        assert entry.name in told.stdout, f"`fledge plugins` does not list {entry.name}:\n{told.stdout}"
    print(f"{name} {installed.version}: {len(package.__all__)} public names, {len(files)} files")


if __name__ == "__main__":
    main(*sys.argv[1:])
