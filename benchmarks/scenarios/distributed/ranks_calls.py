"""A user's program: the first call, a warm one, and one with a large result. `python ranks_calls.py MODULE FOLDER`.

Prints JSON, last: for each call when it was made and when the value was there, in seconds of the monotonic clock.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path

CALLS = {"cold": 1, "warm": 1, "large": 100_000_000}


def main(module: str, folder: str) -> None:
    """Call the module's task, each time with a folder of its own for the marks of the ranks."""
    call = importlib.import_module(module).call
    marks = {}
    for name, size in CALLS.items():
        place = Path(folder, name)
        place.mkdir()
        begun = time.monotonic()
        value = call(folder=str(place), size=size)
        marks[name] = {"begun": begun, "ended": time.monotonic()}
        if len(value) != size:
            sys.exit(f"{module}: {len(value)} characters came back instead of {size}")
    print(json.dumps(marks))


if __name__ == "__main__":
    main(*sys.argv[1:])
