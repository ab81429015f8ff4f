"""Merging contributions: the result and the error do not depend on any order; who set what is remembered."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fledge import idl
from fledge.errors import ContributionConflictError, SerializationError
from fledge.hooks.merge import merge, replace_message

KEYS = st.sampled_from(["a", "b", "c", "a.b"])
SCALARS = st.sampled_from([0, 1, 1.0, True, False, None, "x", "1"])
VALUES = st.recursive(
    SCALARS | st.lists(SCALARS, max_size=2), lambda inner: st.dictionaries(KEYS, inner, max_size=3), max_leaves=6
)
MAPPINGS = st.none() | st.dictionaries(KEYS, VALUES, max_size=3)
CONTRIBUTIONS = st.dictionaries(st.sampled_from(["the task", "alpha", "beta", "gamma"]), MAPPINGS, max_size=4)
PREFERENCES = st.dictionaries(
    st.sampled_from(["custom.a", "custom.b", "custom.a.b", "custom.a.a"]), st.sampled_from(["alpha", "gamma", "nobody"])
)


def outcome(pairs: Any, prefer: Any) -> tuple[str, str]:
    """What came of it, as text that tells 1, 1.0 and True apart."""
    try:
        merged, origins = merge("custom", pairs, prefer)
    except ContributionConflictError as exc:
        return "conflict", str(exc)
    return repr(sort(merged)), repr(sorted(origins.items()))


def sort(value: Any) -> Any:
    return {key: sort(value[key]) for key in sorted(value)} if isinstance(value, dict) else value


@given(contributions=CONTRIBUTIONS, prefer=PREFERENCES)
def test_the_result_does_not_depend_on_the_order(contributions: dict[str, Any], prefer: dict[str, str]) -> None:
    outcomes = {outcome(pairs, prefer) for pairs in itertools.permutations(contributions.items())}
    assert len(outcomes) == 1


@given(contributions=CONTRIBUTIONS, prefer=PREFERENCES, random=st.randoms())
def test_the_result_does_not_depend_on_the_order_of_keys(
    contributions: dict[str, Any], prefer: dict[str, str], random: Any
) -> None:
    def shuffle(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        keys = list(value)
        random.shuffle(keys)
        return {key: shuffle(value[key]) for key in keys}

    shuffled = [(who, shuffle(mapping)) for who, mapping in contributions.items()]
    first, second = outcome(contributions.items(), prefer), outcome(shuffled, prefer)
    assert first[0] == second[0]


@given(contributions=CONTRIBUTIONS)
def test_every_value_in_the_result_was_given_and_every_setter_is_a_contributor(contributions: dict[str, Any]) -> None:
    try:
        merged, origins = merge("custom", contributions.items(), {})
    except ContributionConflictError as exc:
        named, merged, origins = {exc.first, exc.second}, None, {}
    else:
        named = set()
    assert named | set(origins.values()) <= contributions.keys()
    if merged is None:
        return
    assert merged.keys() == {key for mapping in contributions.values() if mapping for key in mapping}


@given(mapping=MAPPINGS)
def test_one_contributor_gets_what_it_gave(mapping: dict[str, Any] | None) -> None:
    assert merge("custom", [("the task", mapping)], {})[0] == (mapping or {})


@given(mapping=MAPPINGS)
def test_equal_contributions_are_no_conflict(mapping: dict[str, Any] | None) -> None:
    assert merge("custom", [("alpha", mapping), ("beta", mapping)], {})[0] == (mapping or {})


def test_nested_mappings_merge_key_by_key() -> None:
    merged, origins = merge("custom", [("beta", {"a": {"y": 2}}), ("alpha", {"a": {"x": 1}, "b": [1]})], {})
    assert merged == {"a": {"x": 1, "y": 2}, "b": [1]}
    assert origins == {"custom.a.x": "alpha", "custom.a.y": "beta", "custom.b": "alpha"}


@pytest.mark.parametrize(
    ("first", "second"),
    [(1, True), (1, 1.0), (0, False), ([1], [1.0]), ([1], [1, 2]), ("1", 1), ({"x": 1}, 5), (5, {"x": 1})],
)
def test_two_values_for_one_key_are_a_conflict_that_names_both(first: Any, second: Any) -> None:
    with pytest.raises(ContributionConflictError) as caught:
        merge("custom", [("alpha", {"a": {"k": first}}), ("beta", {"a": {"k": second}})], {})
    error = caught.value
    assert (error.field, error.key.split(".")[:2]) == ("custom", ["a", "k"])
    assert (error.first, error.second) == ("alpha", "beta")
    assert "by alpha" in str(error)
    assert "by beta" in str(error)
    assert 'prefer={"custom.a.k' in str(error)


@pytest.mark.parametrize("winner", ["alpha", "beta", "gamma"])
def test_a_preference_settles_a_conflict_of_any_number(winner: str) -> None:
    values = {"alpha": 1, "beta": 2, "gamma": 3}
    merged, origins = merge("custom", [(who, {"k": value}) for who, value in values.items()], {"custom.k": winner})
    assert merged == {"k": values[winner]}
    assert origins == {"custom.k": winner}


def test_a_preference_for_a_whole_mapping_leaves_nothing_of_the_others() -> None:
    pairs = [("alpha", {"a": {"x": 1, "y": 1}}), ("beta", {"a": {"x": 2}})]
    assert merge("custom", pairs, {"custom.a": "beta"}) == ({"a": {"x": 2}}, {"custom.a.x": "beta"})


def test_a_preference_for_somebody_who_gives_nothing_settles_nothing() -> None:
    with pytest.raises(ContributionConflictError):
        merge("custom", [("alpha", {"k": 1}), ("beta", {"k": 2})], {"custom.k": "gamma"})
    assert merge("custom", [("alpha", {"k": 1})], {"custom.k": "gamma"})[0] == {"k": 1}


def test_contributions_stay_as_they_were() -> None:
    given_ = {"a": {"x": 1}}
    merge("custom", [("alpha", given_), ("beta", {"a": {"y": 2}})], {})
    assert given_ == {"a": {"x": 1}}


def test_a_key_that_is_not_text_names_its_setter() -> None:
    with pytest.raises(SerializationError, match=r"custom\.a: the key 1, set by alpha, is not text"):
        merge("custom", [("alpha", {"a": {1: 2}})], {})


# -- replacing ---------------------------------------------------------------------------------------------------------


def sql(statement: str) -> idl.tasks.Sql:
    return idl.tasks.Sql(statement=statement)


def test_the_tasks_own_message_stands_when_nobody_answers() -> None:
    own = sql("own")
    assert replace_message("sql", ("the task", own), [("alpha", None)], {}) == (own, "the task")
    assert replace_message("sql", ("the task", None), [("alpha", None)], {}) == (None, "")


def test_one_answer_replaces_the_own_message() -> None:
    assert replace_message("sql", ("the task", sql("own")), [("alpha", sql("new"))], {}) == (sql("new"), "alpha")


def test_equal_answers_are_no_conflict_and_belong_to_the_first_by_name() -> None:
    answers = [("beta", sql("same")), ("alpha", sql("same"))]
    assert replace_message("sql", ("the task", None), answers, {}) == (sql("same"), "alpha")


@given(order=st.permutations([("alpha", "x"), ("beta", "y"), ("gamma", "x")]))
def test_two_answers_are_a_conflict_whatever_their_order(order: list[tuple[str, str]]) -> None:
    answers = [(who, sql(text)) for who, text in order]
    with pytest.raises(ContributionConflictError, match=r"sql is set to .*x.* by alpha and to .*y.* by beta") as caught:
        replace_message("sql", ("the task", None), answers, {})
    assert 'prefer={"sql": "beta"}' in str(caught.value)
    assert replace_message("sql", ("the task", None), answers, {"sql": "gamma"}) == (sql("x"), "gamma")
