"""Jobs of two pods. In one both fail: first rank 3, on node 1, then rank 0. Their peers note when they were stopped.

The order is kept by pipes in the folder: opening one waits for the other side.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

from fledge import RecoverableError, task
from fledge_distributed import Elastic, current_rank


@task(task_config=Elastic(nnodes=2, nproc_per_node=2))
def trains(folder: str) -> int:
    place = Path(folder)
    rank = current_rank()
    ready = place / f"ready-{rank.node_rank}"
    if rank.rank in (1, 2):
        signal.signal(signal.SIGTERM, lambda number, frame: leave(place))
        ready.open("w").close()
        threading.Event().wait()
    ready.read_text()
    if rank.rank == 0:
        (place / "first-is-over").read_text()
    (place / f"raised-{rank.node_rank}").write_text(repr(time.time()))
    raise ValueError(f"of rank {rank.rank}")


@task(task_config=Elastic(nnodes=2, nproc_per_node=2))
def returns_in_pods(folder: str) -> str:
    """Rank 3 may fail in a way that another attempt may mend."""
    if current_rank().rank == 3 and Path(folder, "fail").exists():
        raise RecoverableError("of rank 3")
    return f"rank {current_rank().rank}"


def leave(place: Path) -> None:
    node = current_rank().node_rank
    (place / f"stopped-{node}").write_text(repr(time.time()))
    if node == 1:
        (place / "first-is-over").open("w").close()
    os._exit(1)
