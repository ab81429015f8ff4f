"""The context of whoever uses a handle that was made by hand, outside a task and its conversions."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fledge.context import FlyteContext

__all__ = ["context_of_caller"]

_CONTEXT = "fledge.context"  # named, not imported: it stands above this layer


def context_of_caller() -> FlyteContext:
    """The innermost entered context, else the process's default, which is built for it."""
    found: FlyteContext = import_module(_CONTEXT).FlyteContextManager.current_context()
    return found
