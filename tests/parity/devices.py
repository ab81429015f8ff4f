"""Accelerators by name: what fledge takes as it stands, and flytekit has a class for; see `flytekit_door`."""

from __future__ import annotations

__all__ = ["device"]


def device(name: str) -> str:
    """The accelerator of that name."""
    return name
