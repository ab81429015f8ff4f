"""Object stores (S3, Google Cloud Storage, Azure, memory) as storage of fledge tasks.

`ObjectStorage` reads and writes whole URIs. The plugin registers it for its schemes, so tasks never name it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fledge_storage.objects import ObjectStorage

__all__ = ["ObjectStorage"]


def __getattr__(name: str) -> object:
    if name != "ObjectStorage":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module("fledge_storage.objects").ObjectStorage


def __dir__() -> list[str]:
    return __all__
