"""What is accepted as TaskMetadata, kwtypes, Interface and decks, and what refuses it."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from fledge import (
    DATA_CARD,
    DYNAMIC_PARTITIONS,
    MODEL_CARD,
    UNSET_CARD,
    DeckField,
    IgnoreOutputs,
    Interface,
    PythonTask,
    Resources,
    TaskMetadata,
    kwtypes,
    task,
)
from tests.parity.programs import Sdk


class Plain(PythonTask[None]):
    def __init__(self, name: str, **options: Any) -> None:  # Any: options of the base class
        super().__init__("plain", name, interface=Interface(kwtypes(a=int), kwtypes(o0=int)), **options)

    def execute(self, **kwargs: Any) -> int:  # Any: as declared
        return int(kwargs["a"])


def counts(a: int) -> int:
    return a


def warned(make: Callable[[], object]) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        make()
    return sorted({one.category.__name__ for one in caught})


def observe_constants(sdk: Sdk) -> object:
    return [DYNAMIC_PARTITIONS, MODEL_CARD, DATA_CARD, UNSET_CARD]


def observe_ignore_outputs_is_an_exception(sdk: Sdk) -> object:
    return [base.__name__ for base in IgnoreOutputs.__mro__]


def observe_kwtypes_keeps_order(sdk: Sdk) -> object:
    return [isinstance(kwtypes(), OrderedDict), list(kwtypes(z=int, a=str).items()), dict(kwtypes())]


def observe_metadata_defaults(sdk: Sdk) -> object:
    m = TaskMetadata()
    return [m.cache, m.cache_version, m.cache_ignore_input_vars, m.interruptible, m.deprecated, m.retries, m.is_eager]


def observe_metadata_equality(sdk: Sdk) -> object:
    return [TaskMetadata(retries=1) == TaskMetadata(retries=1), TaskMetadata(retries=1) == TaskMetadata(retries=2)]


def observe_metadata_hash(sdk: Sdk) -> object:
    return isinstance(hash(TaskMetadata()), int)


def observe_metadata_assignment(sdk: Sdk) -> object:
    m = TaskMetadata()
    m.retries = 3  # type: ignore[misc] # whether this is refused is the question
    return m.retries


def observe_retry_strategy(sdk: Sdk) -> object:
    return [TaskMetadata(retries=n).retry_strategy.retries for n in (0, 1, 5)]


def observe_cache_without_version(sdk: Sdk) -> object:
    return TaskMetadata(cache=True)


def observe_cache_serialize_without_cache(sdk: Sdk) -> object:
    return TaskMetadata(cache_serialize=True)


def observe_ignored_inputs_without_cache(sdk: Sdk) -> object:
    return TaskMetadata(cache_ignore_input_vars=("a",))


def observe_ignored_inputs_as_text(sdk: Sdk) -> object:
    m = TaskMetadata(cache=True, cache_version="1", cache_ignore_input_vars="ab")  # type: ignore[arg-type] # the mistake
    return list(m.cache_ignore_input_vars)


def observe_timeout_int(sdk: Sdk) -> object:
    return TaskMetadata(timeout=90).timeout


def observe_timeout_timedelta(sdk: Sdk) -> object:
    return TaskMetadata(timeout=timedelta(seconds=1.5)).timeout


def observe_timeout_float(sdk: Sdk) -> object:
    return TaskMetadata(timeout=1.5).timeout  # type: ignore[arg-type] # the mistake


def observe_timeout_text(sdk: Sdk) -> object:
    return TaskMetadata(timeout="1h").timeout  # type: ignore[arg-type] # the mistake


def observe_timeout_bool(sdk: Sdk) -> object:
    return TaskMetadata(timeout=True).timeout


def observe_timeout_negative(sdk: Sdk) -> object:
    return TaskMetadata(timeout=-1).timeout


def observe_timeout_float_zero(sdk: Sdk) -> object:
    return TaskMetadata(timeout=0.0).timeout  # type: ignore[arg-type] # the mistake


def observe_retries_negative(sdk: Sdk) -> object:
    return TaskMetadata(retries=-1).retries


def observe_flag_as_text(sdk: Sdk) -> object:
    return TaskMetadata(cache="no", cache_version="1").cache  # type: ignore[arg-type] # the mistake


def observe_flag_as_number(sdk: Sdk) -> object:
    return TaskMetadata(interruptible=1).interruptible  # type: ignore[arg-type] # the mistake


def observe_version_as_number(sdk: Sdk) -> object:
    return TaskMetadata(cache=True, cache_version=1).cache_version  # type: ignore[arg-type] # the mistake


def observe_deprecated_as_flag(sdk: Sdk) -> object:
    return TaskMetadata(deprecated=True).deprecated  # type: ignore[arg-type] # the mistake


def observe_labels_of_numbers(sdk: Sdk) -> object:
    return TaskMetadata(labels={"a": 1}).labels  # type: ignore[dict-item] # the mistake


def observe_enable_deck_as_text(sdk: Sdk) -> object:
    return Plain("plain", enable_deck="no").enable_deck


def observe_docs_as_text(sdk: Sdk) -> object:
    return Plain("plain", docs="x").docs


def observe_environment_of_numbers(sdk: Sdk) -> object:
    return Plain("plain", environment={"A": 1}).environment


def observe_task_option_misspelt(sdk: Sdk) -> object:
    return task(retrys=1)(observe_constants)  # type: ignore[call-overload] # the mistake


def observe_task_class_argument_misspelt(sdk: Sdk) -> object:
    return Plain("plain", enviroment={"A": "1"}).name


def observe_enable_deck(sdk: Sdk) -> object:
    return [Plain("a").enable_deck, Plain("b", enable_deck=True).enable_deck, Plain("c", enable_deck=False).enable_deck]


def observe_disable_deck_warns(sdk: Sdk) -> object:
    return warned(lambda: Plain("plain", disable_deck=True))


def observe_both_deck_flags(sdk: Sdk) -> object:
    return Plain("plain", disable_deck=False, enable_deck=True).name


def observe_deck_fields(sdk: Sdk) -> object:
    return [
        one.value
        for one in Plain("plain", enable_deck=True, deck_fields=(DeckField.OUTPUT, DeckField.INPUT)).deck_fields
    ]


def observe_deck_fields_when_off(sdk: Sdk) -> object:
    return list(Plain("plain").deck_fields)


def observe_deck_field_unknown(sdk: Sdk) -> object:
    return Plain("plain", enable_deck=True, deck_fields=("nonsense",)).name


def observe_deck_field_unknown_when_off(sdk: Sdk) -> object:
    return Plain("plain", deck_fields=("nonsense",)).name


def observe_deck_field_values(sdk: Sdk) -> object:
    return sorted(str(one.value) for one in DeckField)


def observe_limits_below_requests(sdk: Sdk) -> object:
    made = task(requests=Resources(cpu="2"), limits=Resources(cpu="1"))(counts)
    return made.task_type  # type: ignore[attr-defined,unused-ignore] # a task


def observe_interface_pairs(sdk: Sdk) -> object:
    i = Interface({"a": int, "b": (str, "x"), "c": (float, None)}, {"o": bool})
    return [i.inputs, i.inputs_with_defaults, i.default_inputs_as_kwargs, i.outputs, i.output_names, i.docstring]


def observe_interface_empty(sdk: Sdk) -> object:
    i = Interface()
    return [dict(i.inputs), dict(i.outputs), i.output_names, i.output_tuple_name]


def observe_interface_name_no_identifier(sdk: Sdk) -> object:
    return Interface({"a b": int}).inputs


def observe_interface_name_keyword(sdk: Sdk) -> object:
    return Interface({"class": int}).inputs


def observe_interface_output_name_keyword(sdk: Sdk) -> object:
    return Interface({}, {"class": int}).outputs


def observe_interface_remove_inputs(sdk: Sdk) -> object:
    i = Interface({"a": int, "b": (str, "x")}, {"o": bool})
    return [i.remove_inputs(["a"]).inputs_with_defaults, i.remove_inputs(None) is i]  # type: ignore[arg-type,unused-ignore] # a list


def observe_interface_with_more(sdk: Sdk) -> object:
    i = Interface({"a": int}, {"o": bool})
    more = i.with_inputs({"b": str}).with_outputs({"p": float})
    return [more.inputs, more.outputs, i.with_inputs({}) is i]


def observe_interface_with_known_input(sdk: Sdk) -> object:
    return Interface({"a": int}).with_inputs({"a": str})


def observe_interface_keeps_tuple_name(sdk: Sdk) -> object:
    return Interface({"a": int, "b": int}, {"o": bool}, "Out").remove_inputs(["b"]).output_tuple_name


def observe_interface_tuple(sdk: Sdk) -> object:
    made = Interface({}, {"x": int, "y": str}, "Out").output_tuple
    return [made.__name__, made(1, "a")]
