"""The contract suites on this plugin, and one test for each of its hooks. Run where its wheel is installed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import ClassVar

from fledge_example import Money, hooks

from fledge import SerializationSettings, explain, idl, task_template
from fledge.context import FlyteContextManager
from fledge.testing import PluginContract, TaskContract, TransformerContract

sys.path.insert(0, str(Path(__file__).parent))

import example_tasks

SETTINGS = SerializationSettings(project="shop", domain="d", version="v")


class TestExamplePlugin(PluginContract):
    module = "fledge_example.hooks"
    task = example_tasks.double


class TestDouble(TaskContract):
    task = example_tasks.double
    inputs: ClassVar = {"amount": Money(150, "EUR")}


class TestMoney(TransformerContract):
    hooks = hooks
    python_type = Money
    values = (Money(1, "EUR"), Money(10**12, "JPY"))
    bad_values = ("1 EUR", None, 1)


def test_hook_register_task_types_and_register_types() -> None:
    assert example_tasks.double(amount=Money(150, "EUR")) == Money(300, "EUR")


def test_hook_register_storage() -> None:
    storage = FlyteContextManager.current_context().storage
    FlyteContextManager.current_context().plugins.load()
    storage.write("mem://a/b", b"x")
    assert storage.read("mem://a/b") == b"x"


def test_hook_get_custom_is_merged_with_the_tasks_own() -> None:
    explanation = explain(example_tasks.double, SETTINGS)
    custom = idl.json_format.MessageToDict(explanation.template.custom)
    assert custom["owner"] == {"team": "search", "plugin": "example"}
    assert explanation.origins["custom.owner.team"] == "the task"
    assert explanation.origins["custom.owner.plugin"] == "example"


def test_hook_get_config() -> None:
    assert task_template(example_tasks.double, SETTINGS).config["cost-center"] == "shop-4711"


def test_hook_get_container() -> None:
    explanation = explain(example_tasks.double, SETTINGS)
    assert {pair.key: pair.value for pair in explanation.template.container.env}["OWNER"] == "search"
    assert explanation.origins["container"] == "example"


def test_hook_task_event() -> None:
    hooks.seen.clear()
    example_tasks.double(amount=Money(1, "EUR"))
    assert hooks.seen == ["Started", "Finished"]


def test_hook_render() -> None:
    plugins = FlyteContextManager.current_context().plugins
    assert plugins.render(Money(150, "<EUR>"), Money) == "<b>1.50 &lt;EUR&gt;</b>"
