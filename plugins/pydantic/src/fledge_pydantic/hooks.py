"""The hook of this plugin: models, by the name of their base class; pydantic is not imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fledge.hooks.spec import hookimpl
from fledge_pydantic.models import ModelTransformer

if TYPE_CHECKING:
    from fledge.types.base import TypeTransformer

__all__ = ["HOOK_API", "register_types"]

HOOK_API = 1


@hookimpl
def register_types(register: Callable[[TypeTransformer[Any]], None]) -> None:  # Any: of any Python type
    """Subclasses of `pydantic.BaseModel` travel as MessagePack, with the JSON schema that pydantic makes."""
    register(ModelTransformer())
