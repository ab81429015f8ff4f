"""Where an object lives: the module and the name under which a container finds it again."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from types import FrameType, ModuleType

from fledge.errors import NotImportableError

__all__ = [
    "TrackedInstance",
    "attribute_path",
    "full_name",
    "import_module_once",
    "importable_module_name",
    "place_of_file",
    "source_location",
]


class TrackedInstance:
    """Remembers the module whose body was running when the instance was made, and finds its own name there.

    Source of the rule: a task built by a factory belongs to the module that called the factory, not to the factory's.
    """

    def __init__(self) -> None:
        frame = _module_frame()
        self._instantiated_in: str | None = frame.f_globals.get("__name__") if frame else None
        self._lhs: str | None = None

    @property
    def name(self) -> str:
        raise NotImplementedError

    @property
    def instantiated_in(self) -> str | None:
        """The importable name of the module of creation; for a script, what the container will import it as."""
        if self._instantiated_in == "__main__":
            return importable_module_name(sys.modules["__main__"])
        return self._instantiated_in

    @property
    def location(self) -> str:
        return f"{self.instantiated_in}.{self.name}" if self.instantiated_in else self.name

    @property
    def lhs(self) -> str:
        """The variable that holds this object, as `name` or `Class.name`. NotImportableError when there is none."""
        return self._lhs if self._lhs is not None else self.find_lhs()

    def find_lhs(self) -> str:
        if self._instantiated_in is None:
            raise NotImportableError(self.name, "it was made outside of any module. Assign it to a module variable")
        module = sys.modules.get(self._instantiated_in) or importlib.import_module(self._instantiated_in)
        found = attribute_path(module, self)
        if found is None:
            raise NotImportableError(
                self.name,
                f"no variable or class attribute of module {self._instantiated_in} holds it. "
                "Assign it to a module variable; for tasks made by a factory, register them with a ClassBasedResolver",
            )
        self._lhs = found
        return found


def _module_frame() -> FrameType | None:
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - inspect.currentframe would cost an import
    while frame is not None and frame.f_code.co_name != "<module>":
        frame = frame.f_back
    return frame


def attribute_path(module: ModuleType, wanted: object, prefer: str = "") -> str | None:
    """Under which dotted name a module holds an object: `prefer` if it does, else the first in alphabetical order.

    Looks at the module's variables, then at the attributes of classes that the module defines.
    """
    if prefer and _resolve(module, prefer) is wanted:
        return prefer
    names = vars(module)
    for name in sorted(names):
        if names[name] is wanted:
            return name
    for name in sorted(names):
        owner = names[name]
        if isinstance(owner, type) and owner.__module__ == module.__name__:
            for attribute in sorted(vars(owner)):
                if vars(owner)[attribute] is wanted:
                    return f"{name}.{attribute}"
    return None


def _resolve(module: ModuleType, dotted: str) -> object:
    found: object = module
    for part in dotted.split("."):
        found = getattr(found, part, None)
    return found


def importable_module_name(module: ModuleType) -> str | None:
    """What a fresh process imports to get this module; None when no file is behind it (a shell, a notebook, `-`).

    For a script this is its file's name, with the packages around it (folders with `__init__.py`); for `python -m`, the
    name that was run.
    """
    if module.__name__ != "__main__":
        return module.__name__
    spec = getattr(module, "__spec__", None)
    if spec is not None and spec.name:
        name: str = spec.name
        return name.removesuffix(".__main__") if name.endswith(".__main__") and spec.parent is None else name
    file = getattr(module, "__file__", None)
    return place_of_file(file)[1] if file and file != "<stdin>" else None


def full_name(function: Callable[..., object]) -> str:
    """`module.name` of a function, as a fresh process imports the module: what a task made of it is called."""
    module = sys.modules.get(function.__module__)
    module_name = (importable_module_name(module) if module is not None else None) or function.__module__
    return f"{module_name}.{function.__qualname__.replace('<locals>.', '')}"


def place_of_file(file: str) -> tuple[str, str]:
    """The folder that has to be on the path, and the name under which the file is a module then.

    Folders with `__init__.py` around it are its packages.
    """
    folder, name = os.path.split(os.path.abspath(file))
    parts = [os.path.splitext(name)[0]]
    while os.path.exists(os.path.join(folder, "__init__.py")):
        folder, package = os.path.split(folder)
        parts.insert(0, package)
    return folder, ".".join(parts)


def import_module_once(name: str) -> ModuleType:
    """Import a module by name; the running script answers to its importable name and is not run a second time."""
    if name in sys.modules:
        return sys.modules[name]
    main = sys.modules.get("__main__")
    if main is not None and importable_module_name(main) == name:
        return main
    return importlib.import_module(name)


def source_location(function: object) -> str:
    """`file:line` of a function, for messages."""
    code = getattr(function, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code is not None else repr(function)
