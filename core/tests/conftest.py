"""Fixtures of the core's tests: a context of their own, modules written on the spot, the container's command."""

from __future__ import annotations

import importlib
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from uuid import uuid4

import pytest

from core.tests.support import Container
from fledge.context import FlyteContextManager
from fledge.hooks.manager import PluginManager
from fledge.testing.contexts import fresh_context


@pytest.fixture(autouse=True)
def own_context() -> Iterator[None]:
    """Each test has a context of its own and meets no plugin that happens to be installed."""
    with fresh_context():
        yield


@pytest.fixture
def manager() -> PluginManager:
    """The plugin manager of this test's context."""
    found = FlyteContextManager.current_context().plugins
    assert isinstance(found, PluginManager)
    return found


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ModuleType]]:
    """`module("source")`: write a module with a name of its own to tmp_path and import it."""
    monkeypatch.syspath_prepend(tmp_path)
    made: list[str] = []

    def write(source: str, name: str = "") -> ModuleType:
        name = name or f"written_{uuid4().hex}"
        path = tmp_path.joinpath(*name.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("from __future__ import annotations\n" + textwrap.dedent(source))
        importlib.invalidate_caches()
        made.append(name)
        return importlib.import_module(name)

    yield write
    for name in made:
        sys.modules.pop(name, None)


@pytest.fixture
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Container:
    return Container(tmp_path / "container", monkeypatch)
