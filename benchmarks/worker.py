"""Do one contestant's work many times in this process: `python worker.py SCENARIO CONTESTANT LOOPS [counted]`.

Prints JSON: `seconds` of CPU for one unit of work, and `loops`, how many were timed. LOOPS 0: as many as take 0.2 s.
Where instructions are counted, nothing may depend on the time: the number of calls that warm up is fixed.
Runs in every contestant's environment, so it needs the standard library alone.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.harness import load_module

BATCH_S = 0.2


def main(scenario: str, contestant: str, loops: str, mode: str = "timed") -> None:
    """Time one contestant."""
    work: Callable[[], object] = getattr(load_module(Path(scenario)), contestant)()
    work() if mode == "counted" else warm_up(work)
    count = int(loops) or calibrated(work)
    gc.collect()
    print(json.dumps({"seconds": timed(work, count) / count, "loops": count}))


def warm_up(work: Callable[[], object]) -> None:
    """The first calls import, compile and fill memos. A second one where the first was no long one."""
    if timed(work, 1) < 5 * BATCH_S:
        work()


def calibrated(work: Callable[[], object]) -> int:
    """How many loops fill the batch."""
    count = 1
    while (spent := timed(work, count)) < BATCH_S / 4:
        count *= 4
    return max(1, round(count * BATCH_S / spent))


def timed(work: Callable[[], object], count: int) -> float:
    """CPU seconds of `count` loops."""
    before = time.process_time()
    for _ in range(count):
        work()
    return time.process_time() - before


if __name__ == "__main__":
    main(*sys.argv[1:])
