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


def states(function: ast.AST, helpers: frozenset[str]) -> bool:
    """Whether code asserts, calls one that does, runs a process that must succeed, or lets all but some errors out."""
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
    return (
        any(isinstance(node, ast.Assert) for node in ast.walk(function))
        or any(isinstance(node, ast.ExceptHandler) and catches_some(node) for node in ast.walk(function))
        or any(called(call) in helpers or called(call).lower().startswith(ASSERTING) for call in calls)
        or any(ast.unparse(keyword) == "check=True" for call in calls for keyword in call.keywords)
    )


def catches_some(handler: ast.ExceptHandler) -> bool:
    """Whether a handler names its errors, so that any other fails the test."""
    return handler.type is not None and ast.unparse(handler.type) not in {"Exception", "BaseException"}


def stating_helpers(tree: ast.Module) -> frozenset[str]:
    """Functions of a file that state something, or call one that does."""
    functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    known: frozenset[str] = frozenset()
    while (more := known | {one.name for one in functions if states(one, known)}) != known:
        known = more
    return known


@pytest.mark.parametrize("file", TEST_FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_test_states_something(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    tests = functions_of(tree)
    has_contract = "Contract)" in file.read_text(encoding="utf-8")
    assert tests or has_contract, "no test in this file"
    helpers = stating_helpers(tree)
    assert [test.name for test in tests if not states(test, helpers)] == []


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
