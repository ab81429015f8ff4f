"""Checkpoints of a training run: the leader saves, every rank resumes from the newest one after a restart.

A checkpoint is one file, written whole or not at all. Where torch is in use it is torch's own format, otherwise a
pickle; state that is spread over the ranks goes through torch.distributed.checkpoint (`save_sharded`).
"""

from __future__ import annotations

import os
import pickle
import re
import shutil
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fledge_distributed.errors import RankError
from fledge_distributed.ranks import current_rank

__all__ = ["Checkpoints"]

State = Mapping[str, Any]  # Any: whatever the training keeps
_NAME = re.compile(r"step-(\d{10,})(\.sharded)?")


class Checkpoints:
    """The checkpoints in one folder, which all ranks see.

    Args:
        folder: Made when the first checkpoint is saved.
        keep: How many of the newest ones stay.
    """

    def __init__(self, folder: str | os.PathLike[str], keep: int = 2) -> None:
        if keep < 1:
            raise RankError(f"Checkpoints(keep={keep}): keep at least one")
        self.folder, self.keep = Path(folder), keep

    def save(self, step: int, state: State) -> None:
        """In the leader: write the state after `step`. In other ranks: nothing."""
        if not current_rank().is_leader:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.folder / f".{uuid.uuid4().hex}.partial"
        try:
            _write(partial, dict(state))
            os.replace(partial, self._path(step))
        finally:
            partial.unlink(missing_ok=True)
        self._prune()

    def load(self) -> tuple[int, dict[str, Any]] | None:  # Any: as it was saved
        """(step, state) of the newest checkpoint, in every rank; None when there is none."""
        steps = self._steps(sharded=False)
        return (steps[-1], _read(self._path(steps[-1]))) if steps else None

    def save_sharded(self, step: int, state: State) -> None:
        """In every rank, at the same step: write what each rank holds. The process group has to be there.

        It counts once all ranks have written: a run that ends in the middle leaves nothing that `load_sharded` takes.
        """
        import torch.distributed as dist  # noqa: PLC0415 - heavy and optional
        from torch.distributed.checkpoint.state_dict_saver import save  # noqa: PLC0415 - heavy and optional

        partial = self.folder / f".{step}.partial"
        save(dict(state), checkpoint_id=partial)
        dist.barrier()
        if current_rank().is_leader:
            self._put(partial, self._path(step, sharded=True))
            self._prune()
        dist.barrier()

    def load_sharded(self, state: dict[str, Any]) -> int | None:  # Any: tensors and what else the training keeps
        """In every rank: fill `state` in place from the newest sharded checkpoint; its step, or None."""
        from torch.distributed.checkpoint.state_dict_loader import load  # noqa: PLC0415 - heavy and optional

        steps = self._steps(sharded=True)
        if not steps:
            return None
        load(state, checkpoint_id=self._path(steps[-1], sharded=True))
        return steps[-1]

    def _put(self, partial: Path, path: Path) -> None:
        """Let the folder be the checkpoint; that of the same step, of an earlier start, gives way."""
        if path.exists():  # a folder that holds something cannot be replaced
            before = self.folder / f".{uuid.uuid4().hex}.partial"
            os.replace(path, before)
            os.replace(partial, path)
            shutil.rmtree(before)
        else:
            os.replace(partial, path)

    def _path(self, step: int, *, sharded: bool = False) -> Path:
        return self.folder / f"step-{step:010d}{'.sharded' if sharded else ''}"

    def _steps(self, *, sharded: bool) -> list[int]:
        if not self.folder.is_dir():
            return []
        found = [_NAME.fullmatch(path.name) for path in self.folder.iterdir()]
        return sorted(int(one.group(1)) for one in found if one is not None and bool(one.group(2)) == sharded)

    def _prune(self) -> None:
        for sharded in (False, True):
            for step in self._steps(sharded=sharded)[: -self.keep]:
                path = self._path(step, sharded=sharded)
                shutil.rmtree(path) if sharded else path.unlink()


def _write(path: Path, state: dict[str, Any]) -> None:  # Any: the training's own
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.save(state, path)
    else:
        path.write_bytes(pickle.dumps(state))


def _read(path: Path) -> dict[str, Any]:  # Any: as it was saved
    """A torch file is a zip archive; anything else is a pickle of ours."""
    with path.open("rb") as file:
        is_torch = file.read(2) == b"PK"
    if is_torch:
        import torch  # noqa: PLC0415 - heavy and optional

        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=False)
    else:
        state = pickle.loads(path.read_bytes())  # noqa: S301 - written by the user's own run
    return state
