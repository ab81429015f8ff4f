"""Every fault many times over: is the right rank blamed each time, and is nothing left? Exit code 1 if not.

Then the same with 64 ranks, once for each fault, and once without one.

python soak.py --repeats 100 [--torch]
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from fledge_distributed import RankFailed, Ranks, current_rank
from fledge_distributed.launcher import launch, run_ranks
from fledge_distributed.leaks import no_leaks

MANY = 64
FAULTS: dict[str, Callable[[], object]] = {
    "raise": lambda: (_ for _ in ()).throw(ValueError("cause")),
    "sys.exit(3)": lambda: sys.exit(3),
    "os._exit(0)": lambda: os._exit(0),
    "SIGKILL": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "SIGSEGV": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "SIGABRT": os.abort,
}


def fail_in_collective(payload: bytes) -> bytes:
    """Rank 1 fails while the others wait for it in a collective."""
    import torch
    import torch.distributed as dist

    dist.init_process_group("gloo")
    dist.barrier()
    if current_rank().rank == 1:
        FAULTS[payload.decode()]()
    dist.all_reduce(torch.ones(1))
    dist.barrier()
    return b""


def fail_alone(payload: bytes) -> bytes:
    """Rank 1 fails; the others sleep."""
    if current_rank().rank == 1:
        FAULTS[payload.decode()]()
    threading.Event().wait()
    return b""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--nproc", type=int, default=4)
    parser.add_argument("--torch", action="store_true", help="fail in the middle of a gloo collective")
    given = parser.parse_args()
    body = fail_in_collective if given.torch else fail_alone
    config = Ranks(given.nproc, preload=("torch.distributed",) if given.torch else (), grace_s=1.0)
    wrong = repeated(body, config, given.repeats)
    if not given.torch:
        many = replace(config, nproc=MANY)
        wrong += repeated(body, many, 1)
        wrong += not all_return(many)
    print(f"{wrong} wrong; no process, port, shared memory or temporary file is left", flush=True)
    return 1 if wrong else 0


def repeated(body: Callable[[bytes], bytes], config: Ranks, repeats: int) -> int:
    """Each fault so many times. Returns how often another rank than 1 was blamed; AssertionError: something is left."""
    wrong = 0
    for name in FAULTS:
        blamed: Counter[str] = Counter()
        slowest = 0.0
        with no_leaks():
            for _ in range(repeats):
                begun = time.perf_counter()
                blamed[blame(name, body, config)] += 1
                slowest = max(slowest, time.perf_counter() - begun)
        wrong += sum(count for who, count in blamed.items() if not who.startswith("rank 1 "))
        print(f"{config.nproc} ranks, {name:12} blamed: {dict(blamed)}, slowest {slowest:.2f} s", flush=True)
    return wrong


def all_return(config: Ranks) -> bool:
    """Every rank returns its number, and every number comes back."""
    begun = time.perf_counter()
    with no_leaks():
        launched = run_ranks(b"", own_number, config, collect_all=True)
    print(f"{config.nproc} ranks, all return: {time.perf_counter() - begun:.2f} s", flush=True)
    return launched.values == {number: b"%d" % number for number in range(config.nproc)}


def own_number(_: bytes) -> bytes:
    return b"%d" % current_rank().rank


def blame(name: str, body: Callable[[bytes], bytes], config: Ranks) -> str:
    try:
        launch(name.encode(), body, config, on_log=lambda *_: None)
    except RankFailed as exc:
        return str(exc).partition(":")[0]
    except Exception as exc:  # noqa: BLE001 - whatever it is, its first note names a rank
        return str(getattr(exc, "__notes__", [repr(exc)])[0])
    return "nobody"


if __name__ == "__main__":
    sys.exit(main())
