"""What is wrong with a definition is told when it is made: the task with its module, the argument, the way out."""

# mypy: disable-error-code="call-overload, untyped-decorator, misc"
# Mistakes are on purpose.

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from fledge import task, workflow
from fledge.errors import DefinitionError, MetadataError, PluginLoadError, UnknownConfigError
from fledge.hooks.discovery import InstalledPlugin
from fledge.hooks.manager import PluginManager, PluginState

METADATA: dict[str, tuple[dict[str, Any], str, str]] = {  # Any: mistakes
    "retries": ({"retries": -1}, "retries", "retries=-1: give a whole number, 0 or more"),
    "timeout": ({"timeout": 1.5}, "timeout", "timeout=1.5: give whole seconds or a datetime.timedelta"),
    "serialized": ({"cache_serialize": True}, "cache_serialize", "cache_serialize=True: only a cached task"),
    "no such input": (
        {"cache": True, "cache_ignore_input_vars": ("aa",)},
        "cache_ignore_input_vars",
        "cache_ignore_input_vars=('aa',): there is no input 'aa'",
    ),
}


@pytest.mark.parametrize("case", METADATA)
def test_a_wrong_option_names_the_whole_task_and_the_option(case: str) -> None:
    options, field, text = METADATA[case]
    with pytest.raises(MetadataError) as caught:

        @task(**options)
        def configured(a: int) -> int:
            return a

    name = f"{__name__}.{test_a_wrong_option_names_the_whole_task_and_the_option.__name__}.configured"
    assert str(caught.value).startswith(f"task {name}: {text}")
    assert (caught.value.field, caught.value.task_name) == (field, name)


MISSPELT = {
    "retrys": "retries",
    "task_confg": "task_config",
    "enviroment": "environment",
    "cache_versoin": "cache_version",
}


@pytest.mark.parametrize(("misspelt", "meant"), MISSPELT.items())
def test_a_misspelt_option_names_the_nearest_one(misspelt: str, meant: str) -> None:
    with pytest.raises(DefinitionError, match=rf"configured: unknown argument '{misspelt}'; did you mean '{meant}'\?"):

        @task(**{misspelt: 1})
        def configured(a: int) -> int:
            return a


def test_a_misspelt_option_of_a_workflow_names_the_nearest_one() -> None:
    with pytest.raises(
        DefinitionError, match=r"@workflow: unknown option 'failure_polcy'; did you mean 'failure_policy'"
    ):

        @workflow(failure_polcy=1)
        def configured(a: int) -> int:
            return a


@pytest.mark.parametrize("decorate", [task, workflow])
def test_a_misspelt_name_inside_a_module_is_told_with_its_parameter(decorate: Callable[..., Any]) -> None:
    with pytest.raises(DefinitionError, match=r"annotation 'functools\.Partial' of 'a' cannot be read: .* 'Partial'"):

        @decorate
        def configured(a: functools.Partial) -> int:  # type: ignore[name-defined] # that is the point
            return 1


def _plain(self: Any, a: int) -> int:
    return a


@pytest.mark.parametrize("decorate", [task, workflow])
def test_a_method_is_refused_with_the_way_out(decorate: Callable[..., Any]) -> None:
    def define() -> None:
        class Model:
            @decorate
            def fit(self, a: int) -> int:
                return a

    def define_of_the_class() -> None:
        class Model:
            @decorate
            @classmethod
            def fit(cls, a: int) -> int:
                return a

    for one in (define, define_of_the_class):
        with pytest.raises(DefinitionError, match=r"Model\.fit: a method cannot be a task.*put @staticmethod above"):
            one()


def test_a_static_method_is_a_task() -> None:
    class Model:
        @staticmethod
        @task
        def fit(a: int) -> int:
            return a

        @task
        @staticmethod
        def score(a: int) -> int:
            return -a

    assert (Model.fit(a=1), Model().score(a=1)) == (1, -1)


class Configured:
    def __init__(self, a: int) -> None:
        self.a = a


@pytest.mark.parametrize("thing", [3, Configured, functools.partial(print, 1)], ids=["int", "class", "partial"])
@pytest.mark.parametrize("decorate", [task, task(retries=-1), task(cache=True), workflow])
def test_what_is_no_function_is_refused(decorate: Callable[..., Any], thing: object) -> None:
    with pytest.raises(DefinitionError, match=r"@(task|workflow) needs a function, got .*Write a function with def"):
        decorate(thing)


# -- unknown configs ---------------------------------------------------------------------------------------------------


def define(module: str) -> UnknownConfigError:
    config_type = type("Ranks", (), {"__module__": module})
    with pytest.raises(UnknownConfigError) as caught:

        @task(task_config=config_type())
        def train(a: int) -> int:
            return a

    return caught.value


def test_an_unknown_config_names_task_type_and_package() -> None:
    error = define("fledge_distributed.config")
    assert error.task_name == f"{__name__}.define.train"
    assert str(error) == (
        f"task {__name__}.define.train: no installed plugin handles task_config of type "
        "fledge_distributed.config.Ranks. pip install fledge-distributed"
    )
    assert "Install the plugin it belongs to; `fledge plugins` lists" in str(define("somewhere.else"))


def test_a_config_without_its_parentheses_is_refused_with_what_to_write() -> None:
    with pytest.raises(DefinitionError, match=r"task_config=Configured is the class itself\. Write Configured\("):

        @task(task_config=Configured)
        def train(a: int) -> int:
            return a


def test_an_unknown_config_tells_why_its_installed_plugin_is_not_at_work(manager: PluginManager) -> None:
    installed = InstalledPlugin("ranks", "fledge-distributed", "1.0", "fledge_distributed.hooks")
    manager.states.append(PluginState(installed, "disabled"))
    assert str(define("fledge_distributed.config")).endswith("Plugin ranks (fledge-distributed 1.0) is switched off")
    error = PluginLoadError(str(installed), "importing fledge_distributed.hooks failed: ImportError: no torch")
    manager.states[:] = [PluginState(installed, "quarantined", error)]
    assert str(define("fledge_distributed.config")).endswith("failed: ImportError: no torch")
