"""The corpus under both SDKs, side by side: what the tests and the record script ask for.

Nothing here imports flytekit before a function that needs it is called, so that the golden tests run without it.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tests.parity.calls import calls_of
from tests.parity.container_runs import record_containers
from tests.parity.differences import Difference, Row, compare, listed_rows
from tests.parity.fledge_sdk import FledgeSdk
from tests.parity.flytekit_sdk import FlytekitSdk
from tests.parity.programs import MODULES, TOO_NEW, Copy, Sdk, load_copy
from tests.parity.recording import Recording, parse, record, record_calls
from tests.parity.values import plain

if TYPE_CHECKING:
    from fledge.idl import admin_task, admin_workflow, literals

__all__ = [
    "CONTAINERS",
    "FLEDGE",
    "FLYTEKIT",
    "STEMS",
    "compared",
    "count_messages",
    "idle",
    "recorded",
    "reread",
    "unlisted",
    "with_generated",
]

FLEDGE, FLYTEKIT = FledgeSdk(), FlytekitSdk()
CONTAINERS = "container_runs"
STEMS = [*MODULES, CONTAINERS]


@functools.cache
def recorded(sdk: Sdk, stem: str) -> Mapping[str, Recording]:
    """What an SDK makes of a module's programs, called with what is written; or what its containers leave behind."""
    if stem == CONTAINERS:
        return record_containers(sdk.name)
    copy = load_copy(sdk, stem)
    with copy.active():
        return {name: record(copy, program) for name, program in copy.programs().items()}


@functools.cache
def with_generated(sdk: Sdk, stem: str) -> Mapping[str, Recording]:
    """The same, called with what is generated as well; a container has no generated runs."""
    if stem == CONTAINERS:
        return recorded(sdk, stem)
    copy, written = load_copy(sdk, stem), recorded(sdk, stem)
    with copy.active():
        generated = {name: record_calls(copy, one, _generated(stem)[name]) for name, one in copy.programs().items()}
    return {
        name: Recording({**one.messages, **generated[name].messages}, {**one.values, **generated[name].values})
        for name, one in written.items()
    }


@functools.cache
def _generated(stem: str) -> Mapping[str, Sequence[Mapping[str, Any]]]:  # Any: as the tasks declare
    """Drawn once: both SDKs are handed the same values."""
    copy = load_copy(FLEDGE, stem)
    with copy.active():
        return {name: calls_of(program.task).examples() for name, program in copy.programs().items()}


@functools.cache
def compared(stem: str) -> tuple[Difference, ...]:
    """Every difference between the SDKs in the programs of a module, generated calls included."""
    theirs, ours = with_generated(FLYTEKIT, stem), with_generated(FLEDGE, stem)
    assert theirs.keys() == ours.keys()
    return tuple(difference for name in ours for difference in compare(name, theirs[name], ours[name]))


@functools.cache
def reread(stem: str) -> tuple[Difference, ...]:
    """Where one SDK reads in an outputs.pb, of its own or of the other, what the other does not."""
    return tuple(_reread(stem)) if stem != CONTAINERS else ()


def _reread(stem: str) -> Iterator[Difference]:
    copies = [load_copy(sdk, stem) for sdk in (FLYTEKIT, FLEDGE)]
    recordings = [with_generated(copy.sdk, stem) for copy in copies]
    for name in recordings[0]:
        for writer, recording in zip(("theirs", "ours"), recordings, strict=True):
            for place, data in recording[name].messages.items():
                if place.startswith("outputs"):
                    told = [_read(copy, name, place, data) for copy in copies]
                    if told[0] != told[1]:
                        yield Difference(name, f"read.{writer}.{place}", *told)


def _read(copy: Copy, name: str, place: str, data: bytes) -> str:
    with copy.active():
        try:
            return plain(copy.sdk.outputs(copy.programs()[name].task, parse(place, data)))
        except Exception as exc:  # noqa: BLE001 - what it raises is a finding, not the end of the comparison
            return f"raises {type(exc).__name__}"


def unlisted(differences: Iterable[Difference]) -> list[str]:
    """The differences that no row lists, as text."""
    rows = listed_rows()
    return [str(one) for one in differences if not any(row.matches(one) for row in rows)]


def idle(differences: Iterable[Difference]) -> list[str]:
    """The rows that list no difference any more, and the programs' patterns that match none.

    Programs that this Python cannot read are left to a newer one.
    """
    found = list(differences)
    readable = [
        Row(row.id, row.where, tuple(one for one in row.programs if one.partition(".")[0] not in TOO_NEW))
        for row in listed_rows()
    ]
    return [text for row in readable if row.programs for text in _idle_parts(row, found)]


def _idle_parts(row: Row, differences: list[Difference]) -> Iterator[str]:
    for pattern in row.programs:
        if not any(Row(row.id, row.where, (pattern,)).matches(one) for one in differences):
            yield f"{row.id}: {pattern}"
    for pattern in row.where:
        if not any(Row(row.id, (pattern,), row.programs).matches(one) for one in differences):
            yield f"{row.id}: {pattern}"


def count_messages(recordings: Iterable[Recording]) -> Counter[str]:
    """How many messages of each kind recordings hold, those inside others included."""
    counted: Counter[str] = Counter()
    for recording in recordings:
        for place, data in recording.messages.items():
            message = parse(place, data)
            kind = place.partition(".")[0]
            counted.update(_KINDS.get(kind, _kinds_of_map)(message))
    return counted


def _kinds_of_spec(spec: admin_task.TaskSpec) -> Counter[str]:
    interface = spec.template.interface
    variables = len(interface.inputs.variables) + len(interface.outputs.variables)
    return Counter(TaskSpec=1, TaskTemplate=1, TypedInterface=1, LiteralType=variables)


def _kinds_of_workflow(spec: admin_workflow.WorkflowSpec) -> Counter[str]:
    templates = (spec.template, *spec.sub_workflows)
    nodes = sum(len(one.nodes) + one.HasField("failure_node") for one in templates)
    return Counter(WorkflowSpec=1, WorkflowTemplate=len(templates), Node=nodes)


def _kinds_of_map(message: literals.LiteralMap) -> Counter[str]:
    return Counter(LiteralMap=1, Literal=len(message.literals))


_KINDS: Mapping[str, Callable[[Any], Counter[str]]] = {
    "spec": _kinds_of_spec,
    "workflow": _kinds_of_workflow,
}  # Any: of the kind
