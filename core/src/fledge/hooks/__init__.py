"""The plugin contract (`spec`) and its manager (`manager`)."""

from __future__ import annotations

from fledge.hooks.spec import HOOK_API, hookimpl

__all__ = ["HOOK_API", "hookimpl"]
