"""fledge-pydantic under fledge's own contract suites."""

from __future__ import annotations

from pydantic import BaseModel

import fledge_pydantic.hooks
from fledge.testing import PluginContract, TransformerContract


class Point(BaseModel):
    x: int
    tags: list[str] = []


class TestPydanticPlugin(PluginContract):
    module = "fledge_pydantic.hooks"


class TestModels(TransformerContract):
    hooks = fledge_pydantic.hooks
    python_type = Point
    values = (Point(x=1), Point(x=-(2**53) - 1, tags=["a", ""]))
    bad_values = ({"x": 1}, "x", None)
