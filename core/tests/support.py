"""What the core's tests share: the container's command here and in a fresh process, literals, processes, cases."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from fledge import entrypoint, idl
from fledge.hooks.discovery import installed_plugins

HERE = Path(__file__).parent
RESOLVER = "fledge.resolver.default_task_resolver"
INSTALLED = ",".join(plugin.name for plugin in installed_plugins())


def cases(count: int) -> settings:
    """So many examples, the same ones each time; in `nox -s fuzz` a hundred times as many, others each time.

    Together the hostile tests of types and entrypoint make 10,000, and in that session a million.
    """
    is_long = settings.get_current_profile_name() == "fuzz"  # now, as conftest.py is read before the option
    return settings(
        max_examples=count * (100 if is_long else 1),
        derandomize=not is_long,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


@dataclass(frozen=True)
class Done:
    """What a run of the container's command left: its exit code and every file of the output folder."""

    exit_code: int
    files: Mapping[str, bytes]
    stderr: str

    @property
    def names(self) -> list[str]:
        return sorted(self.files)

    @property
    def outputs(self) -> idl.literals.LiteralMap:
        return idl.literals.LiteralMap.FromString(self.files["outputs.pb"])

    @property
    def error(self) -> idl.errors.ContainerError:
        name = next(name for name in self.names if name.startswith("error"))
        return idl.errors.ErrorDocument.FromString(self.files[name]).error


class Container:
    """Runs `fledge-execute` on a task of `container_tasks`, or of any module given as `module:task`.

    Args:
        folder: Receives inputs.pb and `out/`.
        monkeypatch: Sets the environment of runs in this process.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self._monkeypatch = folder, monkeypatch
        self.out = folder / "out"

    def arguments(
        self, target: str, inputs: Mapping[str, object] | bytes | None, resolver: str, loader_args: list[str] | None
    ) -> list[str]:
        data = inputs if isinstance(inputs, bytes) else idl.deterministic_bytes(literal_map(**(inputs or {})))
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "inputs.pb").write_bytes(data)
        module, _, name = target.rpartition(":")
        address = loader_args or ["task-module", module or "container_tasks", "task-name", name]
        return [
            *("--inputs", str(self.folder / "inputs.pb")),
            *("--output-prefix", str(self.out)),
            *("--raw-output-data-prefix", str(self.folder / "raw")),
            *("--checkpoint-path", "{{.checkpointOutputPrefix}}"),
            *("--prev-checkpoint", '""'),
            *("--resolver", resolver, "--", *address),
        ]

    def here(
        self,
        target: str,
        inputs: Mapping[str, object] | bytes | None = None,
        env: Mapping[str, str] | None = None,
        resolver: str = RESOLVER,
        loader_args: list[str] | None = None,
    ) -> Done:
        """In this process: the exit code is 1 when an error file was written."""
        self._monkeypatch.syspath_prepend(HERE)
        for name, value in (env or {}).items():
            self._monkeypatch.setenv(name, value)
        invocation, _ = entrypoint._parse(self.arguments(target, inputs, resolver, loader_args))
        stderr = StringIO()
        with redirect_stderr(stderr):
            failed = entrypoint.run(invocation)
        return Done(int(failed), read_folder(self.out), stderr.getvalue())

    def fresh(
        self,
        target: str,
        inputs: Mapping[str, object] | bytes | None = None,
        env: Mapping[str, str] | None = None,
        resolver: str = RESOLVER,
        loader_args: list[str] | None = None,
    ) -> Done:
        """In a process of its own, through `main`."""
        arguments = self.arguments(target, inputs, resolver, loader_args)
        done = fresh_process("-m", "fledge.entrypoint", *arguments, cwd=self.folder, env=env)
        return Done(done.returncode, read_folder(self.out), done.stderr)


def fresh_process(
    *arguments: str,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    python_path: tuple[Path, ...] = (HERE,),
    typed: str | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run this Python. Installed plugins are not loaded there, so that they cannot change what is tested."""
    given = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, python_path)),
        "PYTHONWARNINGS": "error",
        "FLEDGE_DISABLE_PLUGINS": INSTALLED,
        **(env or {}),
    }
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=given,
        input=typed,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def literal_map(**values: object) -> idl.literals.LiteralMap:
    """Ints, strings and lists of ints by name."""
    made = idl.literals.LiteralMap()
    for name, value in values.items():
        _fill(made.literals[name], value)
    return made


def _fill(literal: idl.literals.Literal, value: object) -> None:
    if isinstance(value, int):
        literal.scalar.primitive.integer = value
    elif isinstance(value, str):
        literal.scalar.primitive.string_value = value
    elif isinstance(value, list):
        literal.collection.SetInParent()
        for one in value:
            _fill(literal.collection.literals.add(), one)
    else:
        raise TypeError(value)


def read_folder(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())} if folder.is_dir() else {}
