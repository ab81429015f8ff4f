"""The hooks of this plugin: frame types, by name; neither pyarrow nor another library of frames is imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fledge.hooks.spec import hookimpl
from fledge_dataframes.transformer import FRAME_CLASSES, DatasetTransformer, FrameTransformer

if TYPE_CHECKING:
    from fledge.types.base import TypeTransformer

__all__ = ["HOOK_API", "register_types"]

HOOK_API = 1


@hookimpl
def register_types(register: Callable[[TypeTransformer[Any]], None]) -> None:  # Any: of any Python type
    """`pa.Table`, `pd.DataFrame`, `pl.DataFrame` and their kin and handles become StructuredDataset literals."""
    register(DatasetTransformer())
    for name in FRAME_CLASSES:
        register(FrameTransformer(name))
