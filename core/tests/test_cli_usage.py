"""`fledge run`: options that contradict each other, stray words, inputs with awkward names, and what programs read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.tests.cli_support import Fledge, Ran, fledge_at, task_file

TASKS = """
    from fledge import IgnoreOutputs, RecoverableError, task, workflow

    @task
    def add(a: int, b: int = 1) -> int:
        return a + b

    @task
    def switch(on: bool, is_loud: bool = True) -> str:
        return f"{on} {is_loud}"

    @task
    def awkward(no_on: int, on: bool = True) -> str:
        return f"{no_on} {on}"

    @task
    def helped(help: int, as_json: int = 2) -> int:
        return help * as_json

    @task
    def fails(a: int) -> int:
        raise KeyError("lost")

    @task
    def gives_up(a: int) -> int:
        raise RecoverableError("the service did not answer")

    @task
    def ignores(a: int) -> int:
        raise IgnoreOutputs("not the leader")

    @workflow
    def flow(a: int) -> int:
        return add(a=a)
"""


@pytest.fixture
def fledge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Fledge:
    return fledge_at(task_file(tmp_path, TASKS, "cli_usage"), monkeypatch, capfd)


USAGE = {
    "stray word": (("run", "{}:add", "1"), "unexpected argument '1': inputs are given by name, as --a 1"),
    "a word too many": (("run", "{}:add", "--a", "1", "2"), "unexpected argument '2': inputs are given by name"),
    "two ways": (("run", "--isolate", "{}:add", "--a", "1", "--like-container"), "choose one of them"),
    "no debugger": (("run", "--pdb", "--isolate", "{}:add", "--a", "1"), "--pdb and --isolate: the debugger cannot"),
    "strange output": (("run", "--output", "x.txt", "{}:add", "--a", "1"), "must end in .json or .pb; - prints JSON"),
    "input named help": (("run", "{}:helped", "--help"), "--help is an input of this task; -h shows the help"),
    "workflow in a process": (
        ("run", "--isolate", "{}:flow", "--a", "1"),
        "is a workflow, which no container runs. Leave --isolate out, or run one of its tasks",
    ),
}


@pytest.mark.parametrize("case", USAGE)
def test_what_cannot_be_meant_is_refused_before_anything_runs(fledge: Fledge, case: str) -> None:
    arguments, message = USAGE[case]
    ran = fledge(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert message in " ".join(ran.err.split())


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (("--on",), "True True"),
        (("--no-on",), "False True"),
        (("--on", "no", "--no-is-loud"), "False False"),
        (("--on", "--no-is_loud"), "True False"),
        (("--on=yes", "--is-loud", "off"), "True False"),
        (("--is-loud", "--on"), "True True"),
    ],
)
def test_a_bool_is_a_switch_and_takes_a_word(fledge: Fledge, words: tuple[str, ...], shown: str) -> None:
    assert fledge("run", "{}:switch", *words) == Ran(0, f"o0: {shown}\n", "")


def test_an_input_keeps_its_name_beside_a_switch_or_an_option_of_the_command(fledge: Fledge) -> None:
    assert fledge("run", "{}:awkward", "--no-on", "7").out == "o0: 7 True\n"
    assert fledge("run", "{}:helped", "--help", "3", "--as_json", "4").out == "o0: 12\n"
    assert "--help HELP" not in fledge("run", "{}:helped", "-h").out


def test_the_help_of_a_workflow_offers_no_processes(fledge: Fledge) -> None:
    assert "--isolate" in fledge("run", "{}:add", "--help").out
    assert "--isolate" not in fledge("run", "{}:flow", "--help").out


def test_a_program_reads_an_error_as_json(fledge: Fledge) -> None:
    ran = fledge("run", "--json", "{}:fails", "--a", "1")
    assert ran.code == 1
    error = json.loads(ran.out)["error"]
    assert error["notes"][0].endswith(".fails")
    del error["notes"]
    assert error == {"type": "KeyError", "message": "'lost'", "origin": "USER", "recoverable": False}
    assert "KeyError: 'lost'" in ran.err


def test_ignored_outputs_are_no_error_for_a_program(fledge: Fledge) -> None:
    ran = fledge("run", "--json", "{}:ignores", "--a", "1")
    assert (ran.code, ran.out) == (0, "")


def test_a_program_reads_the_error_of_a_process_as_json(fledge: Fledge) -> None:
    ran = fledge("run", "--json", "--isolate", "{}:gives_up", "--a", "1")
    assert ran.code == 1
    error = json.loads(ran.out)["error"]
    assert (error["type"], error["origin"], error["recoverable"]) == ("USER:RecoverableError", "USER", True)
    assert error["message"].endswith("RecoverableError: the service did not answer")
    assert "error.pb" not in ran.err
