"""What one SDK makes of one program: its messages, as bytes that two SDKs may be compared by, and its local results.

In: a copy of a corpus module. Out: a `Recording` per program, the golden file among their sources.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fledge import idl
from tests.parity.calls import calls_of
from tests.parity.programs import Copy, Program, load_copy
from tests.parity.settings import SETTINGS
from tests.parity.values import carried, plain

if TYPE_CHECKING:
    from fledge.idl import admin_task, admin_workflow

__all__ = ["GOLDEN", "Golden", "Recording", "parse", "record", "record_calls"]

GOLDEN = Path(__file__).with_name("golden.json")

# The only three things that are not compared: who made it (also in a variable of the container), where its resolver
# lives and what its commands are called.
SPELLINGS = {
    "pyflyte-execute": "fledge-execute",
    "pyflyte-fast-execute": "fledge-fast-execute",
    "flytekit.core.python_auto_container.default_task_resolver": "fledge.resolver.default_task_resolver",
}


@dataclass
class Recording:
    """Messages by place (`spec.plain`, `workflow.plain`, `inputs.0`, `outputs.0`) and results as text (`value.0`)."""

    messages: dict[str, bytes] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)


def record(copy: Copy, program: Program) -> Recording:
    """Serialize the program with the settings of its module and run it with the calls written beside it."""
    recording = Recording()
    if copy.is_observation(program):
        recording.values["value"] = _told(lambda: plain(program.task(copy.sdk)))
        return recording
    for name in copy.settings:
        _record_spec(copy, program, name, recording)
    for number, call in enumerate(calls_of(program.task).written):
        _record_call(copy, program, str(number), call, recording)
    return recording


def record_calls(copy: Copy, program: Program, calls: Sequence[Mapping[str, Any]]) -> Recording:  # Any: of the task
    """Run the program with calls that were generated, for whichever SDK."""
    recording = Recording()
    for number, call in enumerate(calls):
        _record_call(copy, program, f"g{number}", carried(call, copy.module), recording)
    return recording


def _record_spec(copy: Copy, program: Program, settings: str, recording: Recording) -> None:
    """A copy of the module for each of the settings: flytekit's tasks remember those they were serialized with."""
    fresh = load_copy(copy.sdk, copy.stem, settings)
    with fresh.active():
        task = fresh.programs()[program.name].task

        def run() -> str:
            spec = copy.sdk.spec(task, SETTINGS[settings])
            place = "workflow" if copy.is_workflow(program) else "spec"
            recording.messages[f"{place}.{settings}"] = idl.deterministic_bytes(_NORMALISED[place](spec))
            return "serialized"

        recording.values[f"told.{settings}"] = _told(run)


def _record_call(copy: Copy, program: Program, number: str, call: Mapping[str, Any], recording: Recording) -> None:
    sdk, task = copy.sdk, program.task
    recording.values[f"call.{number}"] = plain(call)

    def run() -> str:
        inputs = sdk.inputs(task, call)
        recording.messages[f"inputs.{number}"] = idl.deterministic_bytes(inputs)
        outputs = sdk.run(task, inputs)
        recording.messages[f"outputs.{number}"] = idl.deterministic_bytes(outputs)
        recording.values[f"read.{number}"] = _told(lambda: plain(sdk.outputs(task, outputs)))
        return plain(sdk.call(task, call))

    recording.values[f"value.{number}"] = _told(
        (lambda: plain(sdk.call(task, call))) if copy.is_workflow(program) else run
    )


def _told(run: Callable[[], str]) -> str:
    """A result, or which builtin class would catch what was raised instead."""
    try:
        return run()
    except Exception as exc:  # noqa: BLE001 - both SDKs may raise whatever they like; it is compared
        caught = next(cls for cls in type(exc).__mro__ if cls.__module__ == "builtins")
        return f"raises {caught.__name__}"


def parse(place: str, data: bytes) -> Any:  # Any: a TaskSpec, a WorkflowSpec or a LiteralMap
    """The message of a place of a recording."""
    kinds = {"spec": idl.admin_task.TaskSpec, "workflow": idl.admin_workflow.WorkflowSpec}
    message = kinds.get(place.partition(".")[0], idl.literals.LiteralMap)()
    message.ParseFromString(data)
    return message


def _normalised(spec: admin_task.TaskSpec) -> admin_task.TaskSpec:
    copy = idl.admin_task.TaskSpec()
    copy.CopyFrom(spec)
    template = copy.template
    assert template.metadata.runtime.version
    template.metadata.runtime.version = ""
    if template.HasField("container"):
        _drop_version(template.container.env)
        args = [SPELLINGS.get(arg, arg) for arg in template.container.args]
        del template.container.args[:]
        template.container.args.extend(args)
    if template.HasField("k8s_pod"):
        for container in template.k8s_pod.pod_spec.fields["containers"].list_value.values:
            _drop_version_of_pod(container.struct_value)
            for arg in (
                container.struct_value.fields["args"].list_value.values
                if "args" in container.struct_value.fields
                else ()
            ):
                arg.string_value = SPELLINGS.get(arg.string_value, arg.string_value)
    return copy


def _drop_version(env: Any) -> None:  # Any: a repeated field or a list of a Struct
    """The version once more, where a container can read it."""
    kept = [one for one in env if (one.key if hasattr(one, "key") else one["name"]) != "FLEDGE_SERIALIZED_WITH"]
    del env[:]
    env.extend(kept)


def _drop_version_of_pod(container: Any) -> None:  # Any: a Struct
    if "env" in container:
        _drop_version(container["env"])


def _normalised_workflow(spec: admin_workflow.WorkflowSpec) -> admin_workflow.WorkflowSpec:
    """flytekit lists upstream nodes as a set does, and workflows inside by their text: both are sorted here."""
    copy = idl.admin_workflow.WorkflowSpec()
    copy.CopyFrom(spec)
    inside = sorted(copy.sub_workflows, key=lambda one: one.id.name)
    del copy.sub_workflows[:]
    copy.sub_workflows.extend(inside)
    for template in (copy.template, *copy.sub_workflows):
        for node in template.nodes:
            node.upstream_node_ids.sort()
            for container in (
                node.task_node.overrides.pod_template.pod_spec.fields["containers"].list_value.values
                if (node.task_node.overrides.HasField("pod_template"))
                else ()
            ):
                _drop_version_of_pod(container.struct_value)
                for arg in container.struct_value.fields["args"].list_value.values:
                    arg.string_value = SPELLINGS.get(arg.string_value, arg.string_value)
    return copy


_NORMALISED: Mapping[str, Callable[[Any], Any]] = {  # Any: a spec of the place's kind
    "spec": _normalised,
    "workflow": _normalised_workflow,
}


@dataclass(frozen=True)
class Golden:
    """What flytekit made of the corpus when it was last asked, normalised. `version` is that flytekit's."""

    version: str
    programs: Mapping[str, Recording]

    @classmethod
    def read(cls) -> Golden:
        told = json.loads(GOLDEN.read_text(encoding="utf-8"))
        return cls(
            told["flytekit"],
            {
                name: Recording(
                    {place: base64.b64decode(text) for place, text in one["messages"].items()}, one["values"]
                )
                for name, one in told["programs"].items()
            },
        )

    def write(self) -> None:
        programs = {
            name: {
                "messages": {place: base64.b64encode(data).decode() for place, data in one.messages.items()},
                "values": one.values,
            }
            for name, one in sorted(self.programs.items())
        }
        text = json.dumps({"flytekit": self.version, "programs": programs}, indent=1, ensure_ascii=False)
        GOLDEN.write_text(text + "\n", encoding="utf-8")
