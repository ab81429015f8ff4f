"""flytekit under fledge's names: what a program of the corpus gets for `from fledge import ...` on the other side.

Names only are translated here: a keyword that flytekit spells otherwise, or a message where flytekit wants its model of
it. Behaviour is never touched, it is what the comparison is about.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from typing import Any

from fledge import idl
from tests.parity.plugin_types import CARRIED, Carried

__all__ = ["doors"]

Options = dict[str, Any]  # Any: the options of flytekit's functions


def doors() -> dict[str, types.ModuleType]:
    """One module for each of fledge's that the corpus imports from. Imports flytekit."""
    import flytekit
    from flytekit.core.base_task import DATA_CARD, DYNAMIC_PARTITIONS, MODEL_CARD, UNSET_CARD, IgnoreOutputs, Task
    from flytekit.core.class_based_resolver import ClassStorageTaskResolver
    from flytekit.core.context_manager import ExecutionParameters
    from flytekit.core.interface import Interface
    from flytekit.core.promise import VoidPromise
    from flytekit.core.python_function_task import PythonFunctionTask
    from flytekit.deck import DeckField
    from flytekit.exceptions.user import FlyteRecoverableException
    from flytekit.extras.accelerators import GPUAccelerator
    from flytekitplugins import kfpytorch

    fledge = _module(
        "fledge",
        DATA_CARD=DATA_CARD,
        DYNAMIC_PARTITIONS=DYNAMIC_PARTITIONS,
        MODEL_CARD=MODEL_CARD,
        UNSET_CARD=UNSET_CARD,
        DeckField=DeckField,
        Documentation=_documentation,
        ExecutionParameters=ExecutionParameters,
        FlyteDirectory=flytekit.FlyteDirectory,
        FlyteFile=flytekit.FlyteFile,
        HashMethod=flytekit.HashMethod,
        IgnoreOutputs=IgnoreOutputs,
        Interface=Interface,
        Pickled="pickled",
        PodTemplate=_pod_template,
        PythonFunctionTask=PythonFunctionTask,
        PythonTask=_python_task(),
        RecoverableError=FlyteRecoverableException,
        Resources=flytekit.Resources,
        Secret=flytekit.Secret,
        StructuredDataset=flytekit.StructuredDataset,
        Task=Task,
        TaskMetadata=flytekit.TaskMetadata,
        VoidPromise=VoidPromise,
        current_context=flytekit.current_context,
        idl=idl,
        kwtypes=flytekit.kwtypes,
        task=_task,
        workflow=flytekit.workflow,
    )
    flow = _module("fledge.flow", WorkflowFailurePolicy=flytekit.WorkflowFailurePolicy)
    devices = _module("tests.parity.devices", device=GPUAccelerator)
    distributed = _module(
        "fledge_distributed",
        **{name: getattr(kfpytorch, name) for name in ("Elastic", "Master", "PyTorch", "Worker")},
    )
    resolver = _module("fledge.resolver", ClassBasedResolver=ClassStorageTaskResolver)
    carried = _module("tests.parity.plugin_types", **_plugin_types())
    return {module.__name__: module for module in (fledge, resolver, distributed, flow, devices, carried)}


def _module(name: str, **names: object) -> types.ModuleType:
    module = types.ModuleType(name)
    module.__dict__.update(names)
    return module


