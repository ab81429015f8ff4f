"""What every test file must have, and what none may."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

from tests.repo.repository import ROOT, tracked_files

TEST_FILES = [file for file in tracked_files(".py") if file.name.startswith("test_")]
ASSERTING = ("assert", "check", "expect", "raises", "refuses", "verify", "warns")


def functions_of(tree: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The test functions of a file, those in classes included."""
    functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return [function for function in functions if function.name.startswith("test_")]


def called(node: ast.AST) -> str:
    """The last name of what a call calls: `raises` for `pytest.raises(...)`."""
    target = node.func if isinstance(node, ast.Call) else node
    return target.attr if isinstance(target, ast.Attribute) else target.id if isinstance(target, ast.Name) else ""


def asserts(function: ast.AST) -> bool:
    """Whether a test states something: an assertion, a call named for making one, or a process that must succeed."""
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
    return (
        any(isinstance(node, ast.Assert) for node in ast.walk(function))
        or any(called(call).lower().lstrip("_").startswith(ASSERTING) for call in calls)
        or any(ast.unparse(keyword) == "check=True" for call in calls for keyword in call.keywords)
    )


@pytest.mark.parametrize("file", TEST_FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_test_states_something(file: Path) -> None:
    tests = functions_of(ast.parse(file.read_text(encoding="utf-8")))
    has_contract = "Contract)" in file.read_text(encoding="utf-8")
    assert tests or has_contract, "no test in this file"
    assert [test.name for test in tests if not asserts(test)] == []


@pytest.mark.parametrize("file", TEST_FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_test_sleeps_mocks_or_gives_up_quietly(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not {name for name in imported if "mock" in name}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    sleeps = [
        node.lineno for node in calls if isinstance(node.func, ast.Attribute) and ast.unparse(node.func) == "time.sleep"
    ]
    assert sleeps == []
    without_reason = [
        node.lineno for node in calls if called(node) in {"skip", "xfail"} and not (node.args or node.keywords)
    ]
    assert without_reason == []


def test_the_names_of_test_files_are_unique() -> None:
    counted = Counter(file.name for file in TEST_FILES)
    assert [name for name, count in counted.items() if count > 1] == []
