"""Tasks of a notebook or a shell, which no module holds: they travel pickled, in the file `pkl.gz` beside the code.

No pickle unless asked for: a task says `task_resolver=notebook_resolver`, and `write_tasks` writes the file that goes
into the image or the archive of fast registration. The container finds it in the working directory or on `sys.path`.
"""

# ruff: noqa: ARG002 - the signatures of TaskResolverMixin

from __future__ import annotations

import gzip
import json
import os
import pickle
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from fledge._version import __version__
from fledge.base_task import PythonTask, Task, TaskResolverMixin
from fledge.errors import NotImportableError, TaskLoadError, nearest
from fledge.storage import LocalStorage

if TYPE_CHECKING:
    from fledge.settings import SerializationSettings

__all__ = ["PICKLE_FILE", "NotebookResolver", "notebook_resolver", "write_tasks"]

PICKLE_FILE = "pkl.gz"  # one line of JSON that says what wrote it, then the pickled tasks by name; gzip


class NotebookResolver(TaskResolverMixin):
    """By the task's name in `pkl.gz`: `["entity-name", "__main__.train"]`."""

    @property
    def location(self) -> str:
        return "fledge.notebooks.notebook_resolver"

    def loader_args(self, settings: SerializationSettings, t: Task) -> list[str]:
        return ["entity-name", t.name]

    def load_task(self, loader_args: list[str]) -> Task:
        """TaskLoadError: no file, one that another Python or fledge wrote, or no such task in it."""
        if len(loader_args) != 2 or loader_args[0] != "entity-name":
            raise TaskLoadError(f"resolver arguments {loader_args} are not of the form: entity-name NAME", loader_args)
        path = _find(loader_args)
        tasks = _read(path, loader_args)
        name = loader_args[1]
        if name not in tasks:
            raise TaskLoadError(f"{path} holds no task {name!r}{nearest(name, tasks)}", loader_args)
        return tasks[name]


notebook_resolver = NotebookResolver()


def write_tasks(tasks: Iterable[PythonTask[Any]], folder: str | os.PathLike[str] = ".") -> str:  # Any: of any config
    """Write `pkl.gz` for tasks with the notebook resolver, and return its path.

    What they use of the notebook goes along; what they import has to be in the image.

    Raises:
        NotImportableError: cloudpickle is not installed, or a task holds what cannot be pickled.
    """
    by_name = {one.name: one for one in tasks}
    try:
        import cloudpickle  # noqa: PLC0415 - only notebooks need it

        data = cloudpickle.dumps(by_name)
    except ImportError as exc:
        raise NotImportableError(", ".join(by_name), "pickling it takes cloudpickle: pip install cloudpickle") from exc
    except Exception as exc:
        raise NotImportableError(", ".join(by_name), f"it cannot be pickled: {exc}") from exc
    path = os.path.join(folder, PICKLE_FILE)
    LocalStorage().write(path, gzip.compress(json.dumps(_versions()).encode() + b"\n" + data))
    return path


def _versions() -> dict[str, str]:
    return {"python": f"{sys.version_info.major}.{sys.version_info.minor}", "fledge": __version__}


def _find(loader_args: list[str]) -> str:
    for folder in (os.getcwd(), *sys.path):
        path = os.path.join(folder, PICKLE_FILE)
        if os.path.isfile(path):
            return path
    raise TaskLoadError(
        f"there is no {PICKLE_FILE} in {os.getcwd()} or on sys.path. Write it with fledge.notebooks.write_tasks(...), "
        "for the image or the archive of the code",
        loader_args,
    )


def _read(path: str, loader_args: list[str]) -> dict[str, Task]:
    try:
        with gzip.open(path) as file:
            wrote: dict[str, str] = json.loads(file.readline())
            if wrote != _versions():
                told = ", ".join(f"{name} {version}" for name, version in wrote.items())
                here = ", ".join(f"{name} {version}" for name, version in _versions().items())
                raise TaskLoadError(f"{path} was written with {told}; here is {here}. Use the same", loader_args)
            tasks: dict[str, Task] = pickle.load(file)  # noqa: S301 - the code of the run itself
    except (OSError, EOFError, ValueError) as exc:
        raise TaskLoadError(f"{path} cannot be read: {exc}", loader_args) from exc
    return tasks
