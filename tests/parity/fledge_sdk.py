"""fledge as one side of a comparison: the programs as they stand."""

from __future__ import annotations

import types
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from fledge import (
    FastSerializationSettings,
    FlyteContext,
    FlyteContextManager,
    Image,
    ImageConfig,
    PythonTask,
    Resources,
    SerializationSettings,
    idl,
    task_spec,
    workflow_spec,
)
from fledge.flow import PythonFunctionWorkflow

if TYPE_CHECKING:
    from fledge.idl import admin_task, admin_workflow, literals
    from tests.parity.settings import Deployment

__all__ = ["FledgeSdk"]

Task = PythonTask[Any]  # Any: of any config


class FledgeSdk:
    """fledge, of this checkout."""

    name = "fledge"

    def door(self, module: str) -> types.ModuleType | None:
        return None

    def quiet(self) -> AbstractContextManager[None]:
        return nullcontext()

    def is_task(self, value: object) -> bool:
        return isinstance(value, PythonTask)

    def is_workflow(self, value: object) -> bool:
        return isinstance(value, PythonFunctionWorkflow)

    def spec(
        self, task: Task | PythonFunctionWorkflow, deployment: Deployment
    ) -> admin_task.TaskSpec | admin_workflow.WorkflowSpec:
        settings = _settings(deployment)
        return workflow_spec(task, settings) if isinstance(task, PythonFunctionWorkflow) else task_spec(task, settings)

    def inputs(self, task: Task, values: Mapping[str, object]) -> literals.LiteralMap:
        ctx = _context()
        converters = task.python_interface.compile(ctx.registry).inputs
        message = idl.literals.LiteralMap()
        for name, value in task.python_interface.bind(task.name, (), dict(values)).items():
            message.literals[name].CopyFrom(converters[name].to_literal(value, ctx.storage, name))
        return message

    def run(self, task: Task, inputs: literals.LiteralMap) -> literals.LiteralMap:
        return task.dispatch_execute(_context(), inputs)

    def outputs(self, task: Task, outputs: literals.LiteralMap) -> dict[str, object]:
        ctx = _context()
        converters = task.python_interface.compile(ctx.registry).outputs
        return {name: converters[name].to_python(outputs.literals[name], ctx.storage, name) for name in converters}

    def call(self, task: Task, values: Mapping[str, object]) -> object:
        return task(**values)


def _context() -> FlyteContext:
    ctx = FlyteContextManager.current_context()
    ctx.plugins.load()
    return ctx


def _settings(told: Deployment) -> SerializationSettings:
    return SerializationSettings(
        project="flights",
        domain="development",
        version="v1",
        image_config=ImageConfig(Image(*told.default_image), tuple(Image(*image) for image in told.images)),
        env=told.env,
        default_resources=Resources(**told.default_resources) if told.default_resources else None,
        fast_serialization_settings=FastSerializationSettings(True, *told.fast) if told.fast else None,
    )
