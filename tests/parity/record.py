"""Ask the installed flytekit for the golden file again: `python -m tests.parity.record`, in the parity environment.

`python -m tests.parity.record STEM ...` asks for those modules of the corpus only; the rest of the file stays. So do,
always, the programs that this Python is too old to read: a newer one records them by name.
"""

from __future__ import annotations

import sys
from importlib.metadata import version

from tests.parity.comparing import FLYTEKIT, STEMS, recorded
from tests.parity.programs import TOO_NEW
from tests.parity.recording import Golden


def main() -> None:
    """Write what flytekit makes of the corpus."""
    stems = sys.argv[1:] or STEMS
    stay = {*STEMS, *TOO_NEW} - {*stems}
    kept = {name: one for name, one in Golden.read().programs.items() if name.partition(".")[0] in stay}
    programs = {name: recording for stem in stems for name, recording in recorded(FLYTEKIT, stem).items()}
    Golden(version("flytekit"), {**kept, **programs}).write()
    print(f"recorded {len(programs)} programs of flytekit {version('flytekit')}, {len(kept)} stay as they were")


if __name__ == "__main__":
    main()
