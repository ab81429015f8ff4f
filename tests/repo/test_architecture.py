"""The page on architecture lists the core's modules, layer by layer, as import-linter checks them."""

from __future__ import annotations

import re

from tests.repo.repository import PACKAGES, ROOT

PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
CONFIG = (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def checked_layers() -> list[set[str]]:
    """The layers of the import-linter contract, top first."""
    contract = CONFIG.partition('id = "core-layers"')[2].partition("[[tool.importlinter.contracts]]")[0]
    return [set(re.findall(r"\w+", line)) for line in re.findall(r'^    "(.+)",$', contract, flags=re.MULTILINE)]


def documented_layers() -> list[set[str]]:
    """The layers of the page, top first."""
    layers: dict[int, set[str]] = {}
    for name, layer in re.findall(r"^(\w+)(?:\.py|/) +L(\d+) ", PAGE, flags=re.MULTILINE):
        layers.setdefault(int(layer), set()).add(name)
    return [layers[number] for number in sorted(layers, reverse=True)]


def test_the_page_shows_the_layers_that_are_checked() -> None:
    assert documented_layers() == checked_layers()


def test_every_module_of_the_core_has_its_layer() -> None:
    modules = {name.split(".")[1] for name, _ in PACKAGES[0].modules() if "." in name}
    assert set().union(*documented_layers()) == modules
