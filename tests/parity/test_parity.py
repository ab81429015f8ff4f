"""fledge against the newest flytekit, both in this process: all programs, written and generated calls, both readers."""

from __future__ import annotations

from importlib.metadata import version

import pytest

from tests.parity.comparing import (
    CONTAINERS,
    FLEDGE,
    FLYTEKIT,
    STEMS,
    compared,
    count_messages,
    idle,
    recorded,
    reread,
    unlisted,
    with_generated,
)
from tests.parity.programs import MODULES, load_copy
from tests.parity.recording import Golden
from tests.parity.tally import TALLY

MOST = 150  # programs that the comparison must at least hold


@pytest.mark.parametrize("stem", STEMS)
def test_programs_agree_but_for_the_listed_differences(stem: str) -> None:
    found = unlisted(compared(stem))
    ours = with_generated(FLEDGE, stem)
    TALLY.unlisted += len(found)
    TALLY.messages += count_messages(ours.values())
    if stem == CONTAINERS:
        TALLY.container_runs += len(ours)
    else:
        copy = load_copy(FLEDGE, stem)
        observations = sum(map(copy.is_observation, copy.programs().values()))
        TALLY.observations += observations
        TALLY.programs += len(ours) - observations
    assert found == []


@pytest.mark.parametrize("stem", STEMS)
def test_each_reads_in_an_outputs_pb_of_the_other_what_the_other_reads(stem: str) -> None:
    assert unlisted(reread(stem)) == []


def test_every_listed_difference_is_one_today() -> None:
    assert idle(one for stem in STEMS for one in (*compared(stem), *reread(stem))) == []


def test_the_corpus_is_large_enough() -> None:
    copies = [load_copy(FLEDGE, stem) for stem in MODULES]
    tasks = [one for copy in copies for one in copy.programs().values() if not copy.is_observation(one)]
    assert len(tasks) >= MOST


@pytest.mark.parametrize("stem", STEMS)
def test_the_golden_file_is_what_flytekit_makes_today(stem: str) -> None:
    told = f"flytekit {version('flytekit')}: run `python -m tests.parity.record` and look at the difference"
    golden = Golden.read()
    for name, recording in recorded(FLYTEKIT, stem).items():
        assert golden.programs[name] == recording, told
