"""`fledge new-plugin NAME`: the folder of a plugin that builds, passes its contract suite and is ready to change."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template

import click

from fledge.hooks.discovery import installed_plugins

__all__ = ["FILES", "new_plugin_command", "write_plugin"]

_NAME = re.compile(r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$")

FILES = {
    "pyproject.toml": """\
[build-system]
requires = ["hatchling>=1.26"]
build-backend = "hatchling.build"

[project]
name = "fledge-$name"
version = "0.1.0"
description = "What $name adds to fledge tasks."
readme = "README.md"
requires-python = ">=3.10"
dependencies = ["fledge"]

[project.optional-dependencies]
test = ["pytest"]

[project.entry-points.fledge]
$name = "$module.hooks"

[tool.hatch.build.targets.wheel]
packages = ["src/$module"]

[tool.pytest.ini_options]
filterwarnings = ["error"]
""",
    "README.md": """\
# fledge-$name

What $name adds to fledge tasks.

```python
from fledge import task
from $module import $config

@task(task_config=$config(team="search"))
def train(rows: int) -> int:
    return rows
```

Limits: it only adds a label so far.
""",
    "src/$module/__init__.py": '''\
"""fledge-$name: what it adds to fledge tasks."""

from __future__ import annotations

from $module.config import $config

__all__ = ["$config"]
''',
    "src/$module/py.typed": "",
    "src/$module/config.py": '''\
"""What a user writes: `@task(task_config=$config(team="search"))`."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["$config"]


@dataclass(frozen=True)
class $config:
    """Who owns the task.

    Args:
        team: Goes to the template's `config` under the key `$name-team`.
    """

    team: str

    def __post_init__(self) -> None:
        if not self.team:
            raise ValueError("$config(team=...): name the team")
''',
    "src/$module/owned_task.py": '''\
"""The task type: a function task that carries its owner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from fledge.function import PythonFunctionTask
from $module.config import $config

if TYPE_CHECKING:
    from fledge.settings import SerializationSettings

__all__ = ["${config}Task"]


class ${config}Task(PythonFunctionTask[$config]):
    """Runs as any function task does; its template says who owns it."""

    def get_config(self, settings: SerializationSettings) -> Mapping[str, str] | None:
        own = super().get_config(settings) or {}
        return {**own, "$name-team": self.task_config.team} if self.task_config is not None else own
''',
    "src/$module/hooks.py": '''\
"""The hook functions, nothing else. Keep it light: import heavy libraries inside the functions that need them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fledge.base_task import PythonTask
from fledge.hooks.spec import hookimpl
from $module.config import $config
from $module.owned_task import ${config}Task

HOOK_API = 1


@hookimpl
def register_task_types(register: Callable[[type, type[PythonTask[Any]]], None]) -> None:
    """Tasks configured with $config(...) become ${config}Task."""
    register($config, ${config}Task)
''',
    "tests/${module}_tasks.py": '''\
"""Tasks for the tests, in a module of their own: a container has to find them by name."""

from __future__ import annotations

from fledge import task
from $module import $config


@task(task_config=$config(team="search"))
def train(rows: int) -> int:
    return rows * 2
''',
    "tests/test_${module}.py": '''\
"""The contract suites of fledge on this plugin, and what is special to it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from fledge import SerializationSettings, task_template
from fledge.testing import PluginContract, TaskContract
from $module import $config

sys.path.insert(0, str(Path(__file__).parent))
import ${module}_tasks


class TestPlugin(PluginContract):
    module = "$module.hooks"


class TestTrain(TaskContract):
    task = ${module}_tasks.train
    inputs = {"rows": 3}


def test_the_template_names_the_team() -> None:
    template = task_template(${module}_tasks.train, SerializationSettings(project="p", domain="d", version="v"))
    assert template.config["$name-team"] == "search"


def test_a_team_is_needed() -> None:
    with pytest.raises(ValueError, match="name the team"):
        $config(team="")
''',
}


@click.command("new-plugin")
@click.argument("name")
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="Where to make the folder.",
)
def new_plugin_command(name: str, folder: Path) -> None:
    """Make the folder fledge-NAME: a plugin that builds, with its contract suite."""
    made = write_plugin(name, folder)
    click.echo(f"{made}: pip install -e '{made}[test]' && pytest {made}")


def write_plugin(name: str, folder: Path) -> Path:
    """Write all files of a new plugin below `folder`/fledge-NAME and return that path.

    Raises:
        click.UsageError: The name does not fit or is that of an installed plugin, or the folder exists.
    """
    name = name.removeprefix("fledge-")
    if not _NAME.match(name):
        raise click.UsageError(f"{name!r}: use small letters, digits and dashes, e.g. my-plugin")
    target = folder / f"fledge-{name}"
    for plugin in installed_plugins():
        if name == plugin.name or target.name == plugin.distribution:
            raise click.UsageError(
                f"{name!r}: an installed plugin is called so already: {plugin}. Choose another name, or "
                f"pip uninstall {plugin.distribution} if it is to be replaced"
            )
    if target.exists():
        raise click.UsageError(f"{target} exists already")
    module = "fledge_" + name.replace("-", "_")
    config = "".join(part.capitalize() for part in name.split("-"))
    values = {"name": name, "module": module, "config": config}
    for path, text in FILES.items():
        file = target / Template(path).substitute(values)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(Template(text).substitute(values), encoding="utf-8")
    return target
