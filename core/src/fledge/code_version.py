"""A cache version from meaning: the syntax tree of a function and of its declared helpers.

Comments, formatting, docstrings and decorators do not count; a changed literal or name does.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from fledge.errors import DefinitionError
from fledge.lazy import lazy

if TYPE_CHECKING:
    import ast
    import hashlib
    import textwrap
else:
    ast = lazy("ast")
    hashlib = lazy("hashlib")
    textwrap = lazy("textwrap")

__all__ = ["code_version"]


def code_version(function: Callable[..., Any], helpers: Iterable[Callable[..., Any]] = ()) -> str:  # Any: any functions
    """Sixteen hex digits that change with the meaning of the code.

    Raises:
        DefinitionError: The source of a function cannot be read, so a change of it could not be noticed.
    """
    digest = hashlib.sha256()
    for one in (function, *helpers):
        digest.update(_meaning(one).encode())
        digest.update(b"\0")
    return digest.hexdigest()[:16]


def _meaning(function: Callable[..., Any]) -> str:  # Any: any function
    function = inspect.unwrap(function)
    try:
        source = textwrap.dedent(inspect.getsource(function))
        (tree,) = ast.parse(source).body
    except (OSError, TypeError, SyntaxError, ValueError) as exc:
        name = getattr(function, "__qualname__", repr(function))
        raise DefinitionError(
            f"cache=True: the source of {name} cannot be read, so its changes cannot be noticed. Give cache_version='1'"
        ) from exc
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            node.decorator_list = []
            first = node.body[0]
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:] or [ast.Pass()]
    return ast.dump(tree, annotate_fields=False)
