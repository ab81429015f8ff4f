"""What a rank imports to run a task, beside what the zygote has imported for it."""

from __future__ import annotations

import sys

from fledge_distributed import rank_run


def imported_by_run(payload: bytes) -> bytes:
    """`payload`: a RankRun. Gives names of modules."""
    before = set(sys.modules)
    rank_run.run(payload)
    return " ".join(sorted(set(sys.modules) - before)).encode()
