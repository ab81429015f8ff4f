"""`module_or_file:task` on the command line -> the task object."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Union

import click

from fledge.base_task import PythonTask, Task
from fledge.errors import TaskLoadError, add_note, mark_user_error, nearest
from fledge.lazy import lazy
from fledge.resolver import load_object, no_task
from fledge.tracebacks import summary
from fledge.tracking import place_of_file

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from fledge import flow
    from fledge.cli import completion
    from fledge.flow import PythonFunctionWorkflow
else:
    completion = lazy("fledge.cli.completion")
    flow = lazy("fledge.flow")  # a file that defines a workflow has imported it; for a task nobody needs it

__all__ = ["Target", "TargetType", "load_target"]

Target = Union["PythonTask[Any]", "PythonFunctionWorkflow"]  # Any: of any config


class TargetType(click.ParamType):  # type: ignore[type-arg] # older releases of click do not take one
    """MODULE_OR_FILE:TASK as text, which a shell can complete."""

    name = "target"

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        param: click.Parameter,  # noqa: ARG002 - click's signature
        incomplete: str,
    ) -> list[CompletionItem]:
        return completion.complete_target(incomplete)


def load_target(target: str) -> Target:
    """Import the module or file and return the task. The working directory counts as part of the Python path.

    Raises:
        click.UsageError: No colon, no such file, no such task, or not a task.
        Whatever importing the module raised, with a note.
    """
    place, colon, name = target.rpartition(":")
    if not colon:
        raise click.UsageError(f"{target!r}: write MODULE:TASK or FILE.py:TASK, e.g. hello.py:add")
    module = _import(place)
    try:
        found = load_object(module.__name__, name)
    except TaskLoadError as exc:
        tasks = sorted(
            key for key, value in vars(module).items() if isinstance(value, (Task, flow.PythonFunctionWorkflow))
        )
        listed = f"Its tasks: {', '.join(tasks)}" if tasks else "It has no tasks"
        hint = nearest(name, tasks) or "."
        raise click.UsageError(f"{place} has no task {name!r}{hint} {listed}") from exc
    if not isinstance(found, PythonTask) and not isinstance(found, flow.PythonFunctionWorkflow):
        raise click.UsageError(f"{target} is a {no_task(found)}")
    return found


def _import(place: str) -> ModuleType:
    file: Path | None = None
    if not (place.endswith(".py") or os.sep in place):
        if os.getcwd() not in sys.path:
            sys.path.insert(0, os.getcwd())
        name = place
    else:
        file = Path(place).resolve()
        if not file.is_file():
            raise click.UsageError(f"{place}: no such file")
        folder, name = place_of_file(str(file))
        if folder not in sys.path:
            sys.path.insert(0, folder)
    try:
        module = importlib.import_module(name)
    except SystemExit as exc:
        raise TaskLoadError(f"{place} failed while it was imported: {summary(exc)}") from exc
    except Exception as exc:
        missing = exc.name if isinstance(exc, ModuleNotFoundError) else None
        if missing is not None and (name == missing or name.startswith(f"{missing}.")):
            raise click.UsageError(f"no module {name!r} in the working directory or on the Python path") from exc
        mark_user_error(exc)
        add_note(exc, f"{place} failed while it was imported")
        raise
    if file is not None and os.path.realpath(module.__file__ or "") != str(file):
        raise click.UsageError(f"{place}: Python knows another module {name!r}, {module.__file__}. Rename the file")
    return module
