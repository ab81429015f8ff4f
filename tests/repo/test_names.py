"""Names and form of modules: what cannot be told from one file alone, or what no linter checks."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

from tests.repo.repository import PACKAGES, ROOT, Package, python_files

MODULES = [pytest.param(name, file, id=name) for package in PACKAGES for name, file in package.modules()]
MAX_LINES = {"source": 500, "test": 700, "function": 70}


def declared_all(tree: ast.Module) -> list[str] | None:
    """The names of a module's `__all__`, as written."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names: list[str] = ast.literal_eval(node.value)
            return names
    return None


def order(name: str) -> tuple[int, str]:
    """Constants, then classes, then the rest: the order that ruff gives."""
    kind = 0 if len(name) > 1 and name.isupper() else 1 if name[0].isupper() else 2
    return kind, name


@pytest.mark.parametrize("package", PACKAGES, ids=str)
def test_no_module_carries_the_name_of_a_public_object_of_its_package(package: Package) -> None:
    """`from package import name` would give the module once it has been imported, and the object before."""
    clashes = []
    for name, _ in package.modules():
        parent, _, last = name.rpartition(".")
        if parent and last in getattr(importlib.import_module(parent), "__all__", ()):
            clashes.append(name)
    assert clashes == []


@pytest.mark.parametrize("package", PACKAGES, ids=str)
def test_the_public_names_of_a_package_are_there_and_listed_by_dir(package: Package) -> None:
    module = importlib.import_module(package.module)
    assert isinstance(module.__all__, list)
    assert [name for name in module.__all__ if not hasattr(module, name)] == []
    assert set(module.__all__) <= set(dir(module))


@pytest.mark.parametrize(("name", "file"), MODULES)
def test_a_module_opens_with_what_it_is_for(name: str, file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    if tree.body:
        assert len(ast.get_docstring(tree) or "") >= 20, f"{name} has no opening docstring"


@pytest.mark.parametrize(("name", "file"), MODULES)
def test_all_is_declared_once_and_sorted(name: str, file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    names = declared_all(tree)
    public = [
        node.name
        for node in tree.body
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and not node.name.startswith("_")
    ]
    if names is None:
        # A door (PEP 562) gives names that it does not define.
        is_door = any(isinstance(node, ast.FunctionDef) and node.name == "__getattr__" for node in tree.body)
        assert is_door or public == [], f"{name} has public names and no __all__"
    else:
        assert names == sorted(set(names), key=order)


@pytest.mark.parametrize("file", python_files(), ids=lambda file: str(file.relative_to(ROOT)))
def test_annotations_are_not_evaluated_and_files_stay_readable(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    tree = ast.parse(text)
    if any(
        isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.AnnAssign)) for node in tree.body
    ):
        assert "from __future__ import annotations" in text
    assert len(text.splitlines()) <= MAX_LINES["test" if "tests" in file.parts else "source"]
    long = [
        f"{node.name} ({node.end_lineno - node.lineno + 1} lines)"
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and node.end_lineno is not None
        and node.end_lineno - node.lineno >= MAX_LINES["function"]
    ]
    assert long == [] or "tests" in file.parts, "only a test may be one long story"
