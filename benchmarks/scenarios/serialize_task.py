"""Serialize a task to its TaskTemplate's bytes (floor: the messages filled by hand)."""

from __future__ import annotations

from collections.abc import Callable

TARGET = 3.0


def floor() -> Callable[[], object]:
    from flyteidl.core.identifier_pb2 import TASK
    from flyteidl.core.tasks_pb2 import RuntimeMetadata, TaskTemplate
    from flyteidl.core.types_pb2 import INTEGER

    arguments = ["fledge-execute", "--inputs", "{{.input}}", "--output-prefix", "{{.outputPrefix}}"]
    arguments += [
        "--raw-output-data-prefix",
        "{{.rawOutputDataPrefix}}",
        "--checkpoint-path",
        "{{.checkpointOutputPrefix}}",
    ]
    arguments += [
        "--prev-checkpoint",
        "{{.prevCheckpointPrefix}}",
        "--resolver",
        "fledge.resolver.default_task_resolver",
    ]
    arguments += ["--", "task-module", "fledge_tasks", "task-name", "add"]

    def work() -> object:
        template = TaskTemplate(type="python-task")
        name = template.id
        name.resource_type = TASK
        name.project, name.domain, name.name, name.version = "p", "d", "fledge_tasks.add", "v"
        for variable in ("a", "b"):
            template.interface.inputs.variables[variable].type.simple = INTEGER
        template.interface.outputs.variables["o0"].type.simple = INTEGER
        runtime = template.metadata.runtime
        runtime.type, runtime.version, runtime.flavor = RuntimeMetadata.FLYTE_SDK, "0.1.0", "python"
        template.metadata.retries.retries = 0
        container = template.container
        container.image = "image:tag"
        container.args.extend(arguments)
        container.resources.SetInParent()
        for key, value in {
            "FLYTE_INTERNAL_PROJECT": "p",
            "FLYTE_INTERNAL_DOMAIN": "d",
            "FLYTE_INTERNAL_IMAGE": "i",
        }.items():
            pair = container.env.add()
            pair.key, pair.value = key, value
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