def _plugin_types() -> dict[str, type]:
    """The classes that a plugin brings, with flytekit's transformers for them."""
    from flytekit.core.type_engine import TypeEngine, TypeTransformer

    class CarryingTransformer(TypeTransformer[Any]):  # type: ignore[misc,unused-ignore] # Any: the class it was made for
        def __init__(self, carried: Carried) -> None:
            super().__init__(carried.name, carried.python_type)
            self.carried = carried

        def get_literal_type(self, t: Any) -> Any:  # Any: a type, flytekit's model
            return TypeEngine.to_literal_type(self.carried.carrier)

        def to_literal(self, ctx: Any, python_val: Any, python_type: Any, expected: Any) -> Any:  # Any: as flytekit's
            return TypeEngine.to_literal(ctx, self.carried.to_carrier(python_val), self.carried.carrier, expected)

        def to_python_value(self, ctx: Any, lv: Any, expected_python_type: Any) -> Any:  # Any: as flytekit's
            return self.carried.from_carrier(TypeEngine.to_python_value(ctx, lv, self.carried.carrier))

    for carried in CARRIED:
        TypeEngine.register(CarryingTransformer(carried))
    return {carried.python_type.__name__: carried.python_type for carried in CARRIED}


def _task(function: Callable[..., Any] | None = None, **options: Any) -> Any:  # Any: what flytekit.task takes and gives
    """flytekit.task; a device's name becomes its accelerator object."""
    import flytekit
    from flytekit.extras.accelerators import BaseAccelerator, GPUAccelerator

    class Given(BaseAccelerator[Any]):  # Any: the type of the message
        """Any message as an accelerator: flytekit has a class per device."""

        def __init__(self, message: Any) -> None:  # Any: a GPUAccelerator message
            self.message = message

        def to_flyte_idl(self) -> Any:  # Any: a GPUAccelerator message
            return self.message

    accelerator = options.get("accelerator")
    if accelerator is not None:
        options["accelerator"] = GPUAccelerator(accelerator) if isinstance(accelerator, str) else Given(accelerator)
    return flytekit.task(function, **options)


def _pod_template(pod_spec: Mapping[str, Any] | None = None, **options: Any) -> Any:  # Any: JSON, and flytekit's class
    """flytekit.PodTemplate, with the pod spec as the Kubernetes client's object."""
    import flytekit
    from kubernetes.client import ApiClient

    # The public method takes text in some versions of the client and a response in others; both end here.
    read: Callable[[object, str], Any] = getattr(ApiClient(), "_ApiClient__deserialize")  # noqa: B009 - a mangled name
    spec = read({"containers": [], **(pod_spec or {})}, "V1PodSpec")
    return flytekit.PodTemplate(pod_spec=spec, **options)


def _documentation(
    short_description: str | None = None, long_description: str | None = None, source_code: str | None = None
) -> Any:  # Any: flytekit's model
    from flytekit.models.documentation import Description, Documentation, SourceCode

    return Documentation(
        short_description=short_description,
        long_description=Description(value=long_description) if long_description else None,
        source_code=SourceCode(link=source_code) if source_code else None,
    )


def _python_task() -> type:
    """flytekit.PythonTask whose children may give messages where flytekit takes its models of them."""
    from flytekit.core import base_task
    from flytekit.models import security
    from flytekit.models import task as models

    readers = {"get_sql": models.Sql, "get_container": models.Container, "get_k8s_pod": models.K8sPod}

    class PythonTask(base_task.PythonTask[base_task.T]):  # type: ignore[misc,unused-ignore] # flytekit is not installed where mypy runs
        def __init_subclass__(cls, **kwargs: Any) -> None:  # Any: as object's
            super().__init_subclass__(**kwargs)
            for name, model in readers.items():
                if name in vars(cls):
                    setattr(cls, name, _reading(vars(cls)[name], model))

        def __init__(self, *args: Any, **kwargs: Any) -> None:  # Any: as flytekit's
            given = kwargs.get("security_ctx")
            if given is not None:
                kwargs["security_ctx"] = security.SecurityContext.from_flyte_idl(given)
            super().__init__(*args, **kwargs)

    return PythonTask


def _reading(method: Callable[..., Any], model: Any) -> Callable[..., Any]:  # Any: a hook and flytekit's model class
    def read(self: Any, settings: Any) -> Any:  # Any: a task, flytekit's settings, a model
        message = method(self, settings)
        return None if message is None else model.from_flyte_idl(message)

    return read
