"""A chain of nodes, from the decorator to the bytes of its WorkflowSpec, as each contestant makes it."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["fledge", "floor", "flytekit"]


def floor(count: int) -> Callable[[], object]:
    """The messages filled by hand, every field that fledge fills."""
    from flyteidl.admin.description_entity_pb2 import DESCRIPTION_FORMAT_RST
    from flyteidl.admin.workflow_pb2 import WorkflowSpec
    from flyteidl.core.identifier_pb2 import TASK, WORKFLOW, Identifier
    from flyteidl.core.types_pb2 import INTEGER

    def name_it(target: Identifier, kind: int, name: str) -> None:
        target.resource_type = kind  # type: ignore[assignment] # the enum's wrapper
        target.project, target.domain, target.name, target.version = "p", "d", name, "v"

    def work() -> object:
        spec = WorkflowSpec()
        template = spec.template
        name_it(template.id, WORKFLOW, "benchmarks.tasks.chains.fledge.work.chain")
        for variables, name in (
            (template.interface.inputs.variables, "x"),
            (template.interface.outputs.variables, "o0"),
        ):
            variable = variables[name]
            variable.type.simple, variable.description = INTEGER, name
        template.metadata.on_failure = 0  # type: ignore[assignment] # the enum's wrapper
        template.metadata_defaults.interruptible = False
        add_node, above, variable_above = template.nodes.add, "", "x"
        for number in range(count):
            node = add_node()
            node.id = node_id = f"n{number}"
            node.metadata.name = "add"
            node.metadata.retries.SetInParent()
            binding = node.inputs.add()
            binding.var = "a"
            binding.binding.promise.node_id, binding.binding.promise.var = above, variable_above
            binding = node.inputs.add()
            binding.var = "b"
            binding.binding.scalar.primitive.integer = 1
            if above:
                node.upstream_node_ids.append(above)
            name_it(node.task_node.reference_id, TASK, "benchmarks.tasks.fledge_tasks.add")
            node.task_node.overrides.SetInParent()
            above, variable_above = node_id, "o0"
        output = template.outputs.add()
        output.var = "o0"
        output.binding.promise.node_id, output.binding.promise.var = above, variable_above
        spec.description.long_description.format = DESCRIPTION_FORMAT_RST
        return spec.SerializeToString(deterministic=True)

    return work


def fledge(count: int) -> Callable[[], object]:
    from benchmarks.tasks.fledge_tasks import add
    from fledge import SerializationSettings, workflow, workflow_spec

    settings = SerializationSettings(project="p", domain="d", version="v")

    def work() -> object:
        @workflow
        def chain(x: int) -> int:
            for _ in range(count):
                x = add(a=x, b=1)
            return x

        return workflow_spec(chain, settings).SerializeToString(deterministic=True)

    return work


def flytekit(count: int) -> Callable[[], object]:
    from collections import OrderedDict

    from flytekit import workflow
    from flytekit.configuration import Image, ImageConfig, SerializationSettings
    from flytekit.tools.translator import get_serializable

    from benchmarks.tasks.flytekit_tasks import add, forget

    images = ImageConfig(default_image=Image("default", "image", "tag"))
    settings = SerializationSettings(project="p", domain="d", version="v", image_config=images)

    def work() -> object:
        forget()

        @workflow  # type: ignore[untyped-decorator] # flytekit is in an environment of its own
        def chain(x: int) -> int:
            for _ in range(count):
                x = add(a=x, b=1)
            return x

        return get_serializable(OrderedDict(), settings, chain).to_flyte_idl().SerializeToString(deterministic=True)

    return work
