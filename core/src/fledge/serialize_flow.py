"""A workflow and the settings -> WorkflowSpec: nodes, bindings, overrides and the workflows inside it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from fledge import idl
from fledge.container import PythonAutoContainerTask, add_resources, extended_resources, image_name
from fledge.errors import DefinitionError, SerializationError
from fledge.flow import PythonFunctionWorkflow
from fledge.serialize import describe
from fledge.storage import scheme_of

if TYPE_CHECKING:
    from fledge.base_task import PythonTask
    from fledge.idl import admin_workflow, identifier, literals
    from fledge.idl import workflow as messages
    from fledge.nodes import Node
    from fledge.settings import Resources, SerializationSettings

__all__ = ["tasks_of", "workflow_spec", "workflow_template"]


def workflow_spec(workflow: PythonFunctionWorkflow, settings: SerializationSettings) -> admin_workflow.WorkflowSpec:
    """flyteidl.admin.WorkflowSpec: the template, the templates of workflows inside it, each once, and the description.

    Raises:
        DefinitionError: The workflow does not compile.
    """
    spec = idl.admin_workflow.WorkflowSpec()
    _fill_template(spec.template, workflow, settings)
    for inner in _workflows_inside(workflow, {}):
        _fill_template(spec.sub_workflows.add(), inner, settings)
    describe(spec.description, workflow.docs)
    return spec


def workflow_template(workflow: PythonFunctionWorkflow, settings: SerializationSettings) -> messages.WorkflowTemplate:
    """flyteidl.core.WorkflowTemplate."""
    template = idl.workflow.WorkflowTemplate()
    _fill_template(template, workflow, settings)
    return template


def _fill_template(
    template: messages.WorkflowTemplate, workflow: PythonFunctionWorkflow, settings: SerializationSettings
) -> None:
    """In place: a copy of a long workflow costs as much as making it."""
    _identify(template.id, workflow.name, settings, is_task=False)
    template.interface.CopyFrom(workflow.interface)
    for binding in workflow.output_bindings:
        _refuse_local(binding.binding, f"workflow {workflow.name}.outputs.{binding.var}")
    template.outputs.extend(workflow.output_bindings)
    template.metadata.on_failure = workflow.failure_policy.value  # type: ignore[assignment] # the enum's wrapper
    template.metadata.SetInParent()
    template.metadata_defaults.SetInParent()
    template.metadata_defaults.interruptible = workflow.interruptible
    for node in workflow.nodes:
        _fill_node(template.nodes.add(), node, settings)
    if workflow.failure_node is not None:
        _fill_node(template.failure_node, workflow.failure_node, settings)


def tasks_of(workflow: PythonFunctionWorkflow) -> list[PythonTask[Any]]:  # Any: of any config
    """Every task that the workflow or one inside it runs, each once, in the order of first use."""
    found: dict[int, PythonTask[Any]] = {}  # Any: of any config
    for one in (workflow, *_workflows_inside(workflow, {})):
        for node in _steps(one):
            if not isinstance(node.entity, PythonFunctionWorkflow):
                entity: Any = node.entity  # Any: a task, as it is no workflow
                found.setdefault(id(entity), entity)
    return list(found.values())


def _steps(workflow: PythonFunctionWorkflow) -> Iterator[Node]:
    """Its nodes, and that of its failure handler."""
    yield from workflow.nodes
    if workflow.failure_node is not None:
        yield workflow.failure_node


def _workflows_inside(workflow: PythonFunctionWorkflow, seen: dict[int, bool]) -> Iterator[PythonFunctionWorkflow]:
    for node in _steps(workflow):
        inner = node.entity
        if isinstance(inner, PythonFunctionWorkflow) and id(inner) not in seen:
            seen[id(inner)] = True
            yield inner
            yield from _workflows_inside(inner, seen)


def _fill_node(message: messages.Node, node: Node, settings: SerializationSettings) -> None:
    assert node.entity is not None
    message.id = node.id
    message.metadata.CopyFrom(node.metadata)
    for binding in node.bindings:
        if not binding.binding.HasField("promise"):
            _refuse_local(binding.binding, f"node {node.id}, {node.entity.name}.inputs.{binding.var}")
    message.inputs.extend(node.bindings)
    message.upstream_node_ids.extend([above.id for above in node.upstream])
    for variable, alias in node.overrides.get("aliases", {}).items():
        message.output_aliases.add(var=variable, alias=alias)
    if isinstance(node.entity, PythonFunctionWorkflow):
        _identify(message.workflow_node.sub_workflow_ref, node.entity.name, settings, is_task=False)
        return
    _identify(message.task_node.reference_id, node.entity.name, settings, is_task=True)
    message.task_node.overrides.SetInParent()
    if node.overrides:
        _override(message.task_node.overrides, node, settings)


def _refuse_local(data: literals.BindingData | literals.Literal, where: str) -> None:
    """SerializationError for a constant whose data lie on this machine: nobody else could read them."""
    for uri in _uris(data):
        if scheme_of(uri) in ("", "file"):
            raise SerializationError(
                f"{where}: a constant of the workflow's body was written to {uri}, which only this machine has. "
                "Make it in a task, take it as an input of the workflow, or give its URI on shared storage"
            )


def _uris(data: literals.BindingData | literals.Literal) -> Iterator[str]:
    if data.HasField("collection"):
        inside = data.collection
        for one in inside.literals if isinstance(inside, idl.literals.LiteralCollection) else inside.bindings:
            yield from _uris(one)
    elif data.HasField("map"):
        by_key = data.map
        for one in (by_key.literals if isinstance(by_key, idl.literals.LiteralMap) else by_key.bindings).values():
            yield from _uris(one)
    elif data.HasField("scalar"):
        kind = data.scalar.WhichOneof("value")
        if kind == "union":
            yield from _uris(data.scalar.union.value)
        elif kind in ("blob", "structured_dataset"):
            yield getattr(data.scalar, kind).uri


def _override(message: messages.TaskNodeOverrides, node: Node, settings: SerializationSettings) -> None:
    given = node.overrides
    requests, limits = given.get("requests"), given.get("limits")
    if given.get("resources") is not None:
        requests, limits = given["resources"].split()
    if requests is not None or limits is not None:
        message.resources.SetInParent()
        _add_in_order(message.resources.requests, requests)
        _add_in_order(message.resources.limits, limits)
    if "container_image" in given:
        message.container_image = image_name(given["container_image"], settings)
    extended = extended_resources(given.get("accelerator"), given.get("shared_memory"))
    if extended is not None:
        message.extended_resources.CopyFrom(extended)
    if "pod_template" in given:
        _override_pod(message, node, settings)


def _override_pod(message: messages.TaskNodeOverrides, node: Node, settings: SerializationSettings) -> None:
    if not isinstance(node.entity, PythonAutoContainerTask):
        raise DefinitionError(f"node {node.id}: with_overrides(pod_template=...) needs a task that runs in a container")
    template = node.overrides["pod_template"]
    message.pod_template.CopyFrom(node.entity.pod(template, settings))
    message.pod_template.primary_container_name = template.primary_container_name


def _add_in_order(entries: Any, resources: Resources | None) -> None:  # Any: a repeated message field
    """cpu, memory, gpu, ephemeral storage: a node's order, and not that of a task."""
    add_resources(entries, resources)
    names = idl.tasks.Resources.ResourceName
    order = [names.CPU, names.MEMORY, names.GPU, names.EPHEMERAL_STORAGE]
    entries.sort(key=lambda one: order.index(one.name))


def _identify(message: identifier.Identifier, name: str, settings: SerializationSettings, *, is_task: bool) -> None:
    message.resource_type = idl.identifier.TASK if is_task else idl.identifier.WORKFLOW
    message.project, message.domain, message.name = settings.project or "", settings.domain or "", name
    message.version = settings.version or ""
