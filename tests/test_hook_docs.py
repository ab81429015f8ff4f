"""docs/hooks.md and the hookspec say the same, and every hook has a test of its own."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from fledge.hooks import spec
from fledge.hooks.loading import HOOK_NAMES

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/hooks.md").read_text(encoding="utf-8")
DOCUMENTED = dict(re.findall(r"^### (\w+)\(([^)]*)\)$", PAGE, re.MULTILINE))
EXAMPLE_TESTS = (ROOT / "tests/plugin-example/tests/test_example_contract.py").read_text(encoding="utf-8")
EXAMPLE_HOOKS = (ROOT / "tests/plugin-example/src/fledge_example/hooks.py").read_text(encoding="utf-8")


def test_the_page_documents_every_hook_and_no_other() -> None:
    assert sorted(DOCUMENTED) == sorted(HOOK_NAMES)


@pytest.mark.parametrize("name", HOOK_NAMES)
def test_the_page_gives_the_arguments_of_the_spec(name: str) -> None:
    assert DOCUMENTED[name].split(", ") == list(inspect.signature(getattr(spec, name)).parameters)


@pytest.mark.parametrize("name", HOOK_NAMES)
def test_the_example_plugin_implements_the_hook(name: str) -> None:
    assert f"def {name}(" in EXAMPLE_HOOKS


@pytest.mark.parametrize("name", HOOK_NAMES)
def test_the_spec_documents_the_hook(name: str) -> None:
    assert inspect.getdoc(getattr(spec, name))
