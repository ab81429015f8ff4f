"""Ask the installed flytekit for the golden file again: `python -m tests.parity.record`, in the parity environment."""

from __future__ import annotations

from importlib.metadata import version

from tests.parity.comparing import FLYTEKIT, STEMS, recorded
from tests.parity.recording import Golden


def main() -> None:
    """Write what flytekit makes of the whole corpus."""
    programs = {name: recording for stem in STEMS for name, recording in recorded(FLYTEKIT, stem).items()}
    Golden(version("flytekit"), programs).write()
    print(f"recorded {len(programs)} programs of flytekit {version('flytekit')}")


if __name__ == "__main__":
    main()
