"""From code objects and classes to their syntax trees: what the source says, and which names it takes from outside.

Trees come without docstrings; comments and formatting are in no tree. Loaded only where a version is derived from code.
"""

from __future__ import annotations

import ast
import dis
import functools
import importlib.util
import linecache
import sys
from collections.abc import Iterator
from types import CodeType

__all__ = [
    "class_nodes",
    "dotted_names",
    "function_node",
    "global_names",
    "imports",
    "is_readable",
    "meaning",
]

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class _Source:
    """One file: its functions by first line and name, its classes by qualified name."""

    def __init__(self, text: str) -> None:
        self.functions: dict[tuple[int, str], list[ast.AST]] = {}
        self.classes: dict[str, list[ast.ClassDef]] = {}
        self._index(ast.parse(text), "")

    def _index(self, node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            inner = prefix
            if isinstance(child, (*_FUNCTIONS, ast.ClassDef)):
                _drop_docstring(child)
                line = min([child.lineno, *(one.lineno for one in child.decorator_list)])
                if isinstance(child, ast.ClassDef):
                    self.classes.setdefault(prefix + child.name, []).append(child)
                    inner = f"{prefix}{child.name}."
                else:
                    self.functions.setdefault((line, child.name), []).append(child)
                    inner = f"{prefix}{child.name}.<locals>."
            elif isinstance(child, ast.Lambda):
                self.functions.setdefault((child.lineno, "<lambda>"), []).append(child)
            self._index(child, inner)


def _drop_docstring(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        node.body = node.body[1:] or [ast.Pass(lineno=first.lineno, col_offset=first.col_offset)]


@functools.lru_cache(maxsize=8)
def _parsed(text: str) -> _Source:
    return _Source(text)


def _source(file: str) -> _Source:
    linecache.checkcache(file)
    lines = linecache.getlines(file)
    if not lines:
        raise OSError(f"the source in {file} cannot be read")
    return _parsed("".join(lines))


def is_readable(code: CodeType) -> bool:
    """False for code that was made without a file: methods of a dataclass, `exec`."""
    return bool(linecache.getlines(code.co_filename))


def function_node(code: CodeType) -> ast.AST:
    """The tree of a function; of all lambdas that begin on one line together. OSError when it cannot be found."""
    found = _source(code.co_filename).functions.get((code.co_firstlineno, code.co_name))
    if not found:
        raise OSError(f"{code.co_filename}:{code.co_firstlineno} does not hold {code.co_name}; the file has changed")
    if len(found) == 1:
        return found[0]
    return ast.Tuple([one for one in found if isinstance(one, ast.expr)], ast.Load())


def class_nodes(cls: type) -> list[ast.ClassDef]:
    """The statements that may have made a class; none for a class that was made by a call."""
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    if file is None:  # a cell: a method knows its file
        codes = [code for one in vars(cls).values() if (code := getattr(one, "__code__", None)) is not None]
        file = next((code.co_filename for code in codes if is_readable(code)), None)
    if file is None:
        raise OSError(f"the source of class {cls.__qualname__} cannot be read")
    return _source(file).classes.get(cls.__qualname__, [])


def meaning(node: ast.AST) -> str:
    """The tree as text. A function's decorators are left out: what they made of it is looked at by itself."""
    if isinstance(node, _FUNCTIONS):
        node = type(node)(**{**dict(ast.iter_fields(node)), "decorator_list": []})
    return ast.dump(node, annotate_fields=False)


def global_names(code: CodeType) -> set[str]:
    """Names that the code, and the code inside it, looks up in its module."""
    found = {
        one.argval
        for one in dis.get_instructions(code)
        if one.opname.startswith("LOAD_") and ("GLOBAL" in one.opname or "NAME" in one.opname)
    }
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found |= global_names(constant)
    return found


def dotted_names(node: ast.AST) -> list[str]:
    """Every name that is read, with the attributes that follow it: `a`, `helpers.clean`. Sorted, each once."""
    parts = _running(node) if isinstance(node, _FUNCTIONS) else [node]
    return sorted({name for part in parts for name in _dotted(part)})


def _running(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.AST]:
    """Annotations are no part of what runs: the interface has them."""
    arguments = function.args
    return [*arguments.defaults, *(one for one in arguments.kw_defaults if one is not None), *function.body]


def _dotted(node: ast.AST) -> Iterator[str]:
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.insert(0, node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        yield ".".join((node.id, *attributes))
        return
    inside = ast.iter_child_nodes(node)
    for child in (*node.decorator_list, *_running(node)) if isinstance(node, _FUNCTIONS) else inside:
        yield from _dotted(child)


def imports(node: ast.AST, package: str) -> Iterator[tuple[str, str, str | None]]:
    """(name, module, attribute) of each import inside a function.

    The attribute is None where the name stands for the module, and empty where for the topmost package of it.
    """
    for one in ast.walk(node):
        if isinstance(one, ast.Import):
            for alias in one.names:
                yield alias.asname or alias.name.partition(".")[0], alias.name, None if alias.asname else ""
        elif isinstance(one, ast.ImportFrom):
            module = importlib.util.resolve_name("." * one.level + (one.module or ""), package)
            for alias in one.names:
                yield alias.asname or alias.name, module, alias.name
