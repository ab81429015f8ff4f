"""The `fledge` command: what it prints, on which stream, and its exit codes."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from core.tests.cli_support import Fledge, Ran, fledge_at, task_file
from core.tests.support import fresh_process
from fledge import idl
from fledge.cli.app import COMMANDS, app

TASKS = """
    import sys
    from dataclasses import dataclass
    from datetime import date, datetime, timedelta
    from decimal import Decimal
    from enum import Enum
    from typing import NamedTuple, Optional
    from fledge import FlyteFile, IgnoreOutputs, RecoverableError, task, workflow
    from fledge.errors import StorageError

    class Color(Enum):
        RED = "r"
        BLUE = "b"

    @dataclass
    class Point:
        x: int
        y: float = 0.5

    class Pair(NamedTuple):
        first: int
        second: str

    @task
    def add(a: int, b: int = 1) -> int:
        '''Add two numbers.

        Args:
            a: The first one.
        '''
        return a + b

    @task
    def kinds(flag: bool, number: float, day: date, moment: datetime, span: timedelta, exact: Decimal, color: Color,
              maybe: Optional[int], many: list[int], by_name: dict[str, int], point: Point, some_text: str) -> str:
        return repr((flag, number, day, moment, span, exact, color, maybe, many, by_name, point, some_text))

    @task
    def pair(a: int) -> Pair:
        return Pair(a, "x" * a)

    @task
    def nothing(a: int) -> None:
        print("ran with", a)

    @task
    def reads(file: FlyteFile) -> str:
        with open(file) as opened:
            return opened.read()

    @task
    def fails(a: int) -> int:
        raise KeyError("lost")

    @task
    def gives_up(a: int) -> int:
        raise RecoverableError("the service did not answer")

    @task
    def exits(a: int) -> int:
        sys.exit(0)

    @task
    def ignores(a: int) -> int:
        raise IgnoreOutputs("not the leader")

    @task
    def storage_fails(a: int) -> int:
        raise StorageError("s3://bucket/key", "gone")

    @task
    def interrupted(a: int) -> int:
        raise KeyboardInterrupt

    @workflow
    def twice(a: int) -> int:
        return add(a=add(a=a, b=a), b=0)

    @task(enable_deck=True)
    def pages(a: int) -> float:
        return a**0.5 if a >= 0 else fails(a=a)

    not_a_task = 3
