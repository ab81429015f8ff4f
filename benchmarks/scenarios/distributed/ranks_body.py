"""What a rank does for every contestant: meet the others over gloo, note when and with how much memory, write, return.

Under torchrun this file is the program: `torchrun ... ranks_body.py FOLDER`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

__all__ = ["meet_and_return"]


def meet_and_return(folder: str, size: int, lines: int) -> str:
    """The marks go into the folder. Times are of the machine's monotonic clock, which all processes share."""
    import torch.distributed as dist

    rank = int(os.environ["RANK"])
    dist.init_process_group("gloo")
    dist.barrier()
    met = time.monotonic()
    mark = {"met": met, "uss_mib": memory_mib(os.getpid(), "Private_")}
    if rank == 0 and "BENCH_PARENT" in os.environ:
        mark["tree_mib"] = sum(memory_mib(pid, "Pss:") for pid in tree(int(os.environ["BENCH_PARENT"])))
    dist.barrier()  # nobody leaves while another one is being measured
    writing = time.monotonic()
    for _ in range(lines):
        print("y" * 99)
    mark["wrote_s"] = time.monotonic() - writing
    dist.destroy_process_group()
    value = "x" * size
    Path(folder, f"{rank}.json").write_text(json.dumps({**mark, "returned": time.monotonic()}))
    return value


def memory_mib(pid: int, kind: str) -> float:
    """`Private_`: what would be free again if the process ended; `Pss:`: shared pages by share. 0: it has ended."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            rows = [line.split() for line in file if line.startswith(kind)]
    except OSError:
        return 0.0
    return sum(int(row[1]) for row in rows) / 1024


def tree(parent: int) -> list[int]:
    """Process ids of all descendants: the user's program, agents, ranks."""
    found = []
    for task in os.listdir(f"/proc/{parent}/task"):
        with open(f"/proc/{parent}/task/{task}/children") as file:
            found += [int(word) for word in file.read().split()]
    return found + [one for pid in found if os.path.exists(f"/proc/{pid}/task") for one in tree(pid)]


if __name__ == "__main__":
    meet_and_return(sys.argv[1], 1, 0)
