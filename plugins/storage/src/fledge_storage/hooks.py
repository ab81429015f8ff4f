"""The hook of this plugin: one storage for each scheme, made when a URI of the scheme is first used."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fledge.hooks.spec import hookimpl

if TYPE_CHECKING:
    from fledge.storage import Storage

__all__ = ["HOOK_API", "register_storage"]

HOOK_API = 1
SCHEMES = ("s3", "s3a", "gs", "az", "abfs", "abfss", "memory")


@hookimpl
def register_storage(register: Callable[[str, Callable[[], Storage]], None]) -> None:
    """s3, gs, abfs and their like, and `memory://`, which lasts as long as the process."""
    for scheme in SCHEMES:
        register(scheme, _make)


def _make() -> Storage:
    from fledge_storage.objects import ObjectStorage  # noqa: PLC0415 - loads obstore, which few runs need

    return ObjectStorage()
