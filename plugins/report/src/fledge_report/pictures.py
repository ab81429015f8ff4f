"""Plots and other objects that can show themselves -> a picture inside the page, or HTML without what is active in it.

Figures of matplotlib are drawn; anything else is asked in the ways that notebooks ask: `_repr_mimebundle_`,
`_repr_svg_`, `_repr_png_`, `_repr_jpeg_`, `_repr_html_`. A picture is put into an `<img>`, in which browsers run no
script and load nothing.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import Any

from fledge.errors import type_name
from fledge_report.safe_text import escaped
from fledge_report.sanitizing import sanitized

__all__ = ["shown"]

_SVG, _PNG, _JPEG, _HTML = "image/svg+xml", "image/png", "image/jpeg", "text/html"
_METHODS = {_SVG: "_repr_svg_", _PNG: "_repr_png_", _JPEG: "_repr_jpeg_", _HTML: "_repr_html_"}
_DRAWN_BYTES = 1_000_000  # a figure of more points is a picture of dots
_MOST_BYTES = 8_000_000


def shown(value: object) -> str | None:
    """The value as it shows itself; None when it does not."""
    figure = _figure(value)
    if figure is not None:
        return _drawn(figure)
    forms = _forms(value)
    for kind in (_SVG, _PNG, _JPEG):
        content = forms.get(kind)
        if content is not None:
            return _image(kind, _bytes(content))
    content = forms.get(_HTML)
    return _html(value, content) if isinstance(content, str) else None


def _figure(value: object) -> Any:  # Any: a matplotlib figure, or None; the library may not be installed
    """A figure, or the figure of something that is drawn on one: axes, a grid of seaborn."""
    if type(value).__module__.partition(".")[0] not in ("matplotlib", "seaborn"):
        return None
    figure = value if hasattr(value, "savefig") else getattr(value, "figure", None)
    return figure if hasattr(figure, "savefig") else None


def _drawn(figure: Any) -> str:  # Any: as above
    file = io.BytesIO()
    figure.savefig(file, format="svg", bbox_inches="tight", metadata={"Date": None})
    if len(file.getvalue()) <= _DRAWN_BYTES:
        return _image(_SVG, file.getvalue())
    file = io.BytesIO()
    figure.savefig(file, format="png", bbox_inches="tight", dpi=150)
    return _image(_PNG, file.getvalue())


def _forms(value: object) -> Mapping[str, object]:
    """What the value's class can make of it, by MIME type."""
    kind = type(value)
    bundle = getattr(kind, "_repr_mimebundle_", None)
    if bundle is not None:
        made = bundle(value)
        forms = made[0] if isinstance(made, tuple) else made  # with metadata, or without
        if isinstance(forms, Mapping) and set(forms) & set(_METHODS):
            return forms
    found = {mime: getattr(kind, name) for mime, name in _METHODS.items() if hasattr(kind, name)}
    return {mime: method(value) for mime, method in found.items()}


def _bytes(content: object) -> bytes:
    """SVG comes as text, PNG and JPEG as bytes or as base64."""
    if isinstance(content, bytes):
        return content
    text = str(content)
    return text.encode(errors="replace") if "<" in text else base64.b64decode(text)


def _image(kind: str, content: bytes) -> str:
    if len(content) > _MOST_BYTES:
        return f'<p class="note">A picture of {len(content) / 1e6:.0f} MB is left out: at most 8 MB are shown.</p>'
    return f'<img class="plot" alt="" src="data:{kind};base64,{base64.b64encode(content).decode()}">'


def _html(value: object, content: str) -> str:
    if len(content) > _MOST_BYTES:
        return _note(value, f"its HTML has {len(content) / 1e6:.0f} MB, and at most 8 MB are shown")
    found = sanitized(content)
    if not found.is_visible:
        if not found.had_script:
            return _note(value, "it has nothing to show")
        return _note(value, "it draws itself with a script, and a report runs none. Add a picture of it: SVG or PNG")
    note = _note(value, "its script is left out: a report runs none") if found.had_script else ""
    return f'<div class="own">{found.html}</div>{note}'


def _note(value: object, text: str) -> str:
    return f'<p class="note">{escaped(type_name(type(value)), 200)}: {text}.</p>'
