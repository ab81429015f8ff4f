"""The hook of this plugin: the page of a run as a whole, and values that no package of their own shows.

No library of frames or plots is imported: a value is known by the module of its class, and then its library is loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fledge.decks import Report
from fledge.hooks.spec import hookimpl
from fledge.lazy import lazy

if TYPE_CHECKING:
    from fledge_report import pages, values
else:
    pages = lazy("fledge_report.pages")
    values = lazy("fledge_report.values")

__all__ = ["HOOK_API", "render"]

HOOK_API = 1


@hookimpl
def render(value: object) -> str | None:
    """A report as a page; frames, plots and structured values as parts of one."""
    if isinstance(value, Report):
        return pages.lay_out(value)
    return values.shown(value)
