"""A user's program: the first call, a warm one, one with a large result, one with 10 MB of lines from each rank.

`python ranks_calls.py MODULE FOLDER [CALL ...]`; without names all of them. Writes `calls.json` into the folder: for
each call when it was made and when the value was there, in seconds of the monotonic clock.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path

CALLS = {"cold": (1, 0), "warm": (1, 0), "large": (100_000_000, 0), "lines": (1, 100_000)}  # characters, lines


def main(module: str, folder: str, *names: str) -> None:
    """Call the module's task, each time with a folder of its own for the marks of the ranks."""
    call = importlib.import_module(module).call
    marks = {}
    for name in names or CALLS:
        size, lines = CALLS[name]
        place = Path(folder, name)
        place.mkdir()
        begun = time.monotonic()
        value = call(folder=str(place), size=size, lines=lines)
        marks[name] = {"begun": begun, "ended": time.monotonic()}
        if len(value) != size:
            sys.exit(f"{module}: {len(value)} characters came back instead of {size}")
    Path(folder, "calls.json").write_text(json.dumps(marks))


if __name__ == "__main__":
    main(*sys.argv[1:])
