"""Starts two ranks with data loaders; rank 0 waits in a collective for rank 1, until the caller is ended.

Each rank writes a byte to the pipe FIFO once a batch of its data loader's process has come. Every process of the run
holds the pipe open: its end is the end of the last of them.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from fledge_distributed import Ranks, current_rank
from fledge_distributed.launcher import launch


def train(payload: bytes) -> bytes:
    """`payload`: the path of the pipe."""
    import torch
    import torch.distributed as dist
    from torch.utils.data import DataLoader, TensorDataset

    fifo = os.open(payload.decode(), os.O_WRONLY)
    data = TensorDataset(torch.ones(100))
    batches = iter(DataLoader(data, num_workers=1, multiprocessing_context="fork"))
    next(batches)
    dist.init_process_group("gloo")
    dist.barrier()
    os.write(fifo, b"!")
    if current_rank().rank == 1:
        threading.Event().wait()
    dist.all_reduce(torch.ones(1))
    return b""


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the background of a shell ignores it
    launch(sys.argv[1].encode(), train, Ranks(nproc=2, preload=("torch", "torch.utils.data"), grace_s=0.5))
