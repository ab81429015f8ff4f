"""The one door to the Flyte messages: `idl.literals.Literal`, `idl.tasks.TaskTemplate`, ...

A message module, and protobuf with it, is loaded when it is first used. `import fledge` and the definition of a task
load none.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flyteidl.admin import description_entity_pb2 as admin_description
    from flyteidl.admin import task_pb2 as admin_task
    from flyteidl.admin import workflow_pb2 as admin_workflow
    from flyteidl.core import (
        artifact_id_pb2 as artifact_id,
    )
    from flyteidl.core import (
        dynamic_job_pb2 as dynamic_job,
    )
    from flyteidl.core import (
        errors_pb2 as errors,
    )
    from flyteidl.core import (
        execution_pb2 as execution,
    )
    from flyteidl.core import (
        identifier_pb2 as identifier,
    )
    from flyteidl.core import (
        interface_pb2 as interface,
    )
    from flyteidl.core import (
        literals_pb2 as literals,
    )
    from flyteidl.core import (
        security_pb2 as security,
    )
    from flyteidl.core import (
        tasks_pb2 as tasks,
    )
    from flyteidl.core import (
        types_pb2 as types,
    )
    from flyteidl.core import (
        workflow_pb2 as workflow,
    )
    from google.protobuf import json_format, struct_pb2, text_format
    from google.protobuf.message import Message

__all__ = [  # PEP 562 provides them; type checkers take what is listed here as exported
    "Message",
    "admin_description",
    "admin_task",
    "admin_workflow",
    "artifact_id",
    "deterministic_bytes",
    "dynamic_job",
    "errors",
    "execution",
    "identifier",
    "interface",
    "json_format",
    "literals",
    "security",
    "struct_pb2",
    "tasks",
    "text_format",
    "types",
    "workflow",
]

_MODULES = {
    "admin_description": "flyteidl.admin.description_entity_pb2",
    "admin_task": "flyteidl.admin.task_pb2",
    "admin_workflow": "flyteidl.admin.workflow_pb2",
    "artifact_id": "flyteidl.core.artifact_id_pb2",
    "dynamic_job": "flyteidl.core.dynamic_job_pb2",
    "errors": "flyteidl.core.errors_pb2",
    "execution": "flyteidl.core.execution_pb2",
    "identifier": "flyteidl.core.identifier_pb2",
    "interface": "flyteidl.core.interface_pb2",
    "literals": "flyteidl.core.literals_pb2",
    "security": "flyteidl.core.security_pb2",
    "tasks": "flyteidl.core.tasks_pb2",
    "types": "flyteidl.core.types_pb2",
    "workflow": "flyteidl.core.workflow_pb2",
    "json_format": "google.protobuf.json_format",
    "struct_pb2": "google.protobuf.struct_pb2",
    "text_format": "google.protobuf.text_format",
}


def __getattr__(name: str) -> object:
    if name == "Message":
        value: object = import_module("google.protobuf.message").Message
    elif name in _MODULES:
        value = import_module(_MODULES[name])
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value  # the next use is a plain attribute read
    return value


def deterministic_bytes(message: Message) -> bytes:
    """The message's bytes with sorted map keys: equal messages give equal bytes."""
    return message.SerializeToString(deterministic=True)
