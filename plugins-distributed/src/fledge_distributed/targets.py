"""How a function gets into the ranks: by name when they can import it, by value otherwise.

A function of a module goes by module, name and file; the rank imports it after the fork, so what the user's module does
at import it does in each rank, as in a cluster. Functions of `__main__`, of notebooks and closures go by cloudpickle.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import io
import sys
from collections import ChainMap
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType, ModuleType
from typing import Any

from fledge_distributed.errors import LaunchError
from fledge_distributed.frames import unpickled

__all__ = ["Target", "by_value", "import_module", "load_target", "to_target"]

Function = Callable[[bytes], object]


@dataclass(frozen=True)
class Target:
    """Where the function is: `module` and `qualname` (`file` for modules off sys.path), or its pickled `value`."""

    name: str
    module: str = ""
    qualname: str = ""
    file: str | None = None
    value: bytes | None = None


def to_target(function: str | Function) -> Target:
    """`"module:function"`, or the function itself. LaunchError names what cannot be pickled, before any rank starts."""
    if isinstance(function, str):
        module, _, qualname = function.partition(":")
        if not (module and qualname):
            raise LaunchError(f"target {function!r}: write it as 'module:function'")
        return Target(function, module, qualname)
    module, qualname = getattr(function, "__module__", None) or "", getattr(function, "__qualname__", "")
    name = f"{module}:{qualname}"
    if module not in ("", "__main__") and _lookup(sys.modules.get(module), qualname) is function:
        return Target(name, module, qualname, getattr(sys.modules[module], "__file__", None))
    return Target(name, value=by_value(function, name))


def by_value(value: object, name: str) -> bytes:
    """cloudpickle, with an error that says which variable of a function is in the way."""
    try:
        data = _cloudpickled(value)
    except Exception as exc:  # pickling runs hooks of the user's classes, which may raise anything
        culprit = _culprit(value)
        way_out = "Make it inside the function, or move the function to a module"
        raise LaunchError(f"{name} cannot be sent to the ranks: {culprit or exc}. {way_out}") from exc
    return data


def _cloudpickled(value: object) -> bytes:
    """With the file names of code objects, which cloudpickle leaves out and tracebacks from the ranks need."""
    import cloudpickle  # noqa: PLC0415 - needed for functions of __main__ only, and it costs 30 ms

    base = cloudpickle.CloudPickler
    reduce_code = base.dispatch_table[CodeType]
    table = ChainMap({CodeType: lambda code: _with_file(code, reduce_code(code))}, base.dispatch_table)
    pickler = type("Pickler", (base,), {"dispatch_table": table})  # read when a pickler is made, so not set on one
    file = io.BytesIO()
    pickler(file).dump(value)
    return file.getvalue()


def _with_file(code: CodeType, reduced: Any) -> tuple[object, ...]:  # Any: what a reducer returns, as pickle defines it
    rebuild, arguments = reduced
    return rebuild, tuple(code.co_filename if argument == "<dynamic-code>" else argument for argument in arguments)


def _culprit(value: object) -> str:
    """The closure or global variable of a function that cannot be pickled."""
    function = getattr(value, "__wrapped__", value)  # a task keeps its function there
    if not inspect.isfunction(function):
        return ""
    variables = inspect.getclosurevars(function)
    for name, content in [*variables.nonlocals.items(), *variables.globals.items()]:
        try:
            _cloudpickled(content)
        except Exception as exc:  # noqa: BLE001 - as above
            return f"its variable {name!r} ({type(content).__name__}) cannot be pickled: {exc}"
    return ""


def load_target(target: Target) -> Function:
    """In the rank: import or unpickle the function."""
    if target.value is not None:
        function: Function = unpickled(target.value)
        return function
    found = _lookup(import_module(target.module, target.file), target.qualname)
    if not callable(found):
        raise LaunchError(f"target {target.name}: module {target.module} has no function {target.qualname!r}")
    return found


def import_module(name: str, file: str | None = None) -> ModuleType:
    """Import by name; a module that is not on sys.path is loaded from its file under the same name."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as exc:
        if file is None or exc.name is None or not f"{name}.".startswith(f"{exc.name}."):
            raise
        spec = importlib.util.spec_from_file_location(name, file)
        if spec is None or spec.loader is None:
            raise
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        return module


def _lookup(module: ModuleType | None, qualname: str) -> object:
    found: object = module
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found
