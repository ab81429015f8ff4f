"""Value and type survive the trip at every depth, for generated types and values."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings

from core.tests.types.strategies import same, typed_values
from fledge import idl
from fledge.storage import StorageRouter
from fledge.types import builtin_registry

REGISTRY = builtin_registry()
STORAGE = StorageRouter()


@settings(max_examples=400, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(typed_values())
def test_a_value_of_any_type_survives_the_round_trip_over_bytes(case: tuple[Any, Any]) -> None:  # Any: any type
    annotation, value = case
    literal = REGISTRY.to_literal(value, annotation, STORAGE)
    received = idl.literals.Literal.FromString(idl.deterministic_bytes(literal))
    back = REGISTRY.to_python(received, annotation, STORAGE)
    assert same(back, value), (back, value)


@settings(max_examples=60, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(typed_values())
def test_converting_twice_gives_equal_bytes_and_leaves_the_value_alone(case: tuple[Any, Any]) -> None:  # Any: any type
    annotation, value = case
    before = repr(value)
    first, second = (REGISTRY.to_literal(value, annotation, STORAGE) for _ in range(2))
    assert idl.deterministic_bytes(first) == idl.deterministic_bytes(second)
    assert repr(value) == before


@settings(max_examples=60, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(typed_values())
def test_the_literal_type_is_equal_in_every_registry(case: tuple[Any, Any]) -> None:  # Any: any type
    annotation, _ = case
    ours, theirs = REGISTRY.literal_type(annotation), builtin_registry().literal_type(annotation)
    assert idl.deterministic_bytes(ours) == idl.deterministic_bytes(theirs)
