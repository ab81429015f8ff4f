"""Text on a stream of the caller's, whatever the stream is and can show."""

from __future__ import annotations

from typing import TextIO

__all__ = ["write_at_once"]


def write_at_once(stream: TextIO, text: str) -> None:
    """Write and flush; what the stream's encoding lacks is spelled out. Whatever has `write` may stand in for a stream.

    Raises:
        OSError, ValueError: Nobody reads it any more.
    """
    try:
        stream.write(text)
    except UnicodeEncodeError:
        encoding = getattr(stream, "encoding", None) or "ascii"
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()
