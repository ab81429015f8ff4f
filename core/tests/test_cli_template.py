"""`fledge template FILE:TASK`: the module that it names, and whether a container that starts here finds it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from core.tests.support import fresh_process

TASK = "from fledge import task\n@task\ndef train(rows: int) -> int:\n    return rows\n"


def template(folder: Path, target: str, *path: Path) -> subprocess.CompletedProcess[str]:
    return fresh_process("-m", "fledge.cli", "template", target, cwd=folder, python_path=path)


def module_of(done: subprocess.CompletedProcess[str]) -> str:
    arguments = json.loads(done.stdout)["container"]["args"]
    return str(arguments[arguments.index("task-module") + 1])


def is_found(folder: Path, module: str) -> bool:
    """As the container's command finds it."""
    return fresh_process("-c", f"import {module}", cwd=folder, python_path=()).returncode == 0


@pytest.mark.parametrize(
    ("folder", "ways"),
    [
        (
            "flows",
            f"add {Path('flows/__init__.py')}, or write flows.train:train, or put flows on the image's PYTHONPATH",
        ),
        ("my-flows", "only: put my-flows on the image's PYTHONPATH"),
    ],
)
def test_a_module_that_lies_in_a_plain_subfolder_is_warned_of(tmp_path: Path, folder: str, ways: str) -> None:
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "train.py").write_text(TASK)
    done = template(tmp_path, f"{folder}/train.py:train")
    assert done.returncode == 0
    assert module_of(done) == "train"
    assert not is_found(tmp_path, "train")
    assert done.stderr.startswith("warning: the template names module train, which a container finds in the folder ")
    assert ways in done.stderr


@pytest.mark.parametrize("target", ["flows/train.py:train", "flows.train:train"])
def test_a_package_and_a_module_by_its_name_are_found_from_here(tmp_path: Path, target: str) -> None:
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "train.py").write_text(TASK)
    if "/" in target:
        (tmp_path / "flows" / "__init__.py").touch()
    done = template(tmp_path, target)
    assert (module_of(done), done.stderr) == ("flows.train", "")
    assert is_found(tmp_path, "flows.train")


def test_a_folder_that_python_knows_by_itself_is_not_warned_of(tmp_path: Path) -> None:
    """As one that is installed, or named by PYTHONPATH, here and in the image."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "train.py").write_text(TASK)
    done = template(tmp_path, "src/train.py:train", tmp_path / "src")
    assert (module_of(done), done.stderr) == ("train", "")


def test_a_file_of_the_working_directory_is_not_warned_of(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(TASK)
    done = template(tmp_path, "train.py:train")
    assert (module_of(done), done.stderr) == ("train", "")
