"""Modules of the standard library that are imported when first used, named at the top of the file that uses them.

A program that only defines tasks needs few of them, and some cost more than all of fledge (`logging`, `tempfile`):

    if TYPE_CHECKING:
        import shutil
    else:
        shutil = lazy("shutil")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from logging import Logger
    from types import ModuleType

__all__ = ["LazyModule", "lazy", "lazy_logger"]


class LazyModule:
    """Stands for a module: every attribute is looked up there, each time."""

    __slots__ = ("_module", "_name")

    def __init__(self, name: str) -> None:
        self._module: ModuleType | None = None
        self._name = name

    def __getattr__(self, attribute: str) -> object:
        module = self._module
        if module is None:  # from `sys.modules` it might come half imported by another thread; this waits for that one
            module = self._module = import_module(self._name)
        value: object = getattr(module, attribute)
        return value

    def __repr__(self) -> str:
        return f"<lazy module {self._name}>"


def lazy(name: str) -> LazyModule:
    """The module of this name, not imported yet."""
    return LazyModule(name)


class _LazyLogger:
    """Stands for a logger: `logging` is imported with the first message."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> object:
        logging = import_module("logging")
        root = logging.getLogger("fledge")
        if not root.handlers:
            root.addHandler(logging.NullHandler())  # a library leaves it to the program what is shown
        value: object = getattr(logging.getLogger(self._name), attribute)
        return value


def lazy_logger(name: str) -> Logger:
    """`logging.getLogger(name)`, looked up when something is logged."""
    return cast("Logger", _LazyLogger(name))
