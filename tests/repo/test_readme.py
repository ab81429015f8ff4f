"""The READMEs' programs run as they stand there and print what is said there; the commands do what is said of them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.repo.repository import PACKAGES, ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def python_blocks(text: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)


def programs(text: str) -> dict[str, str]:
    """The blocks that start with the name of their file."""
    return {block.splitlines()[0].removeprefix("# "): block for block in python_blocks(text) if NAMED.match(block)}


NAMED = re.compile(r"# \w+\.py\n")
FILES = programs(README)
SNIPPETS = [block for block in python_blocks(README) if not NAMED.match(block)]
PACKAGE_PROGRAMS = [
    pytest.param(text, id=f"{package}-{name}")
    for package in PACKAGES
    for name, text in programs((package.folder / "README.md").read_text(encoding="utf-8")).items()
]
TESTS_COMMAND = "python3 -m venv .venv && .venv/bin/pip install nox && .venv/bin/nox -s tests"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty directory with the README's files in it."""
    place = tmp_path_factory.mktemp("newcomer")
    for name, text in FILES.items():
        (place / name).write_text(text, encoding="utf-8")
    return place


def run(folder: Path, *command: str) -> str:
    """What a command prints in the newcomer's directory; the cache is theirs, too."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    env = {**os.environ, "PATH": path, "FLEDGE_CACHE_DIR": str(folder / "cache")}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_readme_has_a_python_a_sql_and_a_multi_rank_program() -> None:
    assert list(FILES) == ["hello.py", "delays.py", "ranks.py"]


def prints_what_it_says(folder: Path, name: str) -> None:
    """Run a program of the folder; every `print(...)  # text` in it must print the text, or what follows its `= `."""
    printed = run(folder, sys.executable, name).splitlines()
    expected = re.findall(r"^ *print\(.*\) +# (.*)$", (folder / name).read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert expected
    for text in expected:
        assert {text, text.rpartition("= ")[2]} & set(printed), f"{text!r} is not in {printed}"


@pytest.mark.parametrize("name", FILES)
def test_a_program_prints_what_the_readme_says(folder: Path, name: str) -> None:
    prints_what_it_says(folder, name)


@pytest.mark.parametrize("program", PACKAGE_PROGRAMS)
def test_a_program_of_a_packages_readme_prints_what_it_says(tmp_path: Path, program: str) -> None:
    name = program.splitlines()[0].removeprefix("# ")
    (tmp_path / name).write_text(program, encoding="utf-8")
    prints_what_it_says(tmp_path, name)


def test_the_snippet_on_templates_runs(folder: Path) -> None:
    assert len(SNIPPETS) == 1
    assert run(folder, sys.executable, "-c", SNIPPETS[0]).startswith("hello.add ")


def test_the_command_line_runs_a_task_and_shows_its_template(folder: Path) -> None:
    assert run(folder, "fledge", "run", "hello.py:add", "--a", "1", "--b", "41").strip() == "o0: 42"
    assert '"hello.add"' in run(folder, "fledge", "template", "hello.py:add")
    assert "fledge-sql" in run(folder, "fledge", "plugins")


def test_a_wrong_argument_gets_the_message_of_the_readme(folder: Path) -> None:
    code = "from hello import add\ntry:\n    add(a='1')\nexcept TypeError as error:\n    print(error)"
    assert run(folder, sys.executable, "-c", code).strip() in README


def test_ci_runs_the_readmes_test_command() -> None:
    assert f"$ {TESTS_COMMAND}\n" in README
    assert re.findall(r"^ *(python3 .*)$", (ROOT / ".ci/run").read_text(encoding="utf-8"), flags=re.MULTILINE) == [
        TESTS_COMMAND
    ]
