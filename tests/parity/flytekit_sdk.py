"""flytekit as the other side of a comparison: the one module that drives it. Nothing imports flytekit at its top."""

from __future__ import annotations

import functools
import logging
import types
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from fledge.idl import admin_task, admin_workflow, literals
    from tests.parity.settings import Deployment

__all__ = ["FlytekitSdk"]

Task = Any  # Any: flytekit is not installed where mypy runs


class FlytekitSdk:
    """The newest flytekit, as its users use it."""

    name = "flytekit"

    def door(self, module: str) -> types.ModuleType | None:
        return self._doors.get(module)

    @functools.cached_property
    def _doors(self) -> dict[str, types.ModuleType]:
        from tests.parity.flytekit_door import doors

        return doors()

    @contextmanager
    def quiet(self) -> Iterator[None]:
        with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
            warnings.simplefilter("ignore")
            logging.getLogger("flytekit").setLevel(logging.CRITICAL)
            patch.setenv("FLYTE_LOCAL_CACHE_ENABLED", "false")  # it keeps results in the home of whoever runs this
            yield

    def is_task(self, value: object) -> bool:
        from flytekit.core.base_task import PythonTask

        return isinstance(value, PythonTask)

    def is_workflow(self, value: object) -> bool:
        from flytekit.core.workflow import WorkflowBase

        return isinstance(value, WorkflowBase)

    def spec(self, task: Task, deployment: Deployment) -> admin_task.TaskSpec | admin_workflow.WorkflowSpec:
        from flytekit.tools.translator import get_serializable

        spec: admin_task.TaskSpec | admin_workflow.WorkflowSpec = get_serializable(
            OrderedDict(), _settings(deployment), task
        ).to_flyte_idl()
        return spec

    def inputs(self, task: Task, values: Mapping[str, object]) -> literals.LiteralMap:
        from flytekit.core.context_manager import FlyteContextManager
        from flytekit.core.type_engine import TypeEngine

        ctx = FlyteContextManager.current_context()
        types_of = task.python_interface.inputs
        message: literals.LiteralMap = TypeEngine.dict_to_literal_map(ctx, dict(values), types_of).to_flyte_idl()
        return message

    def run(self, task: Task, inputs: literals.LiteralMap) -> literals.LiteralMap:
        from flytekit.core.context_manager import ExecutionState, FlyteContextManager
        from flytekit.models.literals import LiteralMap

        ctx = FlyteContextManager.current_context()
        state = ctx.new_execution_state().with_params(mode=ExecutionState.Mode.LOCAL_TASK_EXECUTION)
        with FlyteContextManager.with_context(ctx.with_execution_state(state)) as inner:
            outputs: literals.LiteralMap = task.dispatch_execute(
                inner, LiteralMap.from_flyte_idl(inputs)
            ).to_flyte_idl()
        return outputs

    def outputs(self, task: Task, outputs: literals.LiteralMap) -> dict[str, object]:
        from flytekit.core.context_manager import FlyteContextManager
        from flytekit.core.type_engine import TypeEngine
        from flytekit.models.literals import LiteralMap

        ctx = FlyteContextManager.current_context()
        types_of = task.python_interface.outputs
        values = TypeEngine.literal_map_to_kwargs(ctx, LiteralMap.from_flyte_idl(outputs), types_of)
        return {name: values[name] for name in types_of}

    def call(self, task: Task, values: Mapping[str, object]) -> object:
        return task(**values)


def _settings(told: Deployment) -> Any:  # Any: flytekit's SerializationSettings
    from flytekit import Resources
    from flytekit.configuration import FastSerializationSettings, Image, ImageConfig, SerializationSettings
    from flytekit.core.resources import ResourceSpec

    default = Image(*told.default_image)
    return SerializationSettings(
        project="flights",
        domain="development",
        version="v1",
        # flytekit looks the default image up among the images too
        image_config=ImageConfig(default, [default, *(Image(*image) for image in told.images)]),
        env=dict(told.env),
        default_resources=ResourceSpec(Resources(**told.default_resources), Resources())
        if told.default_resources
        else None,
        fast_serialization_settings=FastSerializationSettings(True, *told.fast) if told.fast else None,
    )
