"""A registry with the core's types and this plugin's."""

from __future__ import annotations

import pytest

from fledge.types.base import TypeRegistry
from fledge.types.builtin import builtin_registry
from fledge_dataframes.hooks import register_types


@pytest.fixture
def registry() -> TypeRegistry:
    made = builtin_registry()
    register_types(made.register)
    return made
