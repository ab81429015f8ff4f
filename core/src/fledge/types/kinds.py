"""Names for `Any` that say which kind of anything is meant."""

from __future__ import annotations

from typing import Any, TypeAlias

__all__ = ["Annotation", "Plain", "Value"]

Annotation: TypeAlias = Any  # Any: not only classes, and mypy has no type for what may stand in an annotation
Value: TypeAlias = Any  # Any: a user's value, of whatever type the annotation says
Plain: TypeAlias = Any  # Any: what MessagePack and JSON can carry, or what a reader met in its place
