"""docs/write-a-plugin.md is true: who follows it gets a plugin that passes its tests and does what the page says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fledge.cli.new_plugin_command import write_plugin
from fledge.hooks.discovery import installed_plugins

PAGE = (Path(__file__).parent.parent / "docs/write-a-plugin.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
TASK = """
from fledge import task
from fledge_my_owner.money import Money

@task
def double(m: Money) -> Money:
    return Money(m.cents * 2, m.currency)
"""


def blocks_of(file: str) -> list[str]:
    return [block for block in BLOCKS if block.startswith(f"# {file}")]


def run(folder: Path, *command: str) -> tuple[int, str]:
    """Exit code and all that is printed; of the plugins here only the new one is loaded."""
    site = (folder / "fledge-my-owner/src", folder / "site", folder)
    others = ",".join(plugin.name for plugin in installed_plugins())
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, site)), "FLEDGE_DISABLE_PLUGINS": others}
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which somebody has followed the page to its end."""
    folder = tmp_path_factory.mktemp("guide")
    plugin = write_plugin("my-owner", folder)
    package = plugin / "src/fledge_my_owner"
    money, form = blocks_of("src/fledge_my_owner/money.py")
    imports, method = form.split("# and in MoneyTransformer\n")
    (package / "money.py").write_text(f"{imports}{money}\n{method}")
    hooks = package / "hooks.py"
    hooks.write_text("\n\n".join([hooks.read_text(), *blocks_of("src/fledge_my_owner/hooks.py")]))
    (tests,) = blocks_of("tests/test_fledge_my_owner.py")
    (plugin / "tests/test_fledge_my_owner.py").write_text(tests)
    info = folder / "site/fledge_my_owner-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fledge-my-owner\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text("[fledge]\nmy-owner = fledge_my_owner.hooks\n")
    (folder / "shop.py").write_text(TASK)
    return folder


def test_the_contract_suites_pass(followed: Path) -> None:
    code, shown = run(followed, "pytest", "-q", "-p", "no:cacheprovider", "fledge-my-owner")
    assert code == 0, shown


def test_the_type_is_written_on_the_command_line(followed: Path) -> None:
    assert run(followed, "fledge.cli", "run", "shop.py:double", "--m", "5 EUR") == (
        0,
        "o0: Money(cents=10, currency='EUR')\n",
    )
    code, shown = run(followed, "fledge.cli", "run", "shop.py:double", "--m", "EUR")
    assert code != 0
    assert "write cents and currency, as '5 EUR'" in shown


def test_explain_shows_whose_value_it_is_in_that_project(followed: Path) -> None:
    code, shown = run(followed, "fledge.cli", "explain", "--project", "shop", "shop.py:double")
    assert (code, re.findall(r"config.cost-center +(.*)", shown)) == (0, ["my-owner"])
    assert "cost-center" not in run(followed, "fledge.cli", "explain", "shop.py:double")[1]


def test_a_plugin_that_brings_only_a_type_needs_no_more_than_the_page_says(followed: Path, tmp_path: Path) -> None:
    """Without what the page says to delete, everything else imports and passes."""
    (advice,) = re.findall(r"^A plugin that brings only the type.*?\n\n", PAGE, re.MULTILINE | re.DOTALL)
    for name in ("config.py", "owned_task.py", "tests/fledge_my_owner_tasks.py", "register_task_types"):
        assert f"`{name}`" in advice
    shutil.copytree(followed, tmp_path, dirs_exist_ok=True)
    plugin = tmp_path / "fledge-my-owner"
    package, tests = plugin / "src/fledge_my_owner", plugin / "tests/test_fledge_my_owner.py"
    for path in (package / "config.py", package / "owned_task.py", plugin / "tests/fledge_my_owner_tasks.py"):
        path.unlink()
    (package / "__init__.py").write_text("")
    hooks = ["from fledge.hooks.spec import hookimpl", "HOOK_API = 1", *blocks_of("src/fledge_my_owner/hooks.py")]
    (package / "hooks.py").write_text("\n".join(hooks))
    kept = [part for part in tests.read_text().split("\n\n\n") if "class TestTrain" not in part]
    tests.write_text("\n\n\n".join(kept).replace("import fledge_my_owner_tasks", "#"))
    code, shown = run(tmp_path, "pytest", "-q", "-p", "no:cacheprovider", "fledge-my-owner")
    assert code == 0, shown
