"""task_template, task_spec and explain: every field, pure, with the origin of each."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fledge import (
    Documentation,
    Image,
    ImageConfig,
    Interface,
    PythonTask,
    Resources,
    SerializationSettings,
    Task,
    TaskMetadata,
    explain,
    hookimpl,
    idl,
    kwtypes,
    task,
    task_spec,
    task_template,
)
from fledge.errors import ContributionConflictError, HookCallError, SerializationError, TargetConflictError
from fledge.hooks.manager import PluginManager

SETTINGS = SerializationSettings(
    ImageConfig(Image("default", "example.org/base", "v1")), project="p", domain="d", version="v", env={"A": "1"}
)


class Custom(PythonTask[None]):
    """Gives back what it is made with from each of the six hooks."""

    def __init__(self, name: str = "test.custom", **answers: Any) -> None:  # Any: answers of any kind are under test
        options = {key: answers.pop(key) for key in list(answers) if not key.startswith("get_")}
        super().__init__("custom", name, interface=Interface(kwtypes(a=int), kwtypes(o0=str)), **options)
        self.answers = answers
        self.asked: list[tuple[str, SerializationSettings]] = []

    def _answer(self, hook: str, settings: SerializationSettings) -> Any:  # Any: as above
        self.asked.append((hook, settings))
        return self.answers.get(hook)

    def get_custom(self, settings: SerializationSettings) -> Any:  # Any: as above
        return self._answer("get_custom", settings)

    def get_config(self, settings: SerializationSettings) -> Any:  # Any: as above
        return self._answer("get_config", settings)

    def get_container(self, settings: SerializationSettings) -> Any:  # Any: as above
        return self._answer("get_container", settings)

    def get_k8s_pod(self, settings: SerializationSettings) -> Any:  # Any: as above
        return self._answer("get_k8s_pod", settings)

    def get_sql(self, settings: SerializationSettings) -> Any:  # Any: as above
        return self._answer("get_sql", settings)

    def get_extended_resources(self, settings: SerializationSettings) -> Any:  # Any: as above
        return self._answer("get_extended_resources", settings)


@task(
    retries=3,
    cache=True,
    cache_version="1",
    tags={"team": "x"},
    requests=Resources(cpu="1"),
    environment={"B": "2"},
    shared_memory=True,
    enable_deck=True,
)
def full(a: int, names: list[str]) -> dict[str, float]:
    """Short text.

    Long text.

    Args:
        a: The first.
    """
    return {}


# -- pure --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [task_template, task_spec])
def test_twice_gives_equal_bytes_and_leaves_the_task_alone(form: Any) -> None:
    before = {
        name: copy.copy(value) if isinstance(value, (dict, list)) else value for name, value in vars(full).items()
    }
    first, second = (idl.deterministic_bytes(form(full, SETTINGS)) for _ in range(2))
    assert first == second
    assert vars(full) == before
    assert full.metadata.generates_deck


def test_a_call_in_between_changes_nothing() -> None:
    before = idl.deterministic_bytes(task_template(full, SETTINGS))
    full(a=1, names=["x"])
    assert idl.deterministic_bytes(task_template(full, SETTINGS)) == before


def test_what_the_task_handed_out_stays_its_own() -> None:
    custom = {"nested": {"list": [1, 2]}}
    container = idl.tasks.Container(image="mine")
    made = Custom(get_custom=custom, get_container=container)
    template = task_template(made, SETTINGS)
    template.container.image = "changed"
    assert custom == {"nested": {"list": [1, 2]}}
    assert container.image == "mine"


def test_every_hook_is_asked_once_with_the_settings() -> None:
    made = Custom()
    task_template(made, SETTINGS)
    assert sorted(hook for hook, _ in made.asked) == [
        "get_config",
        "get_container",
        "get_custom",
        "get_extended_resources",
        "get_k8s_pod",
        "get_sql",
    ]
    assert all(settings is SETTINGS for _, settings in made.asked)


# -- the fields --------------------------------------------------------------------------------------------------------


def test_the_identity_is_of_a_task() -> None:
    identity = task_template(full, SETTINGS).id
    assert identity == idl.identifier.Identifier(
        resource_type="TASK", project="p", domain="d", name=full.name, version="v"
    )
    bare = task_template(Custom(), SerializationSettings()).id
    assert (bare.project, bare.domain, bare.version, bare.name) == ("", "", "", "test.custom")


def test_type_version_and_metadata_are_the_tasks() -> None:
    made = Custom(task_type_version=2, metadata=TaskMetadata(retries=4))
    template = task_template(made, SETTINGS)
    assert (template.type, template.task_type_version) == ("custom", 2)
    assert template.metadata == made.metadata.to_taskmetadata_model()
    assert template.interface == made.interface


def test_decks_that_are_on_are_told_in_the_metadata() -> None:
    made = Custom(enable_deck=True)
    assert task_template(made, SETTINGS).metadata.generates_deck.value
    assert not made.metadata.generates_deck
    assert not task_template(Custom(), SETTINGS).metadata.generates_deck.value


def test_the_interface_has_types_and_texts() -> None:
    interface = task_template(full, SETTINGS).interface
    assert interface.inputs.variables["a"].type.simple == idl.types.SimpleType.INTEGER
    assert interface.inputs.variables["a"].description == "The first."
    assert interface.inputs.variables["names"].type.collection_type.simple == idl.types.SimpleType.STRING
    assert interface.outputs.variables["o0"].type.map_value_type.simple == idl.types.SimpleType.FLOAT


def test_a_task_without_a_target_has_none() -> None:
    assert task_template(Custom(), SETTINGS).WhichOneof("target") is None


@pytest.mark.parametrize("nothing", [None, {}])
def test_nothing_for_custom_and_config_is_absent(nothing: Any) -> None:
    template = task_template(Custom(get_custom=nothing, get_config=nothing), SETTINGS)
    assert not template.HasField("custom")
    assert not template.config


NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1), inner, max_size=3),
    max_leaves=8,
)


@given(custom=st.dictionaries(st.text(min_size=1), JSON, max_size=4))
def test_custom_is_the_json_it_was(custom: dict[str, Any]) -> None:
    template = task_template(Custom(get_custom=custom), SETTINGS)
    assert idl.json_format.MessageToDict(template.custom) == custom


@pytest.mark.parametrize(
    "value", [object(), {1, 2}, b"x", math.nan, -math.inf], ids=["object", "set", "bytes", "nan", "infinity"]
)
def test_custom_that_is_not_json_names_task_and_setter(value: object) -> None:
    with pytest.raises(SerializationError, match=r"task test\.custom: custom is not JSON \(custom\.k by the task\)"):
        task_template(Custom(get_custom={"k": value}), SETTINGS)


def test_custom_that_contains_itself_or_nests_too_deep_is_refused() -> None:
    mapping: dict[str, Any] = {}  # Any: JSON
    mapping["k"] = mapping
    listed: list[Any] = []  # Any: JSON
    listed.append(listed)
    deep: Any = 1  # Any: JSON
    for _ in range(30):
        deep = {"k": deep}
    for value in (mapping, listed, deep):
        with pytest.raises(SerializationError, match=r"not JSON \(custom\.v.* by the task\): more than 30 levels"):
            task_template(Custom(get_custom={"v": value}), SETTINGS)
    template = task_template(Custom(get_custom=deep), SETTINGS)
    assert idl.tasks.TaskTemplate.FromString(template.SerializeToString()) == template


def test_a_whole_number_that_custom_cannot_hold_exactly_is_refused() -> None:
    """Numbers of the message are doubles."""
    for inexact in (2**53 + 1, -(2**60) - 1, 10**400):
        with pytest.raises(
            SerializationError, match=rf"custom\.deep\[1\]\.k cannot hold {inexact} exactly. Write it as text"
        ):
            task_template(Custom(get_custom={"deep": [0, {"k": inexact}]}), SETTINGS)
    assert task_template(Custom(get_custom={"k": 2**60}), SETTINGS).custom.fields["k"].number_value == 2**60


def test_config_holds_text_only() -> None:
    assert dict(task_template(Custom(get_config={"k": "v"}), SETTINGS).config) == {"k": "v"}
    with pytest.raises(SerializationError, match=r"config\.k must be text, the task gave 3"):
        task_template(Custom(get_config={"k": 3}), SETTINGS)


def test_a_statement_keeps_its_dialect() -> None:
    own = idl.tasks.Sql(statement="select 1", dialect=idl.tasks.Sql.Dialect.ANSI)
    template = task_template(Custom(get_sql=own), SETTINGS)
    assert template.sql == own
    assert template.sql.dialect == 1


def test_a_bare_task_cannot_be_serialized() -> None:
    with pytest.raises(SerializationError, match="has no Python interface"):
        task_template(Task("kind", "bare", None), SETTINGS)


CONTAINER, POD, SQL = idl.tasks.Container(image="i"), idl.tasks.K8sPod(), idl.tasks.Sql(statement="s")


@pytest.mark.parametrize(
    "answers",
    [
        {"get_container": CONTAINER, "get_sql": SQL},
        {"get_container": CONTAINER, "get_k8s_pod": POD},
        {"get_k8s_pod": POD, "get_sql": SQL},
        {"get_container": CONTAINER, "get_k8s_pod": POD, "get_sql": SQL},
    ],
)
def test_more_than_one_target_is_refused_naming_who_set_each(answers: dict[str, Any]) -> None:
    with pytest.raises(TargetConflictError, match="more than one target") as caught:
        task_template(Custom(**answers), SETTINGS)
    assert caught.value.targets == {name.removeprefix("get_"): "the task" for name in answers}


# -- the spec ----------------------------------------------------------------------------------------------------------


def test_a_spec_is_the_template_with_its_description() -> None:
    spec = task_spec(full, SETTINGS)
    assert spec.template == task_template(full, SETTINGS)
    assert spec.description.short_description == "Short text."
    assert spec.description.long_description.value == "Long text."
    assert spec.description.long_description.format == 3  # RST


def test_a_spec_shows_the_source_link() -> None:
    made = Custom(docs=Documentation("s", None, "https://example.org/x.py"))
    description = task_spec(made, SETTINGS).description
    assert description.source_code.link == "https://example.org/x.py"
    assert not description.HasField("long_description")


def test_a_task_without_docs_has_no_description() -> None:
    assert not task_spec(Custom(), SETTINGS).HasField("description")


# -- with plugins ------------------------------------------------------------------------------------------------------


def plugin(**hooks: Any) -> Any:  # Any: an object with hooks as attributes
    class Hooks:
        HOOK_API = 1

    made = Hooks()
    for name, function in hooks.items():
        setattr(made, name, hookimpl(function))
    return made


def test_contributions_join_the_tasks_own_and_origins_say_who(manager: PluginManager) -> None:
    manager.register(plugin(get_custom=lambda: {"b": {"y": 2}}, get_config=lambda: {"k": "v"}), "one")
    made = Custom(get_custom={"a": 1, "b": {"x": 1}}, get_sql=SQL)
    found = explain(made, SETTINGS)
    assert idl.json_format.MessageToDict(found.template.custom) == {"a": 1, "b": {"x": 1, "y": 2}}
    assert found.task_name == "test.custom"
    assert dict(found.origins) == {
        "id": "the task",
        "type": "the task",
        "metadata": "the task",
        "interface": "the task",
        "task_type_version": "the task",
        "custom.a": "the task",
        "custom.b.x": "the task",
        "custom.b.y": "one",
        "config.k": "one",
        "sql": "the task",
    }


def test_a_plugin_that_contradicts_the_task_is_a_conflict_unless_settled(manager: PluginManager) -> None:
    manager.register(plugin(get_custom=lambda: {"a": 2}), "one")
    made = Custom(get_custom={"a": 1})
    with pytest.raises(ContributionConflictError, match=r"custom\.a is set to 2 by one and to 1 by the task"):
        task_template(made, SETTINGS)
    for winner, value in (("one", 2), ("the task", 1)):
        settings = SerializationSettings(prefer={"custom.a": winner})
        assert task_template(made, settings).custom.fields["a"].number_value == value


def test_the_tasks_own_method_gives_its_own_contribution_only(manager: PluginManager) -> None:
    manager.register(plugin(get_custom=lambda: {"b": 2}), "one")
    assert Custom(get_custom={"a": 1}).get_custom(SETTINGS) == {"a": 1}


def test_a_plugins_container_replaces_the_own(manager: PluginManager) -> None:
    def get_container(own: Any) -> Any:
        own.image += "-plus"
        return own

    manager.register(plugin(get_container=get_container), "one")
    found = explain(Custom(get_container=CONTAINER), SETTINGS)
    assert found.template.container.image == "i-plus"
    assert found.origins["container"] == "one"
    assert CONTAINER.image == "i"


def test_a_plugins_pod_is_built_on_the_container_and_replaces_it(manager: PluginManager) -> None:
    seen: list[Any] = []

    def get_k8s_pod(own: Any, container: Any) -> Any:
        seen.append((own, container.image))
        return POD

    manager.register(plugin(get_k8s_pod=get_k8s_pod), "one")
    found = explain(Custom(get_container=CONTAINER), SETTINGS)
    assert found.template.WhichOneof("target") == "k8s_pod"
    assert seen == [(None, "i")]
    assert "container" not in found.origins


def test_a_plugins_statement_beside_the_tasks_container_is_a_conflict_of_targets(manager: PluginManager) -> None:
    manager.register(plugin(get_sql=lambda: SQL), "one")
    with pytest.raises(TargetConflictError) as caught:
        task_template(Custom(get_container=CONTAINER), SETTINGS)
    assert caught.value.targets == {"container": "the task", "sql": "one"}


def test_a_plugins_config_that_is_no_text_names_the_plugin(manager: PluginManager) -> None:
    manager.register(plugin(get_config=lambda: {"k": 3}), "one")
    with pytest.raises(SerializationError, match=r"config\.k must be text, one gave 3"):
        task_template(Custom(), SETTINGS)


ANSWERS: dict[str, tuple[str, Any, str]] = {  # Any: wrong answers
    "custom": ("get_custom", [1], "custom: one gave a list, not a mapping"),
    "inside custom": ("get_custom", {"k": [{"m": {1}}]}, r"custom is not JSON (custom.k[0].m by one): {1}"),
    "config": ("get_config", "text", "config: one gave a str, not a mapping"),
    "config value": ("get_config", {"k": "\ud800"}, "config.k cannot be encoded"),
    "container": ("get_container", {"image": "i"}, "container: one gave a dict, not a Container message"),
    "other message": ("get_container", POD, "container: one gave a K8sPod, not a Container message"),
    "sql": ("get_sql", "select 1", "sql: one gave a str, not a Sql message"),
    "resources": ("get_extended_resources", 1, "extended_resources: one gave a int, not a ExtendedResources message"),
    "pod": ("get_k8s_pod", "pod", "k8s_pod: one gave a str, not a K8sPod message"),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_an_answer_of_the_wrong_kind_names_task_field_and_plugin(manager: PluginManager, case: str) -> None:
    hook, answer, text = ANSWERS[case]
    manager.register(plugin(**{hook: lambda: answer}), "one")
    with pytest.raises(SerializationError) as caught:
        task_template(Custom(), SETTINGS)
    assert str(caught.value).startswith(f"task test.custom: {text}")


def test_a_tasks_own_answer_of_the_wrong_kind_is_named_too() -> None:
    with pytest.raises(SerializationError, match=r"test\.custom: container: the task gave a dict, not a Container"):
        task_template(Custom(get_container={"image": "i"}), SETTINGS)
    with pytest.raises(SerializationError, match=r"task test\.custom: config: the task gave a list, not a mapping"):
        task_template(Custom(get_config=["k"]), SETTINGS)


@pytest.mark.parametrize("field", ["env", "prefer"])
def test_a_plugin_cannot_change_the_settings_it_is_handed(manager: PluginManager, field: str) -> None:
    def get_custom(settings: SerializationSettings) -> Any:
        getattr(settings, field)["A"] = "2"

    manager.register(plugin(get_custom=get_custom), "one")
    settings = SerializationSettings(env={"A": "1"}, prefer={"A": "1"})
    with pytest.raises(HookCallError, match=r"plugin one: get_custom\(\) failed for task test\.custom: TypeError"):
        task_template(Custom(), settings)
    assert getattr(settings, field) == {"A": "1"}


def test_a_plugin_reads_and_hands_on_the_settings(manager: PluginManager) -> None:
    settings = SerializationSettings(project="p", env={"A": "1"}, prefer={"custom.b": "one"})
    manager.register(plugin(get_config=lambda settings: {"all": settings.serialized_context()}), "one")
    assert SerializationSettings.from_transport(task_template(Custom(), settings).config["all"]) == settings
