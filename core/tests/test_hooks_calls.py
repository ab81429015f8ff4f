"""Plugins at work: claims, contributions, events, rendering. Nothing depends on what was registered first."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from types import ModuleType
from typing import Any
from uuid import uuid4

import pytest

from fledge import SerializationSettings, hookimpl, task, task_template
from fledge.context import FlyteContext, FlyteContextManager
from fledge.errors import (
    ClaimConflictError,
    ContributionConflictError,
    HookApiError,
    HookCallError,
    StorageError,
    UnknownConfigError,
)
from fledge.events import Finished, Started
from fledge.function import PythonFunctionTask
from fledge.hooks import spec
from fledge.hooks.loading import HOOK_NAMES
from fledge.hooks.manager import PluginManager
from fledge.local_config import LocalConfig
from fledge.wiring import default_context

SETTINGS = SerializationSettings(project="p", domain="d", version="v")


@task
def add(a: int, b: int = 1) -> int:
    return a + b


# -- registration by hand, claims --------------------------------------------------------------------------------------


def plugin(**hooks: Callable[..., Any]) -> Any:  # Any: an object with hooks as attributes
    """A plugin object whose hooks are these functions."""

    class Hooks:
        HOOK_API = 1

    made = Hooks()
    for name, function in hooks.items():
        setattr(made, name, hookimpl(function))
    return made


def test_a_broken_plugin_registered_by_hand_raises_where_it_is_registered(manager: PluginManager) -> None:
    with pytest.raises(HookApiError, match="does not say HOOK_API"):
        manager.register(object(), "mine")


class Config:
    pass


class First(PythonFunctionTask[Config]):
    pass


class Second(PythonFunctionTask[Config]):
    pass


def test_a_config_type_picks_the_task_class(manager: PluginManager) -> None:
    manager.register(plugin(register_task_types=lambda register: register(Config, First)), "one")

    @task(task_config=Config())
    def configured(a: int) -> int:
        return a

    assert isinstance(configured, First)
    assert configured(a=2) == 2


def test_a_child_of_a_claimed_config_is_not_claimed(manager: PluginManager) -> None:
    manager.register(plugin(register_task_types=lambda register: register(Config, First)), "one")

    class Child(Config):
        pass

    assert manager.task_class(Child) is None


def test_an_unknown_config_is_refused_by_name() -> None:
    with pytest.raises(UnknownConfigError, match=r"no installed plugin handles task_config of type .*Config"):

        @task(task_config=Config())
        def configured(a: int) -> int:
            return a


@pytest.mark.parametrize("order", list(itertools.permutations(["one", "two"])))
def test_two_claims_for_a_config_name_both_whatever_the_order(manager: PluginManager, order: tuple[str, ...]) -> None:
    classes = {"one": First, "two": Second}
    for name in order:
        manager.register(plugin(register_task_types=lambda register, name=name: register(Config, classes[name])), name)
    with pytest.raises(ClaimConflictError) as caught:
        manager.task_class(Config)
    assert (caught.value.first, caught.value.second) == ("one", "two")
    assert "FLEDGE_DISABLE_PLUGINS=two" in str(caught.value)


def test_two_equal_claims_are_no_conflict(manager: PluginManager) -> None:
    for name in ("one", "two"):
        manager.register(plugin(register_task_types=lambda register: register(Config, First)), name)
    assert manager.task_class(Config) is First


@pytest.mark.parametrize("order", list(itertools.permutations(["one", "two"])))
def test_two_claims_for_a_scheme_raise_when_it_is_used(manager: PluginManager, order: tuple[str, ...]) -> None:
    storage = FlyteContextManager.current_context().storage
    for name in order:
        manager.register(plugin(register_storage=lambda register: register("mem", dict)), name)
    with pytest.raises(ClaimConflictError, match="storage scheme 'mem' is claimed by two plugins, one and two"):
        storage.read("mem://x")


def test_a_storage_is_made_when_it_is_first_used(manager: PluginManager) -> None:
    class Memory:
        def read(self, uri: str) -> bytes:
            return uri.encode()

    made: list[Memory] = []

    def factory() -> Memory:
        made.append(Memory())
        return made[-1]

    manager.register(plugin(register_storage=lambda register: register("mem", factory)), "one")
    storage = FlyteContextManager.current_context().storage
    assert made == []
    assert storage.read("mem://x") == storage.with_(raw_prefix="/x").read("mem://x") == b"mem://x"
    assert len(made) == 1


def test_a_scheme_that_nobody_brings_is_refused() -> None:
    with pytest.raises(StorageError, match="install the plugin that brings this scheme"):
        FlyteContextManager.current_context().storage.read("nope://x")


# -- contributions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", list(itertools.permutations(["a", "b", "c"])))
def test_a_template_does_not_depend_on_the_order_of_registration(
    manager: PluginManager, order: tuple[str, ...]
) -> None:
    for name in order:
        manager.register(plugin(get_custom=lambda task, name=name: {name: {"who": name}, "all": [1]}), name)
    template = task_template(add, SETTINGS)
    assert {key: template.custom.fields[key].struct_value.fields["who"].string_value for key in "abc"} == {
        key: key for key in "abc"
    }


def test_a_hook_takes_any_subset_of_the_arguments_by_name(manager: PluginManager) -> None:
    seen: list[Any] = []
    manager.register(plugin(get_container=lambda own, task: seen.append((own.image, task.name))), "one")
    manager.register(plugin(get_container=lambda: seen.append("nothing")), "two")
    task_template(add, SETTINGS)
    assert seen == [("", add.name), "nothing"]


def test_a_hook_gets_a_copy_of_the_tasks_own_message(manager: PluginManager) -> None:
    def spoil(own: Any) -> None:
        own.image = "spoilt"

    manager.register(plugin(get_container=spoil), "one")
    assert task_template(add, SETTINGS).container.image == ""


def test_a_hook_that_raises_names_plugin_hook_and_task(manager: PluginManager) -> None:
    def get_custom(task: Any) -> None:
        raise LookupError("no table")

    manager.register(plugin(get_custom=get_custom), "one")
    with pytest.raises(
        HookCallError, match=r"plugin one: get_custom\(\) failed for task .*add: LookupError: no table"
    ) as caught:
        task_template(add, SETTINGS)
    assert isinstance(caught.value.__cause__, LookupError)
    assert (caught.value.plugin, caught.value.hook, caught.value.task_name) == ("one", "get_custom", add.name)


def test_two_plugins_with_two_values_name_both_and_the_way_out(manager: PluginManager) -> None:
    manager.register(plugin(get_config=lambda: {"k": "1"}), "one")
    manager.register(plugin(get_config=lambda: {"k": "2"}), "two")
    with pytest.raises(ContributionConflictError, match=r"config\.k is set to '1' by one and to '2' by two"):
        task_template(add, SETTINGS)
    settled = SerializationSettings(prefer={"config.k": "one"})
    assert task_template(add, settled).config["k"] == "1"


# -- events and rendering ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [RuntimeError("observer"), SystemExit("observer")], ids=["error", "exit"])
def test_an_observer_that_raises_is_logged_once_and_breaks_nothing(
    manager: PluginManager, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    seen: list[str] = []

    def broken(event: Any) -> None:
        raise error

    manager.register(plugin(task_event=broken), "broken")
    manager.register(plugin(task_event=lambda event: seen.append(type(event).__name__)), "working")
    with caplog.at_level(logging.ERROR, "fledge.hooks"):
        assert add(a=1) == 2
        assert add(a=2) == 3
    assert seen == ["Started", "Finished"] * 2
    assert caplog.text.count("plugin broken: task_event() failed") == 1


def test_the_first_renderer_by_name_that_knows_a_value_shows_it(
    manager: PluginManager, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(value: object) -> str:
        raise RuntimeError("renderer")

    manager.register(plugin(render=lambda value, python_type: f"<i>{value}</i>"), "zeta")
    manager.register(plugin(render=lambda value: f"<b>{value}</b>" if value == 1 else None), "beta")
    manager.register(plugin(render=broken), "alpha")
    assert manager.render(1, int) == "<b>1</b>"
    assert manager.render(2, int) == "<i>2</i>"
    assert caplog.text.count("plugin alpha: render() failed") == 1


def test_a_type_is_shown_by_the_plugin_of_its_own_package_whatever_the_names(
    manager: PluginManager, module: Callable[..., ModuleType]
) -> None:
    source = """
        from fledge.hooks.spec import hookimpl

        HOOK_API = 1

        class Mine:
            pass

        @hookimpl
        def render(value):
            return "the owner's"
        """
    owner = module(source, f"owner_{uuid4().hex}.hooks")
    manager.register(plugin(render=lambda value: "anybody's"), "alpha")
    manager.register(owner, "zeta")
    assert manager.render(owner.Mine(), owner.Mine) == "the owner's"
    assert manager.render(1, int) == "anybody's"


def test_what_a_renderer_gives_that_is_no_text_counts_for_nothing(manager: PluginManager) -> None:
    manager.register(plugin(render=lambda value: 42), "one")
    assert manager.render(1, int) is None


def test_every_call_can_be_watched_and_traced(manager: PluginManager, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[tuple[str, str, dict[str, Any]]] = []
    manager.observe(lambda plugin, hook, arguments: seen.append((plugin, hook, dict(arguments))))
    manager.register(plugin(get_custom=lambda task: None), "one")
    task_template(add, SETTINGS)
    assert seen == [("one", "get_custom", {"task": add})]


def test_the_environment_switches_tracing_on(caplog: pytest.LogCaptureFixture) -> None:
    context: FlyteContext = default_context(LocalConfig.from_env({"FLEDGE_TRACE_HOOKS": "1"}), discover=False)
    assert isinstance(context.plugins, PluginManager)
    context.plugins.register(plugin(get_custom=lambda task: None), "one")
    with FlyteContextManager.with_context(context), caplog.at_level(logging.INFO, "fledge.hooks.trace"):
        task_template(add, SETTINGS)
    assert "one: get_custom(task=" in caplog.text


# -- the spec ----------------------------------------------------------------------------------------------------------


def test_the_spec_has_these_hooks_and_arguments() -> None:
    from inspect import signature

    found = {name: list(signature(getattr(spec, name)).parameters) for name in HOOK_NAMES}
    assert found == {
        "get_config": ["task", "settings"],
        "get_container": ["task", "settings", "own"],
        "get_custom": ["task", "settings"],
        "get_extended_resources": ["task", "settings", "own"],
        "get_k8s_pod": ["task", "settings", "own", "container"],
        "get_sql": ["task", "settings", "own"],
        "register_storage": ["register"],
        "register_task_types": ["register"],
        "register_types": ["register"],
        "render": ["value", "python_type"],
        "task_event": ["event"],
    }
    assert spec.HOOK_API == 1


def test_every_event_says_which_task_when_and_which_rank() -> None:
    from datetime import timezone

    started = Started("t", 3)
    assert (started.task_name, started.rank) == ("t", 3)
    assert started.at.tzinfo is timezone.utc
    assert Finished("t", seconds=0.5).seconds == 0.5
