"""`python -m fledge.cli`: the `fledge` command without its script."""

from __future__ import annotations

from fledge.cli.app import main

if __name__ == "__main__":
    main()
