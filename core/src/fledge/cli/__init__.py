"""The `fledge` command: run a task, show what Flyte would see, list plugins. click is imported only here."""

from __future__ import annotations

from fledge.cli.app import main

__all__ = ["main"]
