"""fledge: a minimal, plugin-first Python SDK for Flyte tasks.

This is the one public door. Every name is loaded when it is first used: `import fledge` reads no environment, starts
nothing, loads no plugin and no protobuf.
"""

from __future__ import annotations

from fledge._version import __version__

TYPE_CHECKING = False  # type checkers take the name for typing's; importing that costs more than all the rest
if TYPE_CHECKING:
    from fledge.base_task import (
        DATA_CARD,
        DYNAMIC_PARTITIONS,
        MODEL_CARD,
        UNSET_CARD,
        PythonTask,
        T,
        Task,
        TaskResolverMixin,
    )
    from fledge.context import ExecutionParameters, ExecutionState, FlyteContext, FlyteContextManager, current_context
    from fledge.decks import DeckField
    from fledge.decorators import task
    from fledge.errors import FledgeError, IgnoreOutputs, NonRecoverableError, RecoverableError
    from fledge.flow import workflow
    from fledge.function import PythonFunctionTask
    from fledge.hooks.spec import HOOK_API, hookimpl
    from fledge.interface import Interface, kwtypes
    from fledge.local_config import LocalConfig
    from fledge.metadata import TaskMetadata
    from fledge.promise import Promise, VoidPromise
    from fledge.serialize import explain, task_spec, task_template
    from fledge.serialize_flow import workflow_spec
    from fledge.settings import (
        Documentation,
        FastSerializationSettings,
        Image,
        ImageConfig,
        PodTemplate,
        Resources,
        Secret,
        SerializationSettings,
    )
    from fledge.types import (
        FlyteDirectory,
        FlyteFile,
        HashMethod,
        Pickled,
        StructuredDataset,
        TypeRegistry,
        TypeTransformer,
    )

__all__ = [
    "DATA_CARD",
    "DYNAMIC_PARTITIONS",
    "HOOK_API",
    "MODEL_CARD",
    "UNSET_CARD",
    "DeckField",
    "Documentation",
    "ExecutionParameters",
    "ExecutionState",
    "FastSerializationSettings",
    "FledgeError",
    "FlyteContext",
    "FlyteContextManager",
    "FlyteDirectory",
    "FlyteFile",
    "HashMethod",
    "IgnoreOutputs",
    "Image",
    "ImageConfig",
    "Interface",
    "LocalConfig",
    "NonRecoverableError",
    "Pickled",
    "PodTemplate",
    "Promise",
    "PythonFunctionTask",
    "PythonTask",
    "RecoverableError",
    "Resources",
    "Secret",
    "SerializationSettings",
    "StructuredDataset",
    "T",
    "Task",
    "TaskMetadata",
    "TaskResolverMixin",
    "TypeRegistry",
    "TypeTransformer",
    "VoidPromise",
    "__version__",
    "current_context",
    "explain",
    "hookimpl",
    "kwtypes",
    "task",
    "task_spec",
    "task_template",
    "workflow",
    "workflow_spec",
]

_HOMES = {
    "fledge.base_task": (
        "DATA_CARD",
        "DYNAMIC_PARTITIONS",
        "MODEL_CARD",
        "PythonTask",
        "T",
        "Task",
        "TaskResolverMixin",
        "UNSET_CARD",
    ),
    "fledge.context": (
        "ExecutionParameters",
        "ExecutionState",
        "FlyteContext",
        "FlyteContextManager",
        "current_context",
    ),
    "fledge.decks": ("DeckField",),
    "fledge.decorators": ("task",),
    "fledge.errors": ("FledgeError", "IgnoreOutputs", "NonRecoverableError", "RecoverableError"),
    "fledge.flow": ("workflow",),
    "fledge.function": ("PythonFunctionTask",),
    "fledge.hooks.spec": ("HOOK_API", "hookimpl"),
    "fledge.interface": ("Interface", "kwtypes"),
    "fledge.local_config": ("LocalConfig",),
    "fledge.metadata": ("TaskMetadata",),
    "fledge.promise": ("Promise", "VoidPromise"),
    "fledge.serialize": ("explain", "task_spec", "task_template"),
    "fledge.serialize_flow": ("workflow_spec",),
    "fledge.settings": (
        "Documentation",
        "FastSerializationSettings",
        "Image",
        "ImageConfig",
        "PodTemplate",
        "Resources",
        "Secret",
        "SerializationSettings",
    ),
    "fledge.types": (
        "FlyteDirectory",
        "FlyteFile",
        "HashMethod",
        "Pickled",
        "StructuredDataset",
        "TypeRegistry",
        "TypeTransformer",
    ),
}


def __getattr__(name: str) -> object:
    for home, names in _HOMES.items():
        if name in names:
            from importlib import import_module  # noqa: PLC0415 - not a name of this door

            value: object = getattr(import_module(home), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module 'fledge' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
