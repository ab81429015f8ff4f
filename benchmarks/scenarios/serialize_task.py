"""Serialize a task to its TaskTemplate's bytes (floor: the messages filled by hand)."""

from __future__ import annotations

from collections.abc import Callable

TARGET = 3.0


def floor() -> Callable[[], object]:
    from flyteidl.core.identifier_pb2 import TASK
    from flyteidl.core.tasks_pb2 import RuntimeMetadata, TaskTemplate
    from flyteidl.core.types_pb2 import INTEGER

    from fledge import __version__

    arguments = [
        "fledge-execute",
        *("--inputs", "{{.input}}"),
        *("--output-prefix", "{{.outputPrefix}}"),
        *("--raw-output-data-prefix", "{{.rawOutputDataPrefix}}"),
        *("--checkpoint-path", "{{.checkpointOutputPrefix}}"),
        *("--prev-checkpoint", "{{.prevCheckpointPrefix}}"),
        *("--resolver", "fledge.resolver.default_task_resolver"),
        *("--", "task-module", "benchmarks.tasks.fledge_tasks", "task-name", "add"),
    ]

    def work() -> object:
        template = TaskTemplate(type="python-task")
        name = template.id
        name.resource_type = TASK
        name.project, name.domain, name.name, name.version = "p", "d", "benchmarks.tasks.fledge_tasks.add", "v"
        inputs, outputs = template.interface.inputs.variables, template.interface.outputs.variables
        for variables, key in ((inputs, "a"), (inputs, "b"), (outputs, "o0")):
            variable = variables[key]
            variable.type.simple, variable.description = INTEGER, key
        metadata = template.metadata
        runtime = metadata.runtime
        runtime.type, runtime.version, runtime.flavor = RuntimeMetadata.FLYTE_SDK, __version__, "python"
        metadata.retries.SetInParent()
        metadata.generates_deck.SetInParent()
        metadata.metadata.SetInParent()
        container = template.container
        container.image = "image:tag"
        container.args.extend(arguments)
        container.resources.SetInParent()
        container.env.add(key="FLEDGE_SERIALIZED_WITH", value=__version__)
        return template.SerializeToString(deterministic=True)

    return work


def fledge() -> Callable[[], object]:
    from benchmarks.tasks.fledge_tasks import add
    from fledge import Image, ImageConfig, SerializationSettings, task_template

    images = ImageConfig(default_image=Image("default", "image", "tag"))
    settings = SerializationSettings(project="p", domain="d", version="v", image_config=images)
    return lambda: task_template(add, settings).SerializeToString(deterministic=True)


def flytekit() -> Callable[[], object]:
    from collections import OrderedDict

    from flytekit.configuration import Image, ImageConfig, SerializationSettings
    from flytekit.tools.translator import get_serializable

    from benchmarks.tasks.flytekit_tasks import add

    images = ImageConfig(default_image=Image("default", "image", "tag"))
    settings = SerializationSettings(project="p", domain="d", version="v", image_config=images)

    def work() -> object:
        # A new cache each time: with one, the second call is a look-up.
        spec = get_serializable(OrderedDict(), settings, add)
        return spec.template.to_flyte_idl().SerializeToString(deterministic=True)

    return work
