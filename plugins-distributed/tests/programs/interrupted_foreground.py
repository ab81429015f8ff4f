"""A rank is to run in this process, whose ranks are waited for in vain: only an interrupt ends it."""

from __future__ import annotations

import signal

from fledge_distributed import Ranks
from fledge_distributed.calls import call_on_ranks
from fledge_distributed.foreground import run_in_foreground

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the background of a shell ignores it
    config = Ranks(nproc=2, preload=("hangs_at_import",))
    run_in_foreground(0, lambda kind, stop: call_on_ranks(repr, 1, config=config, attempt_type=kind, stop=stop))
