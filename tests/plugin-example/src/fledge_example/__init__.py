"""fledge-example: one implementation of every hook."""

from __future__ import annotations

from fledge_example.money import Money
from fledge_example.owned import Owned

__all__ = ["Money", "Owned"]
