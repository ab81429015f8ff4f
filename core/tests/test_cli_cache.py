"""`fledge cache`: entries are known by the name of their task."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.tests.cli_support import Fledge, fledge_at, task_file

TASKS = """
    from fledge import task

    @task(cache=True, cache_version="1")
    def one(a: int) -> int:
        return a

    @task(cache=True, cache_version="1")
    def two(a: int) -> int:
        return a

    @task(cache=True, cache_version="1")
    def json_taker(json: int) -> int:
        return json
"""


@pytest.fixture
def fledge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Fledge:
    monkeypatch.setenv("FLEDGE_CACHE", "1")
    monkeypatch.setenv("FLEDGE_CACHE_DIR", str(tmp_path / "cache"))
    return fledge_at(task_file(tmp_path, TASKS, "cli_cache"), monkeypatch, capsys)


def listed(fledge: Fledge) -> list[str]:
    return [entry["task"].rpartition(".")[2] for entry in json.loads(fledge("cache", "list", "--json").out)["entries"]]


def test_the_entries_of_one_task_can_be_listed_and_removed(fledge: Fledge, tmp_path: Path) -> None:
    for name, value in (("one", "1"), ("one", "2"), ("two", "1")):
        assert fledge("run", f"{{}}:{name}", "--a", value).code == 0
    assert sorted(listed(fledge)) == ["one", "one", "two"]
    lines = fledge("cache", "list").out.splitlines()
    name = next(line.split()[-1] for line in lines if line.endswith(".one"))
    assert fledge("cache", "prune", "--older-than-days", "0", "--task", name).out == "2 entries removed\n"
    assert listed(fledge) == ["two"]
    assert fledge("cache", "prune", "--task", "nobody").out == "0 entries removed: none is of a task 'nobody'\n"
    assert fledge("cache", "prune", "--task", "two").out.endswith(f"'two'; did you mean '{name[:-4]}.two'?\n")
    assert fledge("cache", "list").out.splitlines()[-1].startswith("1 entry, ")
    assert fledge("cache", "prune", "--older-than-days", "0").out == "1 entry removed\n"
    assert not [file for file in (tmp_path / "cache").rglob("*") if file.is_file()]


def test_an_age_below_zero_removes_nothing(fledge: Fledge) -> None:
    fledge("run", "{}:one", "--a", "1")
    ran = fledge("cache", "prune", "--older-than-days", "-1")
    assert ran.code == 2
    assert listed(fledge) == ["one"]


def test_an_entry_that_does_not_say_its_task_is_listed_all_the_same(fledge: Fledge, tmp_path: Path) -> None:
    fledge("run", "{}:one", "--a", "1")
    (parts,) = (tmp_path / "cache").rglob("*.parts")
    parts.unlink()
    assert listed(fledge) == [""]
    assert fledge("cache", "list").out.splitlines()[0].endswith("?")


@pytest.mark.parametrize("words", [("--json", "{}:one", "--a", "1"), ("{}:one", "--a", "1", "--json")])
def test_json_stands_before_the_target_or_behind_it(fledge: Fledge, words: tuple[str, ...]) -> None:
    told = json.loads(fledge("cache", "explain", *words).out)
    assert (told["cached"], told["hit"]) == (True, False)


def test_an_input_named_json_keeps_its_name(fledge: Fledge) -> None:
    assert "input json" in fledge("cache", "explain", "{}:json_taker", "--json", "3").out
