"""Checkpoints: what one attempt saves, the next attempt of the same task finds.

Source of the form: the platform names a folder for this attempt and the folder of the one before; `write` makes one
file in it, whose name readers need not know, `save` copies a file or a folder there.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO

from fledge.errors import FledgeError
from fledge.lazy import lazy

if TYPE_CHECKING:
    import pathlib

    from fledge.storage import Storage
else:
    pathlib = lazy("pathlib")

__all__ = ["AttemptCheckpoints", "Checkpoint"]

_FILE = "_dst_cp"


class Checkpoint:
    """The checkpoints of one attempt.

    Args:
        destination: Folder or URI where this attempt saves.
        source: The previous attempt's; None when there was none or it saved nothing.
        storage: Serves both.
        scratch: Gives the local folder for what is fetched; it is removed with the run.
    """

    def __init__(self, destination: str, source: str | None, storage: Storage, scratch: Callable[[], str]) -> None:
        self._destination, self._source = destination, source
        self._storage, self._scratch = storage, scratch

    def prev_exists(self) -> bool:
        """Is there a previous attempt's checkpoint?"""
        return self._source is not None

    def read(self) -> bytes | None:
        """The bytes that the previous attempt wrote; None when it wrote none.

        Raises:
            FledgeError: It saved several files: `restore` them.
        """
        folder = self.restore()
        files = sorted(folder.iterdir()) if folder is not None else []
        if len(files) > 1:
            names = ", ".join(file.name for file in files)
            raise FledgeError(f"checkpoint {self._source} holds several files ({names}). Use restore()")
        return files[0].read_bytes() if files else None

    def restore(self, path: str | os.PathLike[str] | None = None) -> pathlib.Path | None:
        """What the previous attempt saved, copied to a new folder: `path`, else one that goes with the run."""
        if self._source is None or not self._storage.exists(self._source):
            return None
        name = f"prev_cp-{os.urandom(16).hex()}"
        target = pathlib.Path(path if path is not None else os.path.join(self._scratch(), name))
        self._storage.get(self._source, str(target))
        return target

    def write(self, data: bytes) -> None:
        """Save bytes; a second call replaces the first."""
        self._storage.write(f"{self._destination.rstrip('/')}/{_FILE}", data)

    def save(self, what: str | os.PathLike[str] | BinaryIO) -> None:
        """Save a local file under its name, a folder, or what an open file still holds."""
        if not isinstance(what, (str, os.PathLike)):
            self.write(what.read())
            return
        path = os.path.abspath(what)
        target = (
            self._destination if os.path.isdir(path) else f"{self._destination.rstrip('/')}/{os.path.basename(path)}"
        )
        self._storage.put(path, target)


class AttemptCheckpoints:
    """The checkpoints of a task's attempts on this machine: each attempt finds what the one before it saved.

    Args:
        folder: Gives a folder that lasts as long as the attempts; asked for when one of them first wants a checkpoint.
        storage: Serves it.
    """

    def __init__(self, folder: Callable[[], str], storage: Storage) -> None:
        self._folder, self._storage = folder, storage
        self.attempt = 0

    def current(self, scratch: Callable[[], str]) -> Checkpoint:
        """Of the attempt that is under way; `scratch` as of Checkpoint."""
        destination, previous = (
            os.path.join(self._folder(), str(number)) for number in (self.attempt, self.attempt - 1)
        )
        return Checkpoint(destination, previous if os.path.exists(previous) else None, self._storage, scratch)
