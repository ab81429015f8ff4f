"""How a container finds its task again: by module and attribute, by index in a list, or by a resolver of yours."""

# ruff: noqa: ARG002 - the signatures of TaskResolverMixin

from __future__ import annotations

import sys
from types import FunctionType
from typing import TYPE_CHECKING

from fledge.base_task import PythonTask, Task, TaskResolverMixin
from fledge.errors import NotImportableError, TaskLoadError, nearest
from fledge.tracking import TrackedInstance, attribute_path, import_module_once, importable_module_name

if TYPE_CHECKING:
    from fledge.settings import SerializationSettings

__all__ = ["ClassBasedResolver", "DefaultTaskResolver", "default_task_resolver", "load_object", "no_task"]


class DefaultTaskResolver(TaskResolverMixin):
    """Module and variable: `["task-module", "pkg.mod", "task-name", "add"]`.

    The name may be dotted for a task that is a class attribute.
    """

    @property
    def location(self) -> str:
        return "fledge.resolver.default_task_resolver"

    def loader_args(self, settings: SerializationSettings, t: Task) -> list[str]:
        """NotImportableError when no module variable holds the task."""
        module_name, attribute = self._address(t)
        return ["task-module", module_name, "task-name", attribute]

    def load_task(self, loader_args: list[str]) -> Task:
        if len(loader_args) != 4 or loader_args[0] != "task-module" or loader_args[2] != "task-name":
            wanted = "task-module MODULE task-name NAME"
            raise TaskLoadError(f"resolver arguments {loader_args} are not of the form: {wanted}", loader_args)
        _, module_name, _, attribute = loader_args
        found = load_object(module_name, attribute, loader_args)
        if not isinstance(found, Task):
            raise TaskLoadError(f"{module_name}.{attribute} is a {no_task(found)}", loader_args)
        return found

    def _address(self, t: Task) -> tuple[str, str]:
        function = getattr(t, "task_function", None)
        if function is not None:
            module = sys.modules.get(function.__module__)
            attribute = attribute_path(module, t, function.__qualname__) if module is not None else None
            if module is not None and attribute is not None:
                return self._module_name(t, importable_module_name(module)), attribute
            held = getattr(module, function.__qualname__, None)
            if _task_inside(held) is t:
                raise NotImportableError(t.name, f"{function.__qualname__} is a {no_task(held)}")
        if not isinstance(t, PythonTask):
            raise NotImportableError(t.name, f"a {type(t).__name__} has no module. Give it a task_resolver")
        return self._module_name(t, t.instantiated_in), t.lhs

    def _module_name(self, t: Task, name: str | None) -> str:
        if name is None:
            way_out = "Move it to a file, or give it task_resolver=fledge.notebooks.notebook_resolver"
            raise NotImportableError(t.name, f"it is defined in a shell or notebook. {way_out}")
        return name


default_task_resolver = DefaultTaskResolver()


class ClassBasedResolver(TrackedInstance, TaskResolverMixin):
    """For tasks that no variable holds: it keeps them in a list and finds them by position.

    Make it a module variable and fill it at import, in the same order everywhere.
    """

    def __init__(self) -> None:
        super().__init__()
        self.mapping: list[Task] = []

    @property
    def location(self) -> str:
        return f"{self.instantiated_in}.{self.lhs}"

    def name(self) -> str:  # type: ignore[override] # the API has a property in one base and a method in the other
        return type(self).__name__

    def add(self, t: Task) -> None:
        self.mapping.append(t)

    def get_all_tasks(self) -> list[Task]:
        return self.mapping

    def loader_args(self, settings: SerializationSettings, t: Task) -> list[str]:
        for number, known in enumerate(self.mapping):
            if known is t:
                return [str(number)]
        raise NotImportableError(t.name, f"it was not added to the resolver {self.location}. Call add(task) at import")

    def load_task(self, loader_args: list[str]) -> Task:
        if len(loader_args) != 1 or not loader_args[0].isdecimal() or int(loader_args[0]) >= len(self.mapping):
            raise TaskLoadError(
                f"resolver {self.location} holds {len(self.mapping)} tasks; {loader_args} names none", loader_args
            )
        return self.mapping[int(loader_args[0])]


def load_object(module_name: str, attribute: str, loader_args: list[str] | None = None) -> object:
    """Import a module (once: the running script counts) and follow a dotted attribute. TaskLoadError: what failed."""
    args = loader_args or [module_name, attribute]
    try:
        found: object = import_module_once(module_name)
    except ModuleNotFoundError as exc:
        raise TaskLoadError(
            f"module {module_name!r} cannot be imported: {exc}. Is it in the image, and its folder on PYTHONPATH?", args
        ) from exc
    except (Exception, SystemExit) as exc:
        raise TaskLoadError(
            f"module {module_name!r} failed while it was imported: {type(exc).__name__}: {exc}", args
        ) from exc
    for part in attribute.split("."):
        if not hasattr(found, part):
            known = [name for name in vars(found) if not name.startswith("_")] if hasattr(found, "__dict__") else []
            raise TaskLoadError(f"{module_name} has no {attribute!r}{nearest(part, known)}", args)
        found = getattr(found, part)
    return found


def no_task(found: object) -> str:
    """What an object is in place of a task, for messages, and how it becomes one."""
    kind = f"{type(found).__name__}, not a task"
    if _task_inside(found) is not None:
        return f"{kind}: a decorator stands above @task. Put @task on top, and functools.wraps into the other decorator"
    return f"{kind}. Decorate the function with @task" if isinstance(found, FunctionType) else kind


def _task_inside(found: object) -> Task | None:
    """The task that a decorator has put a function around."""
    inside = [getattr(found, "__wrapped__", None)]
    for cell in getattr(found, "__closure__", None) or ():
        try:
            inside.append(cell.cell_contents)
        except ValueError:  # nothing was assigned yet
            continue
    return next((one for one in inside if isinstance(one, Task)), None)
