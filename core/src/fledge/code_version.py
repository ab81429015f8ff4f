"""A cache version from meaning: a function's code, with everything that its code names, as one digest.

Of the user's own modules, functions, classes, constants and tasks are followed as deep as they go: code as syntax trees
without comments, formatting and docstrings, values by what they hold. What a library holds counts by its name. What
cannot be hashed (a connection, a lock, code without source) is an error with the reason: a version is never partial.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from fledge.errors import DefinitionError
from fledge.lazy import lazy

if TYPE_CHECKING:
    import ast
    import copyreg
    import hashlib
    import importlib
    import importlib.util
    import linecache

    from fledge import code_source
else:
    ast = lazy("ast")
    code_source = lazy("fledge.code_source")
    copyreg = lazy("copyreg")
    hashlib = lazy("hashlib")
    importlib = lazy("importlib")
    linecache = lazy("linecache")

__all__ = ["CodeVersion", "code_version"]

Code = Callable[..., Any]  # Any: any function
_ATOMS = frozenset({bool, bytes, complex, float, int, str, type(None), type(Ellipsis), type(NotImplemented)})
_LENGTH = 16


def code_version(function: Code, helpers: Iterable[Code] = ()) -> str:
    """Sixteen hex digits that change with the meaning of the code and of what it names.

    Args:
        function: Followed, like all functions, classes, constants and tasks that its code names.
        helpers: What it uses without naming it; followed as well, also where a library holds it.

    Raises:
        DefinitionError: Something cannot be hashed, so a change of it could not be noticed.
    """
    walk = _Walk()
    try:
        for one in (function, *helpers):
            walk.declared(one)
    except Exception as exc:
        raise DefinitionError(
            f"cache=True: a change of the code could not be noticed: {' > '.join(walk.path)}: {exc}. "
            "Give cache_version='1', and another one whenever results change"
        ) from exc
    return walk.hexdigest()[:_LENGTH]


@dataclass(frozen=True)
class CodeVersion:
    """The version of a function, worked out when it is called: names that the code uses may be defined later.

    Raises:
        DefinitionError: A helper is no function or class, or the source of one cannot be read.
    """

    function: Code
    helpers: tuple[Code, ...] = ()

    def __post_init__(self) -> None:
        for helper in self.helpers:
            if not callable(helper):
                raise DefinitionError(f"cache_helpers: {helper!r} is no function. Pass the function itself: {helper}")
        for one in (self.function, *self.helpers):
            code = getattr(_unwrapped(one), "__code__", None)
            if code is not None and not linecache.getlines(code.co_filename):
                name = getattr(one, "__qualname__", repr(one))
                # Of a shell or `python -`: what is typed next has the same name, and would share a given version.
                way_out = "Move it to a file" if code.co_filename.startswith("<") else "Give cache_version='1'"
                raise DefinitionError(
                    f"cache=True: the source of {name} cannot be read, so its changes cannot be noticed. {way_out}"
                )

    def __call__(self) -> str:
        return code_version(self.function, self.helpers)


def _unwrapped(function: object) -> object:
    """What a library's decorators were put around; a wrapper of the user's own is code of its own."""
    while hasattr(function, "__wrapped__") and (not isinstance(function, FunctionType) or _is_of_library(function)):
        function = function.__wrapped__
    return function


def _is_of_library(function: FunctionType) -> bool:
    """By where its code is: a wrapper says that its module is that of what it wraps."""
    return _is_library(function.__globals__.get("__name__"))


def _is_library(module_name: str | None) -> bool:
    """The standard library, fledge, or what is installed; a module without a file is the user's (a shell, a cell)."""
    top = (module_name or "").partition(".")[0]
    if top == "fledge" or top in sys.stdlib_module_names:
        return True
    return _is_installed(getattr(sys.modules.get(module_name or ""), "__file__", None))


def _is_installed(file: str | None) -> bool:
    parts = (file or "").replace("\\", "/").split("/")
    return "site-packages" in parts or "dist-packages" in parts


