"""The surface of the base-task API, name by name: what the reference lists, with our signatures beside it."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import pytest

import fledge
from fledge import base_task
from fledge.abstract_task import Task, TaskResolverMixin
from fledge.base_task import PythonTask
from fledge.decks import ALL_DECK_FIELDS
from fledge.errors import IgnoreOutputs
from fledge.function import PythonFunctionTask
from fledge.metadata import TaskMetadata
from fledge.tracking import TrackedInstance

NO_DEFAULT = inspect.Parameter.empty

CONSTANTS = {"DYNAMIC_PARTITIONS": "_uap", "MODEL_CARD": "_ucm", "DATA_CARD": "_ucd", "UNSET_CARD": "_uc"}

# The reference's parameters, in its order, with their defaults; `*` and `**` as written.
CONSTRUCTORS: dict[type, list[tuple[str, object]]] = {
    TaskMetadata: [
        ("cache", False),
        ("cache_serialize", False),
        ("cache_version", ""),
        ("cache_ignore_input_vars", ()),
        ("interruptible", None),
        ("deprecated", ""),
        ("retries", 0),
        ("timeout", None),
        ("pod_template_name", None),
        ("generates_deck", False),
        ("is_eager", False),
        ("labels", None),
        ("annotations", None),
        ("tags", None),  # ours: the message has the field, the reference has no way to set it
    ],
    Task: [
        ("task_type", NO_DEFAULT),
        ("name", NO_DEFAULT),
        ("interface", NO_DEFAULT),
        ("metadata", None),
        ("task_type_version", 0),
        ("security_ctx", None),
        ("docs", None),
        ("**kwargs", NO_DEFAULT),
    ],
    PythonTask: [
        ("task_type", NO_DEFAULT),
        ("name", NO_DEFAULT),
        ("task_config", None),
        ("interface", None),
        ("environment", None),
        ("disable_deck", None),
        ("enable_deck", None),
        ("deck_fields", ALL_DECK_FIELDS),
        ("**kwargs", NO_DEFAULT),
    ],
}

HOOKS = ["settings"]
METHODS: dict[type, dict[str, list[str]]] = {
    TaskMetadata: {"to_taskmetadata_model": []},
    Task: {
        "compile": ["ctx", "*args", "**kwargs"],
        "dispatch_execute": ["ctx", "input_literal_map"],
        "execute": ["**kwargs"],
        "get_config": HOOKS,
        "get_container": HOOKS,
        "get_custom": HOOKS,
        "get_extended_resources": HOOKS,
        "get_input_types": [],
        "get_k8s_pod": HOOKS,
        "get_sql": HOOKS,
        "get_type_for_input_var": ["k", "v"],
        "get_type_for_output_var": ["k", "v"],
        "local_execute": ["ctx", "**kwargs"],
        "local_execution_mode": [],
        "pre_execute": ["user_params"],
        "sandbox_execute": ["ctx", "input_literal_map"],
        "__call__": ["*args", "**kwargs"],
    },
    PythonTask: {
        "construct_node_metadata": [],
        "find_lhs": [],
        "post_execute": ["user_params", "rval"],
    },
    TaskResolverMixin: {
        "get_all_tasks": [],
        "load_task": ["loader_args"],
        "loader_args": ["settings", "t"],
        "name": [],
        "task_name": ["t"],
    },
}
METHODS[PythonTask] |= METHODS[Task]

PROPERTIES: dict[type, list[str]] = {
    TaskMetadata: ["retry_strategy"],
    Task: [
        "docs",
        "interface",
        "metadata",
        "name",
        "python_interface",
        "security_context",
        "task_type",
        "task_type_version",
    ],
    PythonTask: [
        "deck_fields",
        "disable_deck",
        "enable_deck",
        "environment",
        "instantiated_in",
        "lhs",
        "location",
        "task_config",
    ],
    TaskResolverMixin: ["location"],
}
PROPERTIES[PythonTask] += PROPERTIES[Task]


def parameters(function: Callable[..., Any]) -> list[tuple[str, object]]:
    """(name, default) without `self`; `*` and `**` in front of what takes any number."""
    marks: dict[object, str] = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    return [
        (f"{marks.get(one.kind, '')}{one.name}", one.default)
        for one in inspect.signature(function).parameters.values()
        if one.name != "self"
    ]


@pytest.mark.parametrize("name", CONSTANTS)
def test_constants(name: str) -> None:
    assert getattr(fledge, name) == getattr(base_task, name) == CONSTANTS[name]


@pytest.mark.parametrize(
    "name",
    ["IgnoreOutputs", "PythonTask", "T", "Task", "TaskMetadata", "TaskResolverMixin", "kwtypes", *CONSTANTS],
)
def test_every_name_of_the_module_is_at_both_doors(name: str) -> None:
    assert name in base_task.__all__
    assert name in fledge.__all__
    assert getattr(fledge, name) is getattr(base_task, name)


def test_ignore_outputs_is_a_plain_exception() -> None:
    assert IgnoreOutputs.__bases__ == (Exception,)
    assert [name for name in vars(IgnoreOutputs) if not name.startswith("__")] == []


def test_t_is_a_plain_type_variable() -> None:
    assert isinstance(fledge.T, TypeVar)
    assert (fledge.T.__name__, fledge.T.__bound__, fledge.T.__constraints__) == ("T", None, ())


def test_kwtypes_takes_keywords_only() -> None:
    assert parameters(fledge.kwtypes) == [("**kwargs", NO_DEFAULT)]


def test_the_bases_of_a_python_task() -> None:
    assert PythonTask.__mro__[1:3] == (TrackedInstance, Task)
    assert PythonTask.__parameters__ == (fledge.T,)  # type: ignore[attr-defined] # of every generic class
    assert issubclass(PythonFunctionTask, PythonTask)


@pytest.mark.parametrize("cls", CONSTRUCTORS, ids=lambda cls: cls.__name__)
def test_constructors(cls: type) -> None:
    assert parameters(cls.__init__) == CONSTRUCTORS[cls]  # type: ignore[misc] # the class's own, not an instance's


@pytest.mark.parametrize(
    ("cls", "name"),
    [(cls, name) for cls, names in METHODS.items() for name in names],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_methods(cls: type, name: str) -> None:
    method = inspect.getattr_static(cls, name)
    assert inspect.isfunction(method)
    assert [parameter for parameter, _ in parameters(method)] == METHODS[cls][name]


@pytest.mark.parametrize(
    ("cls", "name"),
    [(cls, name) for cls, names in PROPERTIES.items() for name in names],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_properties_are_read_only(cls: type, name: str) -> None:
    found = inspect.getattr_static(cls, name)
    assert isinstance(found, property)
    assert found.fset is None


def test_a_task_offers_nothing_that_the_reference_does_not_name() -> None:
    """What is public is a promise. Ours alone: what workflows and the cache's explanation build on."""
    for cls, own in ((Task, set()), (PythonTask, {"input_literals", "run_locally"})):
        public = {name for name in dir(cls) if not name.startswith("_")}
        assert public == {*METHODS[cls], *PROPERTIES[cls], *own} - {"__call__"}


def test_metadata_is_a_frozen_dataclass() -> None:
    assert dataclasses.is_dataclass(TaskMetadata)
    assert TaskMetadata.__dataclass_params__.frozen  # type: ignore[attr-defined] # of every dataclass
    assert TaskMetadata(timeout=timedelta(1)).timeout == timedelta(1)


def test_the_public_door_is_sorted_and_every_name_is_there() -> None:
    assert fledge.__all__ == sorted(fledge.__all__, key=_constants_classes_functions)
    for name in fledge.__all__:
        assert getattr(fledge, name) is not None, name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = fledge.nothing


def _constants_classes_functions(name: str) -> tuple[int, str]:
    rank = 0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2
    return rank, name
