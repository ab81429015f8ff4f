"""What a rank does for every contestant: meet the others over gloo, note when and with how much memory, return.

Under torchrun this file is the program: `torchrun ... ranks_body.py FOLDER`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

__all__ = ["meet_and_return"]


def meet_and_return(folder: str, size: int) -> str:
    """The marks go into the folder. Times are of the machine's monotonic clock, which all processes share."""
    import torch.distributed as dist

    rank = int(os.environ["RANK"])
    dist.init_process_group("gloo")
    dist.barrier()
    met = time.monotonic()
    mark = {"met": met, "uss_mib": own_memory_mib()}
    dist.barrier()  # nobody leaves while another one is being measured
    dist.destroy_process_group()
    value = "x" * size
    Path(folder, f"{rank}.json").write_text(json.dumps({**mark, "returned": time.monotonic()}))
    return value


def own_memory_mib() -> float:
    """What would be free again if this process ended."""
    with open("/proc/self/smaps_rollup") as file:
        rows = [line.split() for line in file if line.startswith("Private_")]
    return sum(int(row[1]) for row in rows) / 1024


if __name__ == "__main__":
    meet_and_return(sys.argv[1], 1)
