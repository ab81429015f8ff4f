"""docs/contracts.md names what the packages export, with the parameters that they have."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parent.parent / "docs/contracts.md").read_text(encoding="utf-8")
PACKAGES = ("fledge", "fledge_sql", "fledge_distributed")
SIGNATURES = (
    ("fledge_sql", "DuckDB"),
    ("fledge_sql", "DuckDBTask"),
    ("fledge_distributed", "Ranks"),
    ("fledge_distributed", "Checkpoints"),
)


def paragraph(package: str) -> str:
    """What the page says of a package's names, up to its example."""
    found = re.search(rf"^\*\*{package}\*\*.*?(?=^```)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[0]


def shown(parameter: inspect.Parameter) -> str:
    if parameter.kind is parameter.VAR_KEYWORD:
        return f"**{parameter.name}"
    given = "" if parameter.default is parameter.empty else f"={parameter.default!r}".replace("'", '"')
    return parameter.name + given


@pytest.mark.parametrize("package", PACKAGES)
def test_the_page_names_everything_that_a_package_exports(package: str) -> None:
    exported = set(importlib.import_module(package).__all__) - {"__version__"}
    assert exported - set(re.findall(r"\w+", paragraph(package))) == set()


@pytest.mark.parametrize(("package", "name"), SIGNATURES)
def test_the_page_gives_the_parameters(package: str, name: str) -> None:
    written = re.search(rf"\b{name}\((.*?)\) ·", paragraph(package))
    assert written is not None
    parameters = inspect.signature(getattr(importlib.import_module(package), name)).parameters.values()
    on_page = [one for one in re.split(r", (?![^()]*\))", written[1]) if one != "*"]
    assert on_page == [shown(one) for one in parameters]


def test_the_page_gives_the_attributes_of_a_rank() -> None:
    rank = importlib.import_module("fledge_distributed").Rank
    written = re.search(r"\bRank\(([^)]*)\)", PAGE)
    assert written is not None
    assert sorted(written[1].split(", ")) == sorted(name for name in {*dir(rank()), *vars(rank())} if name[0] != "_")
