"""fledge against what flytekit made of the same programs when it was last asked; no flytekit is needed."""

from __future__ import annotations

import functools

import pytest

from fledge.idl import admin_task
from tests.parity.comparing import FLEDGE, STEMS, idle, recorded, unlisted
from tests.parity.differences import Difference, compare, listed_rows
from tests.parity.programs import load_copy
from tests.parity.recording import Golden

WORKFLOWS = 40  # that the comparison must at least hold
HOW_TO = "run `python -m tests.parity.record` in the environment of `nox -s parity`"


@functools.cache
def golden() -> Golden:
    return Golden.read()


@functools.cache
def differences(stem: str) -> tuple[Difference, ...]:
    ours = recorded(FLEDGE, stem)
    return tuple(one for name in ours for one in compare(name, golden().programs[name], ours[name]))


@pytest.mark.parametrize("stem", STEMS)
def test_the_golden_file_covers_the_programs(stem: str) -> None:
    recorded_names = {name for name in golden().programs if name.startswith(f"{stem}.")}
    assert recorded(FLEDGE, stem).keys() == recorded_names, HOW_TO


@pytest.mark.parametrize("stem", STEMS)
def test_fledge_makes_what_flytekit_made_but_for_the_listed_differences(stem: str) -> None:
    assert unlisted(differences(stem)) == []


def test_every_listed_difference_is_one() -> None:
    assert idle(one for stem in STEMS for one in differences(stem)) == []


def test_the_rows_of_the_document_have_names_of_their_own() -> None:
    names = [row.id for row in listed_rows()]
    assert len(names) == len(set(names))
    assert len(names) >= 20


def test_a_changed_message_is_found() -> None:
    """The comparison itself: a field that is set and empty, another value, another element, all are differences."""
    name = "scalars.add"
    ours = recorded(FLEDGE, "scalars")[name]
    spec = admin_task.TaskSpec.FromString(ours.messages["spec.plain"])
    spec.template.metadata.timeout.SetInParent()
    spec.template.container.args[0] = "other"
    spec.template.interface.inputs.variables["a"].description = "other"
    spec.template.metadata.runtime.ClearField("flavor")
    changed = type(ours)({**ours.messages, "spec.plain": spec.SerializeToString(deterministic=True)}, ours.values)
    found = {one.where.removeprefix("spec.plain.template.") for one in compare(name, changed, ours)}
    assert found == {
        "metadata.timeout",
        "metadata.runtime.flavor",
        "container.args.0",
        "interface.inputs.variables.a.description",
    }


def test_the_corpus_holds_workflows() -> None:
    modules = [load_copy(FLEDGE, stem) for stem in STEMS if stem.startswith("workflow")]
    assert sum(copy.is_workflow(one) for copy in modules for one in copy.programs().values()) >= WORKFLOWS
