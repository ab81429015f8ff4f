"""One program text, two SDKs: a module of the corpus is executed as it stands, or with another SDK behind `fledge`.

In: the files of `corpus/`. Out: modules whose tasks belong to the SDK that was asked for. Both copies carry one module
name, since names are part of what is compared; `Copy.active()` says which of them `sys.modules` holds.
"""

from __future__ import annotations

import builtins
import functools
import sys
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from fledge.idl import admin_task, admin_workflow, literals
    from tests.parity.settings import Deployment

__all__ = ["MODULES", "TOO_NEW", "Copy", "Program", "Sdk", "load_copy"]

CORPUS = Path(__file__).parent / "corpus"
# What a Python is too old to read has its version for a suffix, so that no tool of an older one stumbles over it.
_SUFFIXES = {".py": (3, 10), ".py312": (3, 12)}
_FILES = {path.stem: path for path in sorted(CORPUS.iterdir()) if path.suffix in _SUFFIXES}
MODULES = [stem for stem, path in _FILES.items() if sys.version_info >= _SUFFIXES[path.suffix]]
TOO_NEW = _FILES.keys() - MODULES
PREFIX = "parity_"  # of the modules' names: generated code looks for classes by the name of a top-level module
Task = Any  # Any: a task or workflow of either SDK


class Sdk(Protocol):
    """What a comparison does with an SDK. Messages are flyteidl's, whatever the SDK keeps them in."""

    name: str

    def __hash__(self) -> int: ...

    def door(self, module: str) -> types.ModuleType | None:
        """The module that answers `from fledge... import`; None: the real one."""

    def quiet(self) -> Any:  # Any: a context manager
        """Within it, the warnings of the SDK's own making are not errors."""

    def is_task(self, value: object) -> bool: ...

    def is_workflow(self, value: object) -> bool: ...

    def spec(self, task: Task, deployment: Deployment) -> admin_task.TaskSpec | admin_workflow.WorkflowSpec: ...

    def inputs(self, task: Task, values: Mapping[str, object]) -> literals.LiteralMap:
        """Python values as the literals that inputs.pb holds."""

    def run(self, task: Task, inputs: literals.LiteralMap) -> literals.LiteralMap:
        """What a container does between inputs.pb and outputs.pb."""

    def outputs(self, task: Task, outputs: literals.LiteralMap) -> dict[str, object]:
        """The Python values that outputs.pb holds, by output name."""

    def call(self, task: Task, values: Mapping[str, object]) -> object:
        """A local call."""


@dataclass(frozen=True)
class Program:
    """One task or workflow of the corpus, as one SDK made it."""

    name: str
    task: Task


@dataclass(frozen=True)
class Copy:
    """One module of the corpus under one SDK."""

    sdk: Sdk
    module: types.ModuleType

    @contextmanager
    def active(self) -> Iterator[None]:
        """Make this copy the one that its name imports: annotations and resolvers look there."""
        name = self.module.__name__
        before = sys.modules.get(name)
        sys.modules[name] = self.module
        try:
            with self.sdk.quiet():
                yield
        finally:
            if before is None:
                del sys.modules[name]
            else:
                sys.modules[name] = before

    @property
    def stem(self) -> str:
        """The name of the module's file."""
        return self.module.__name__.removeprefix(PREFIX)

    @property
    def settings(self) -> tuple[str, ...]:
        """The names of the settings this module is serialized with."""
        return getattr(self.module, "SETTINGS_OF_MODULE", ("plain",))

    def programs(self) -> dict[str, Program]:
        """The module's tasks and workflows by name, `scalars.add`; a second name for a task is no second program."""
        found: dict[int, Program] = {}
        for name, value in vars(self.module).items():
            is_program = self.sdk.is_task(value) or self.sdk.is_workflow(value) or name.startswith("observe_")
            if is_program and id(value) not in found:
                found[id(value)] = Program(f"{self.stem}.{name.removeprefix('observe_')}", value)
        return {program.name: program for program in found.values()}

    def is_observation(self, program: Program) -> bool:
        """Whether it is a function of the corpus that looks at a behaviour, and no task or workflow."""
        return not self.sdk.is_task(program.task) and not self.is_workflow(program)

    def is_workflow(self, program: Program) -> bool:
        return self.sdk.is_workflow(program.task)


@functools.cache
def load_copy(sdk: Sdk, stem: str, purpose: str = "") -> Copy:
    """Execute a file of the corpus under an SDK, once for each purpose."""
    path = _FILES[stem]
    module = types.ModuleType(f"{PREFIX}{stem}")
    module.__file__ = str(path)
    module.__dict__["__builtins__"] = {**vars(builtins), "__import__": _importer(sdk)}
    copy = Copy(sdk, module)
    with copy.active():
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec", dont_inherit=True), module.__dict__)
    return copy


def _importer(sdk: Sdk) -> Any:  # Any: builtins.__import__
    def find(
        name: str,
        globals: Mapping[str, object] | None = None,  # noqa: A002 - the name that `__import__` is called with
        locals: Mapping[str, object] | None = None,  # noqa: A002 - the name that `__import__` is called with
        fromlist: tuple[str, ...] = (),
        level: int = 0,
    ) -> types.ModuleType:
        answer = sdk.door(name) if fromlist else None
        return answer if answer is not None else builtins.__import__(name, globals, locals, fromlist, level)

    return find
