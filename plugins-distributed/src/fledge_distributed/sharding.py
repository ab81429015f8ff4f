"""Which rows and which files belong to a rank: every one to exactly one rank, in the original order."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, overload

from fledge_distributed.errors import RankError
from fledge_distributed.ranks import current_rank

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["shard_files", "shard_rows"]


def shard_rows(table: pa.Table, rank: int | None = None, world_size: int | None = None) -> pa.Table:
    """Return the rows of one rank, in their original order.

    Rank r takes rows r, r + world_size, r + 2 * world_size, ... Over all ranks every row appears exactly once.

    Args:
        table: Shape (rows, columns). May have fewer rows than ranks.
        rank: Counted over all nodes from 0; None: the rank this code runs as.
        world_size: Number of ranks over all nodes; None: of this run.

    Returns:
        Shape (ceil((rows - rank) / world_size), columns), same schema, possibly 0 rows.

    Raises:
        RankError: rank is not in 0 .. world_size - 1.
    """
    import pyarrow as pa  # noqa: PLC0415 - optional: only users of tables have it

    rank, world_size = _place(rank, world_size)
    if world_size == 1:
        return table
    return table.take(pa.array(range(rank, table.num_rows, world_size), type=pa.int64()))


@overload
def shard_files(
    files: str | os.PathLike[str], rank: int | None = None, world_size: int | None = None
) -> list[Path]: ...


@overload
def shard_files(
    files: Sequence[str | os.PathLike[str]], rank: int | None = None, world_size: int | None = None
) -> list[Path]: ...


def shard_files(
    files: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    rank: int | None = None,
    world_size: int | None = None,
) -> list[Path]:
    """Return the files of one rank: of a folder and the folders below it, in order of path, or of a list, in its order.

    Rank r takes files r, r + world_size, ... All ranks have to see the same files; hidden ones do not count.

    Args:
        files: A folder, or paths.
        rank: Counted over all nodes from 0; None: the rank this code runs as.
        world_size: Number of ranks over all nodes; None: of this run.

    Raises:
        RankError: rank is not in 0 .. world_size - 1, or the folder is none.
    """
    rank, world_size = _place(rank, world_size)
    if isinstance(files, (str, os.PathLike)):
        folder = Path(files)
        if not folder.is_dir():
            raise RankError(f"shard_files({str(files)!r}): not a folder. Give a folder or a list of files")
        found = [path for path in folder.rglob("*") if path.is_file() and not _is_hidden(path.relative_to(folder))]
        paths = sorted(found, key=lambda path: path.relative_to(folder).as_posix())
    else:
        paths = [Path(file) for file in files]
    return paths[rank::world_size]


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _place(rank: int | None, world_size: int | None) -> tuple[int, int]:
    here = current_rank()
    rank = here.rank if rank is None else rank
    world_size = here.world_size if world_size is None else world_size
    if not 0 <= rank < world_size:
        raise RankError(f"rank {rank} of {world_size}: ranks count from 0 to world_size - 1")
    return rank, world_size