class _Walk:
    """A digest that is being made; `path` are the names that lead to what is being looked at."""

    def __init__(self) -> None:
        self.path: list[str] = []
        self._digest = hashlib.sha256()
        self._seen: dict[int, int] = {}
        self._alive: list[object] = []  # an id belongs to an object only as long as it lives

    def hexdigest(self) -> str:
        return self._digest.hexdigest()

    def declared(self, value: object) -> None:
        """What is to be followed in any case, also where a library holds it."""
        value = _unwrapped(value)
        if isinstance(value, FunctionType):
            self.path.append(value.__qualname__)
            self._remember(value)
            self._own_function(value)
            self.path.pop()
        else:
            self._named(getattr(value, "__qualname__", repr(value)), value)

    def _put(self, *words: object) -> None:
        for word in words:
            data = str(word).encode("utf-8", "surrogatepass")
            self._digest.update(b"%d " % len(data) + data)

    def _remember(self, value: object) -> None:
        self._seen[id(value)] = len(self._seen)
        self._alive.append(value)

    def _named(self, name: str, value: object) -> None:
        self.path.append(name)
        self._put("name", name)
        self._value(value)
        self.path.pop()

    def _value(self, value: object) -> None:
        if type(value) in _ATOMS:
            self._put(type(value).__name__, repr(value))
        elif id(value) in self._seen:
            self._put("again", self._seen[id(value)])
        else:
            self._remember(value)
            self._compound(value)

    def _compound(self, value: object) -> None:
        if isinstance(value, FunctionType):
            self._function(value)
        elif isinstance(value, type) and not hasattr(value, "__origin__"):
            self._class(value)
        elif isinstance(value, ModuleType):
            if not _is_library(value.__name__):
                raise TypeError("a module of your own is used as a value, so what is used of it cannot be told")
            self._put("module", value.__name__)
        elif type(value) in (list, tuple, dict):
            self._container(value)
        elif isinstance(value, (set, frozenset)):
            self._put(type(value).__name__, *sorted(self._alone(one) for one in value))
        elif hasattr(type(value), "python_interface"):
            self._task(value)
        elif "__wrapped__" in getattr(value, "__dict__", ()):
            self._named("__wrapped__", value.__wrapped__)  # type: ignore[attr-defined] # it is in its dict
        elif type(value).__module__ == "logging":
            self._put("logger")  # what is logged is no result
        else:
            self._instance(value)

    def _container(self, value: Any) -> None:  # Any: a list, tuple or dict of anything
        self._put(type(value).__name__, len(value))
        for position, one in enumerate(value.items() if isinstance(value, dict) else value):
            if isinstance(value, dict):
                self._value(one[0])
                self._named(f"[{one[0]!r:.40}]", one[1])
            else:
                self._named(f"[{position}]", one)

    def _alone(self, value: object) -> str:
        """The digest of one element of a set, whose order says nothing."""
        walk = _Walk()
        walk._value(value)
        return walk.hexdigest()

    def _instance(self, value: object) -> None:
        """By what pickle would keep of it: its class and its state."""
        registered = copyreg.dispatch_table.get(type(value))
        reduced: Any = value.__reduce_ex__(2) if registered is None else registered(value)  # Any: pickle's own shape
        if isinstance(reduced, str):
            self._put("global", type(value).__module__, reduced)
            return
        self._put("object", len(reduced))
        for part in reduced:
            self._value(list(part) if isinstance(part, Iterator) else part)

    def _task(self, value: Any) -> None:  # Any: a task or a workflow, which this module is below of
        metadata = getattr(value, "metadata", None)
        derived = getattr(metadata, "derived_version", None)
        if isinstance(derived, CodeVersion):
            for one in (derived.function, *derived.helpers):
                self._value(one)
        elif metadata is not None and metadata.cache:
            self._put("task", value.name, metadata.cache_version)
        else:
            self._put("task", getattr(value, "task_type", "workflow"))
            self._value(getattr(value, "task_config", None))
            self._value(getattr(value, "__wrapped__", type(value)))

    # -- code ----------------------------------------------------------------------------------------------------------

    def _function(self, function: FunctionType) -> None:
        if not _is_of_library(function):
            self._named("__defaults__", (function.__defaults__, function.__kwdefaults__))
            self._own_function(function)
        elif hasattr(function, "__wrapped__"):
            self._value(function.__wrapped__)
        else:
            self._put("library", function.__module__, function.__qualname__)

    def _own_function(self, function: FunctionType) -> None:
        code = function.__code__
        node = code_source.function_node(code)
        self._put("code", code_source.meaning(node))
        self._names(node, code, function)

    def _names(self, node: ast.AST, code: CodeType, function: FunctionType) -> None:
        """What a piece of code takes from outside: closure, globals, and modules that it imports itself."""
        outside = {name: function.__globals__.get(name, _builtin(name)) for name in code_source.global_names(code)}
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            outside[name] = _content(cell)
        for name, module_name, attribute in code_source.imports(node, function.__globals__.get("__package__") or ""):
            outside[name] = _imported(module_name, attribute)
        for dotted in code_source.dotted_names(node):
            root, *attributes = dotted.split(".")
            if root in outside and (root == "__class__" or not _is_dunder(root)):
                self._used(dotted, outside[root], attributes)

    def _used(self, dotted: str, value: object, attributes: list[str]) -> None:
        name = dotted.partition(".")[0]
        for attribute in attributes:
            if not isinstance(value, ModuleType) or _is_library(value.__name__):
                break
            value, name = getattr(value, attribute, _ABSENT), attribute
        home = sys.modules.get(type(value).__module__)
        if value is _ABSENT:
            self._put("absent", dotted)
        elif home is not None and _is_library(home.__name__) and getattr(home, name, None) is value:
            self._put("library", home.__name__, name)  # os.environ
        else:
            self._named(dotted, value)

    def _class(self, cls: type) -> None:
        if _is_library(cls.__module__):
            self._put("library", cls.__module__, cls.__qualname__)
            return
        nodes = code_source.class_nodes(cls)
        self._put("class", cls.__qualname__, *map(code_source.meaning, nodes))
        for base in (*cls.__bases__, type(cls)):
            self._value(base)
        for name, member in vars(cls).items():
            functions = [one for one in _functions_of(member) if _is_written(one)]
            for function in functions:
                self._named(name, function)
            if not functions and not _is_machinery(name, member):
                self._named(name, member)


