"""Every fault many times over: is the right rank blamed each time, and is nothing left? Exit code 1 if not.

Then as often: a rank that hangs is named, and a cancelled run ends. Then 64 ranks: each fault once, and once without
one. With --torch the fault comes while the other ranks wait in a gloo collective.

python soak.py --repeats 100 [--torch]
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from fledge_distributed import RankCancelled, RankFailed, Ranks, RankTimeout, current_rank
from fledge_distributed.launcher import launch, run_ranks
from fledge_distributed.leaks import no_leaks
from fledge_distributed.stopping import Stop

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
        fail(payload.decode())
    dist.all_reduce(torch.ones(1))
    dist.barrier()
    return b""


def fail_alone(payload: bytes) -> bytes:
    """Rank 1 fails; the others sleep."""
    if current_rank().rank == 1:
        fail(payload.decode())
    threading.Event().wait()
    return b""


def fail(name: str) -> None:
    """One of the faults, once its time has been told."""
    print(time.monotonic(), flush=True)
    FAULTS[name]()


def hang(_: bytes) -> bytes:
    """Rank 1 does not return."""
    if current_rank().rank == 1:
        threading.Event().wait()
    return b""


def tell_and_wait(payload: bytes) -> bytes:
    """Each rank writes a byte to the pipe, and waits."""
    os.write(os.open(payload.decode(), os.O_WRONLY), b"!")
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
        wrong += hung(replace(config, timeout_s=0.3), given.repeats)
        wrong += cancelled(config, given.repeats)
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
                who, took_s = blame(name, body, config)
                blamed[who] += 1
                slowest = max(slowest, took_s)
        wrong += sum(count for who, count in blamed.items() if not who.startswith("rank 1 "))
        told = f"blamed: {dict(blamed)}, at most {slowest:.2f} s after the fault"
        print(f"{config.nproc} ranks, {name:12} {told}", flush=True)
    return wrong


def hung(config: Ranks, repeats: int) -> int:
    """How often another rank than 1 was said to hang, or its stack was not there."""
    wrong = 0
    slowest = 0.0
    with no_leaks():
        for _ in range(repeats):
            begun = time.perf_counter()
            try:
                launch(b"", hang, config)
            except RankTimeout as exc:
                wrong += exc.missing != (1,) or "in hang" not in exc.stacks[1]
            else:
                wrong += 1
            slowest = max(slowest, time.perf_counter() - begun)
    print(f"{config.nproc} ranks, hang after {config.timeout_s} s: {wrong} wrong, slowest {slowest:.2f} s", flush=True)
    return wrong


def cancelled(config: Ranks, repeats: int) -> int:
    """How often a run did not end as cancelled once its ranks had begun."""
    wrong = 0
    slowest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        os.mkfifo(fifo := os.path.join(folder, "fifo"))
        with no_leaks():
            for _ in range(repeats):
                took_s = cancelled_once(fifo, config)
                wrong += took_s is None
                slowest = max(slowest, took_s or 0.0)
    print(f"{config.nproc} ranks, cancelled: {wrong} wrong, slowest {slowest:.2f} s", flush=True)
    return wrong


def cancelled_once(fifo: str, config: Ranks) -> float | None:
    """Seconds from asking to the error; None: it did not come."""
    asked = 0.0

    def ask() -> None:
        nonlocal asked
        with open(fifo, "rb", buffering=0) as file:
            for _ in range(config.nproc):
                file.read(1)
            asked = time.perf_counter()
            stop.ask()

    with Stop() as stop:
        asking = threading.Thread(target=ask)
        asking.start()
        try:
            run_ranks(fifo.encode(), tell_and_wait, config, stop=stop)
        except RankCancelled:
            return time.perf_counter() - asked
        finally:
            asking.join()
    return None


def all_return(config: Ranks) -> bool:
    """Every rank returns its number, and every number comes back."""
    begun = time.perf_counter()
    with no_leaks():
        launched = run_ranks(b"", own_number, config, collect_all=True)
    print(f"{config.nproc} ranks, all return: {time.perf_counter() - begun:.2f} s", flush=True)
    return launched.values == {number: b"%d" % number for number in range(config.nproc)}


def own_number(_: bytes) -> bytes:
    return b"%d" % current_rank().rank


def blame(name: str, body: Callable[[bytes], bytes], config: Ranks) -> tuple[str, float]:
    """Whom the error names, as `rank 1 of 4 (local 1, node 0)`, and how many seconds after the fault it came.

    All of an error that names another rank is printed.
    """
    who = "nobody"
    error: Exception | None = None
    begun: list[float] = []

    def on_log(rank: int, _: str, line: str) -> None:
        if rank == 1 and not begun:
            with suppress(ValueError):  # what gloo has to say
                begun.append(float(line))

    try:
        launch(name.encode(), body, config, on_log=on_log)
    except RankFailed as exc:
        who, error = str(exc).partition(":")[0], exc
    except Exception as exc:  # noqa: BLE001 - whatever it is, its first note names a rank
        who, error = str(getattr(exc, "__notes__", [repr(exc)])[0]), exc
    took_s = time.monotonic() - begun[0] if begun else float("nan")
    if error is not None and not who.startswith("rank 1 "):
        print("".join(traceback.format_exception(type(error), error, error.__traceback__)), flush=True)
    return who, took_s


if __name__ == "__main__":
    sys.exit(main())