"""


@pytest.fixture
def tasks(tmp_path: Path) -> str:
    """The file `<unique>.py` with TASKS in the working directory; its name."""
    return task_file(tmp_path, TASKS, "cli").name


@pytest.fixture
def fledge(
    tasks: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Fledge]:
    """`fledge("run", ...)` in this process; `{}` in an argument is the file of tasks."""
    handler = signal.getsignal(signal.SIGTERM)
    yield fledge_at(tmp_path / tasks, monkeypatch, capfd)
    assert signal.getsignal(signal.SIGTERM) is handler
    sys.modules.pop(tasks.removesuffix(".py"), None)


# -- run ---------------------------------------------------------------------------------------------------------------


def test_a_task_is_run_with_its_inputs_as_options(fledge: Fledge) -> None:
    assert fledge("run", "{}:add", "--a", "2", "--b=3") == Ran(0, "o0: 5\n", "")
    assert fledge("run", "{}:add", "--a", "2") == Ran(0, "o0: 3\n", "")


def test_a_module_on_the_path_will_do(fledge: Fledge, tasks: str) -> None:
    assert fledge("run", f"{tasks.removesuffix('.py')}:add", "--a", "2").out == "o0: 3\n"


def test_every_kind_of_value_has_a_text(fledge: Fledge) -> None:
    ran = fledge(
        *("run", "{}:kinds", "--flag", "yes", "--number", "1.5", "--day", "2024-02-29"),
        *("--moment", "2024-02-29T12:00:00Z", "--span", "90", "--exact", "1.10", "--color", "BLUE"),
        *("--maybe", "none", "--many", "[1, 2]", "--by-name", '{"k": 1}', "--point", '{"x": 3, "y": 1.5}'),
        *("--some_text", "it's"),
    )
    assert ran.code == 0, ran.err
    expected = (
        "(True, 1.5, datetime.date(2024, 2, 29), "
        "datetime.datetime(2024, 2, 29, 12, 0, tzinfo=datetime.timezone.utc), "
        "datetime.timedelta(seconds=90), Decimal('1.10'), <Color.BLUE: 'b'>, None, [1, 2], {'k': 1}, "
        'Point(x=3, y=1.5), "it\'s")'
    )
    assert ran.out == f"o0: {expected}\n"


def test_several_outputs_are_printed_by_name(fledge: Fledge) -> None:
    assert fledge("run", "{}:pair", "--a", "2").out == "first: 2\nsecond: xx\n"


def test_a_task_without_outputs_prints_what_it_prints(fledge: Fledge) -> None:
    assert fledge("run", "{}:nothing", "--a", "2") == Ran(0, "ran with 2\n", "")


def test_a_file_is_given_by_its_path(fledge: Fledge, tmp_path: Path) -> None:
    (tmp_path / "input.txt").write_text("content")
    assert fledge("run", "{}:reads", "--file", "input.txt").out == "o0: content\n"


def test_a_workflow_is_run_too(fledge: Fledge) -> None:
    assert fledge("run", "{}:twice", "--a", "4").out == "o0: 8\n"


def test_the_page_about_a_run_is_named_on_stderr_after_a_failure_too(fledge: Fledge, tmp_path: Path) -> None:
    for value, code in (("1", 0), ("-1", 1)):
        done = fledge("run", "--json", "{}:pages", "--a", value)
        assert done.code == code
        (line,) = [line for line in done.err.splitlines() if line.startswith("page: ")]
        assert Path(line.removeprefix("page: ")).is_file()
        assert "page: " not in done.out


def test_outputs_can_be_printed_as_json(fledge: Fledge) -> None:
    assert json.loads(fledge("run", "{}:pair", "--a", "2", "--json").out) == {"first": 2, "second": "xx"}


def test_inputs_and_outputs_can_be_files(fledge: Fledge, tmp_path: Path) -> None:
    (tmp_path / "in.json").write_text('{"a": 4, "b": 5}')
    assert fledge("run", "--inputs", "in.json", "--output", "out.pb", "{}:add").code == 0
    outputs = idl.literals.LiteralMap.FromString((tmp_path / "out.pb").read_bytes())
    assert outputs.literals["o0"].scalar.primitive.integer == 9
    assert fledge("run", "--inputs", "in.json", "--output", "out.json", "{}:add", "--b", "1").code == 0
    assert json.loads((tmp_path / "out.json").read_text()) == {"o0": 5}


def test_help_shows_the_inputs_with_types_texts_and_defaults(fledge: Fledge) -> None:
    ran = fledge("run", "{}:add", "--help")
    assert ran.code == 0
    assert "Add two numbers." in ran.out
    assert "The first one. [int]" in ran.out
    assert "[int] default: 1" in ran.out


def test_like_a_container_gives_the_same(fledge: Fledge) -> None:
    ran = fledge("run", "{}:add", "--a", "2", "--like-container")
    assert (ran.code, ran.out) == (0, "o0: 3\n")
    folder = Path(ran.err.removeprefix("files: ").strip())
    assert (folder / "inputs.pb").exists()
    assert (folder / "out" / "outputs.pb").exists()


# -- exit codes --------------------------------------------------------------------------------------------------------

FAILURES = {
    "user's exception": (("run", "{}:fails", "--a", "1"), 1, "KeyError: 'lost'"),
    "user's recoverable error": (("run", "{}:gives_up", "--a", "1"), 1, "RecoverableError: the service did not answer"),
    "user's exit": (("run", "{}:exits", "--a", "1"), 1, "SystemExit: 0"),
    "system": (("run", "{}:storage_fails", "--a", "1"), 3, "s3://bucket/key: gone"),
    "interrupt": (("run", "{}:interrupted", "--a", "1"), 130, "interrupted"),
    "no such option": (("run", "{}:add", "--aa", "1"), 2, "--aa"),
    "missing input": (("run", "{}:add"), 2, "Missing option '--a'"),
    "wrong text": (("run", "{}:add", "--a", "x"), 2, "'x' is not int"),
    "no colon": (("run", "hello.py"), 2, "write MODULE:TASK or FILE.py:TASK"),
    "no file": (("run", "nope.py:add"), 2, "nope.py: no such file"),
    "no module": (("run", "no_such_module:add"), 2, "no module 'no_such_module'"),
    "no task": (("run", "{}:ad"), 2, "has no task 'ad'; did you mean 'add'? Its tasks: add, exits"),
    "not a task": (("run", "{}:not_a_task"), 2, "is a int, not a task"),
    "no command": (("rnu",), 2, "No such command 'rnu'"),
    "container fails": (
        ("run", "--like-container", "{}:fails", "--a", "1"),
        1,
        "origin USER, code USER:RuntimeError, not recoverable",
    ),
    "container's system fails": (
        ("run", "--like-container", "{}:storage_fails", "--a", "1"),
        3,
        "origin SYSTEM, code SYSTEM, recoverable",
    ),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_failure_has_its_exit_code_and_is_told_on_stderr(fledge: Fledge, case: str) -> None:
    arguments, code, message = FAILURES[case]
    ran = fledge(*arguments)
    assert ran.code == code, ran.err
    assert message in " ".join(ran.err.split())
    assert ran.out == ""


def test_a_users_exception_is_shown_with_the_users_lines_only(fledge: Fledge, tasks: str) -> None:
    err = fledge("run", "{}:fails", "--a", "1").err
    assert [line for line in err.splitlines() if line.startswith("  File")] == [
        line for line in err.splitlines() if tasks in line
    ]
    assert err.endswith(f"in task {tasks.removesuffix('.py')}.fails\n")


@pytest.mark.parametrize("container", [(), ("--like-container",)])
def test_ignored_outputs_are_no_failure(fledge: Fledge, container: tuple[str, ...]) -> None:
    ran = fledge("run", *container, "{}:ignores", "--a", "1")
    assert (ran.code, ran.out) == (0, "")
    assert "the task ignored its outputs" in ran.err


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import does_not_exist", "No module named 'does_not_exist'"),
        ("1 / 0", "ZeroDivisionError"),
        ("def broken(:", "SyntaxError"),
        ("import sys; sys.exit(0)", "SystemExit"),
    ],
)
def test_a_file_that_fails_to_import_is_the_users_error(
    fledge: Fledge, tmp_path: Path, source: str, message: str
) -> None:
    (tmp_path / "cli_broken.py").write_text(source)
    ran = fledge("run", "cli_broken.py:t")
    assert ran.code == 1
    assert "cli_broken.py failed while it was imported" in ran.err
    assert message in ran.err


def test_a_file_whose_name_python_knows_already_is_refused(fledge: Fledge, tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("x = 1")
    ran = fledge("run", "json.py:x")
    assert ran.code == 2
    assert "Python knows another module 'json'" in ran.err


# -- template, explain, plugins ----------------------------------------------------------------------------------------


def test_a_template_is_shown_as_canonical_json(fledge: Fledge) -> None:
    first, second = (fledge("template", "{}:add", "--image", "example.org/x:v1") for _ in range(2))
    assert first == second
    found = json.loads(first.out)
    assert found["container"]["image"] == "example.org/x:v1"
    assert found["id"]["project"] == "flytesnacks"
    assert first.out == json.dumps(found, sort_keys=True, indent=2, ensure_ascii=False) + "\n"


def test_a_template_can_be_written_as_bytes(fledge: Fledge, tmp_path: Path) -> None:
    assert fledge("template", "{}:add", "--format", "binpb", "--out", "t.pb").code == 0
    template = idl.tasks.TaskTemplate.FromString((tmp_path / "t.pb").read_bytes())
    assert template.type == "python-task"
    assert fledge("template", "{}:add", "--spec", "--format", "binpb", "--out", "s.pb").code == 0
    spec = idl.admin_task.TaskSpec.FromString((tmp_path / "s.pb").read_bytes())
    assert spec.template == template
    assert spec.description.short_description == "Add two numbers."


def test_a_template_can_be_shown_as_text(fledge: Fledge) -> None:
    assert 'type: "python-task"' in fledge("template", "{}:add", "--format", "text").out


def test_explain_says_who_set_what(fledge: Fledge) -> None:
    lines = fledge("explain", "{}:add").out.splitlines()
    assert lines[0].endswith(".add")
    assert "  container          the task" in lines
    assert json.loads(fledge("explain", "{}:add", "--json").out)["origins"]["container"] == "the task"


def test_no_plugins_says_what_to_install(fledge: Fledge) -> None:
    assert "pip install fledge-sql fledge-distributed" in fledge("plugins").out
    assert json.loads(fledge("plugins", "--json").out) == []


def test_version_and_help(fledge: Fledge) -> None:
    from fledge import __version__

    assert fledge("--version").out == f"fledge, version {__version__}\n"
    assert "Write a task, run it for real" in fledge("-h").out


# -- as a process ------------------------------------------------------------------------------------------------------


def test_the_command_works_as_a_process(tasks: str, tmp_path: Path) -> None:
    done = fresh_process("-m", "fledge.cli", "run", f"{tasks}:add", "--a", "2", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "o0: 3\n", "")
    done = fresh_process("-m", "fledge.cli", "run", f"{tasks}:fails", "--a", "2", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback (most recent call last):\n")


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_command_that_is_told_to_stop_exits_with_143(tasks: str, tmp_path: Path) -> None:
    source = "import os, signal; os.kill(os.getpid(), signal.SIGTERM); signal.pause()"
    (tmp_path / "stopped.py").write_text(
        f"from fledge import task\n@task\ndef t() -> int:\n    {source}\n    return 1\n"
    )
    assert fresh_process("-m", "fledge.cli", "run", "stopped.py:t", cwd=tmp_path).returncode == 143


@pytest.mark.parametrize(("level", "shown"), [("info", True), ("WARNING", False), ("nonsense", False)])
def test_the_environment_sets_the_level_of_the_log(tmp_path: Path, level: str, shown: bool) -> None:
    (tmp_path / "logs.py").write_text(
        "from fledge import current_context, task\n@task\ndef t() -> int:\n"
        "    current_context().logging.info('a message')\n    return 1\n"
    )
    done = fresh_process("-m", "fledge.cli", "run", "logs.py:t", cwd=tmp_path, env={"FLEDGE_LOG": level})
    assert (done.returncode, done.stdout) == (0, "o0: 1\n"), done.stderr
    assert ("INFO fledge.task: a message" in done.stderr) is shown
    assert ("FLEDGE_LOG=NONSENSE is no level" in done.stderr) is (level == "nonsense")


def test_a_variable_that_is_neither_yes_nor_no_is_told_once(tasks: str, tmp_path: Path) -> None:
    done = fresh_process(
        "-m", "fledge.cli", "run", f"{tasks}:add", "--a", "1", cwd=tmp_path, env={"FLEDGE_CACHE": "maybe"}
    )
    assert done.returncode == 0
    assert done.stderr == (
        "WARNING fledge.config: FLEDGE_CACHE=maybe is neither yes nor no, and counts as not set. Write 1 or 0\n"
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_each_says_of_itself(name: str) -> None:
    command = app.get_command(click.Context(app), name)
    assert command is not None
    assert command.name == name
    assert command.get_short_help_str(1000) == COMMANDS[name].help


def test_help_imports_no_command(tmp_path: Path) -> None:
    program = (
        "import sys; from fledge.cli import app\n"
        "try: app.main(['--help'])\n"
        "except SystemExit: print([name for name in sys.modules if name.startswith('fledge.cli.')])\n"
    )
    done = fresh_process("-c", program, cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == "['fledge.cli.app']"