class _Absent:
    """A name that does not exist (yet)."""


_ABSENT = _Absent()


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _is_written(function: FunctionType) -> bool:
    """And not made by a dataclass or a named tuple."""
    code = getattr(_unwrapped(function), "__code__", None)
    return code is not None and code_source.is_readable(code)


def _is_machinery(name: str, member: object) -> bool:
    """What Python, enum and abc keep in a class."""
    return (name.startswith("_") and name.endswith("_")) or name == "_abc_impl" or hasattr(type(member), "__get__")


def _builtin(name: str) -> object:
    import builtins  # noqa: PLC0415 - `__builtins__` is a module in one place and a dict in another

    return getattr(builtins, name, _ABSENT)


def _content(cell: Any) -> object:  # Any: a closure's cell
    try:
        content: object = cell.cell_contents
    except ValueError:
        return _ABSENT  # nothing was assigned yet
    return content


def _imported(module_name: str, attribute: str | None) -> object:
    """What an import inside a function gives; a library is not imported for it."""
    top = module_name.partition(".")[0]
    if top not in sys.modules and not _is_library(top):
        spec = importlib.util.find_spec(top)
        if spec is None or _is_installed(spec.origin):
            return _ABSENT
    if _is_library(top):
        return _ABSENT
    module = importlib.import_module(module_name)
    if attribute is None:
        return module
    return getattr(module, attribute, _ABSENT) if attribute else sys.modules[top]


def _functions_of(member: object) -> list[FunctionType]:
    found = (
        (member.fget, member.fset, member.fdel)
        if isinstance(member, property)
        else (getattr(member, "__func__", None) or getattr(member, "func", None) or member,)
    )
    return [one for one in found if isinstance(one, FunctionType)]
