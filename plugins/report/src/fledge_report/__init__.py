"""Reports of task runs as HTML pages. There is nothing to import: the plugin is found by its entry point."""

from __future__ import annotations

__all__: list[str] = []
