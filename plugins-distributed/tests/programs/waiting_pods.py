"""Tasks whose ranks tell that they have begun, on a pipe that ends with the last of them, and then wait for ever."""

from __future__ import annotations

import os
import threading

from fledge import task
from fledge_distributed import Elastic, Ranks


@task(task_config=Ranks(nproc=2))
def waits_on_ranks(fifo: str) -> int:
    return waits(fifo)


@task(task_config=Elastic(nnodes="1:2", nproc_per_node=1, max_restarts=2, rdzv_configs={"last_call_timeout": 1}))
def waits_under_torchs_agent(fifo: str) -> int:
    return waits(fifo)


def waits(fifo: str) -> int:
    fd = os.open(fifo, os.O_WRONLY)
    os.write(fd, b"!")
    threading.Event().wait()
    return fd
