"""The container a task asks for: image, resources, environment and the command line that finds the task again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from fledge import idl
from fledge._version import __version__
from fledge.base_task import PythonTask, T, TaskResolverMixin
from fledge.errors import DefinitionError, MetadataError, SerializationError
from fledge.lazy import lazy
from fledge.metadata import TaskMetadata
from fledge.resolver import default_task_resolver

if TYPE_CHECKING:
    from fledge import settings as configuration
    from fledge.idl import tasks
    from fledge.settings import Image, PodTemplate, Resources, Secret, SerializationSettings
else:
    configuration = lazy("fledge.settings")

__all__ = ["PythonAutoContainerTask", "add_resources", "container_args", "extended_resources", "image_name"]

PRIMARY_CONTAINER_KEY = "primary_container_name"
_TEMPLATE = re.compile(r"\{\{\s*\.images?\.([a-zA-Z0-9_-]+)(?:\.(fqn|version))?\s*\}\}")


class PythonAutoContainerTask(PythonTask[T]):
    """A task that a container runs through `fledge-execute`.

    Args:
        container_image: Image name, possibly with `{{.image.<name>.fqn}}:{{.image.<name>.version}}`; None: the default.
        requests, limits: What the container asks for and may use.
        resources: Both at once; a pair means (request, limit).
        secret_requests: Secrets to mount.
        pod_template: A pod around the container.
        pod_template_name: A PodTemplate of the cluster.
        accelerator: Device name of a GPU (e.g. "nvidia-tesla-a100") or a GPUAccelerator message.
        shared_memory: True for the node's default, or a size such as "1Gi".
        task_resolver: How the container finds the task; default: module and variable.
        labels, annotations: Of the task's pods.
    """

    def __init__(
        self,
        name: str,
        task_config: T | None = None,
        task_type: str = "python-task",
        *,
        container_image: str | Image | None = None,
        requests: Resources | None = None,
        limits: Resources | None = None,
        resources: Resources | None = None,
        secret_requests: Iterable[Secret] | None = None,
        pod_template: PodTemplate | None = None,
        pod_template_name: str | None = None,
        accelerator: str | tasks.GPUAccelerator | None = None,
        shared_memory: bool | str | None = None,
        task_resolver: TaskResolverMixin | None = None,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        **kwargs: Any,  # Any: passed on to PythonTask, which refuses unknown names
    ) -> None:
        self._requests, self._limits = _requests_and_limits(name, requests, limits, resources)
        if container_image is not None and not isinstance(container_image, (str, configuration.Image)):
            raise DefinitionError(
                f"task {name}: container_image={container_image!r} names no image. Write 'registry/repo:tag'"
            )
        self._secrets = _checked_secrets(name, secret_requests)
        self._container_image = container_image
        self._pod_template = pod_template
        self._accelerator = accelerator
        self._shared_memory = shared_memory
        self._task_resolver = task_resolver if task_resolver is not None else default_task_resolver
        kwargs["metadata"] = _with_pod_fields(name, kwargs.get("metadata"), pod_template_name, labels, annotations)
        super().__init__(task_type, name, task_config, **kwargs)

    @property
    def task_resolver(self) -> TaskResolverMixin:
        return self._task_resolver

    @property
    def container_image(self) -> str | Image | None:
        return self._container_image

    @property
    def pod_template(self) -> PodTemplate | None:
        return self._pod_template

    @property
    def security_context(
        self,
    ) -> Any:  # Any: idl.security.SecurityContext | None; messages are typed where they are made
        """The one given, else the requested secrets."""
        if self._security_ctx is not None or not self._secrets:
            return self._security_ctx
        return idl.security.SecurityContext(secrets=[secret.to_message() for secret in self._secrets])

    def get_command(self, settings: SerializationSettings) -> list[str]:
        """The command line of the container; the platform fills in the parts in double braces."""
        return container_args(self, settings)

    def get_container(self, settings: SerializationSettings) -> tasks.Container | None:
        """None when the task has a pod template: the container is then part of the pod."""
        return None if self._pod_template is not None else self._container(settings)

    def get_k8s_pod(self, settings: SerializationSettings) -> tasks.K8sPod | None:
        return None if self._pod_template is None else self.pod(self._pod_template, settings)

    def pod(self, template: PodTemplate, settings: SerializationSettings) -> tasks.K8sPod:
        """The template with this task's container in it."""
        message = idl.tasks.K8sPod()
        message.metadata.SetInParent()
        message.metadata.labels.update(template.labels or {})
        message.metadata.annotations.update(template.annotations or {})
        message.pod_spec.update(_merged_pod_spec(template, self._container(settings), settings))
        return message

    def get_config(self, settings: SerializationSettings) -> Mapping[str, str] | None:  # noqa: ARG002 - the hook's signature
        return (
            {PRIMARY_CONTAINER_KEY: self._pod_template.primary_container_name}
            if self._pod_template is not None
            else None
        )

    def get_extended_resources(self, settings: SerializationSettings) -> tasks.ExtendedResources | None:  # noqa: ARG002 - the hook's signature
        return extended_resources(self._accelerator, self._shared_memory)

    def _container(self, settings: SerializationSettings) -> tasks.Container:
        requests = self._requests
        if _asks_nothing(requests) and _asks_nothing(self._limits):
            requests = settings.default_resources
        message = idl.tasks.Container(
            image=image_name(self._container_image, settings), args=self.get_command(settings)
        )
        message.resources.SetInParent()
        if requests is not None:
            add_resources(message.resources.requests, requests)
        if self._limits is not None:
            add_resources(message.resources.limits, self._limits)
        for key, value in {**settings.env, **self._environment}.items():
            message.env.add(key=key, value=value)
        # The template's metadata says it as well, but a container does not see that.
        message.env.add(key="FLEDGE_SERIALIZED_WITH", value=__version__)
        return message


def container_args(
    task: PythonAutoContainerTask[Any], settings: SerializationSettings
) -> list[str]:  # Any: of any config
    """`fledge-execute ... --resolver LOCATION -- ARGS`; for fast registration behind `fledge-fast-execute ... --`.

    Source: the platform replaces the templates; argument names as flytekit's entrypoint takes them.
    """
    args = [
        "fledge-execute",
        *("--inputs", "{{.input}}"),
        *("--output-prefix", "{{.outputPrefix}}"),
        *("--raw-output-data-prefix", "{{.rawOutputDataPrefix}}"),
        *("--checkpoint-path", "{{.checkpointOutputPrefix}}"),
        *("--prev-checkpoint", "{{.prevCheckpointPrefix}}"),
        *("--resolver", task.task_resolver.location),
        "--",
        *task.task_resolver.loader_args(settings, task),
    ]
    fast = settings.fast_serialization_settings
    if fast is None or not fast.enabled:
        return args
    return [
        "fledge-fast-execute",
        *("--additional-distribution", fast.distribution_location or "{{ .remote_package_path }}"),
        *("--dest-dir", fast.destination_dir or "{{ .dest_dir }}"),
        "--",
        *args,
    ]


def image_name(image: str | Image | None, settings: SerializationSettings) -> str:
    """The image's full name: templates filled from the settings' images, None is the default image.

    Raises:
        SerializationError: A template names an image that the settings do not have.
    """
    config = settings.image_config
    if not image:
        return config.default_image.full if config.default_image is not None else ""
    if isinstance(image, configuration.Image):
        return image.full

    def fill(match: re.Match[str]) -> str:
        name, part = match.group(1), match.group(2)
        found = config.find(name)
        if found is None:
            known = ", ".join(one.name for one in config.images) or "none"
            raise SerializationError(f"image {image!r}: the settings have no image {name!r} (they have: {known})")
        return {"fqn": found.fqn, "version": found.version or "", None: found.full}[part]

    filled = _TEMPLATE.sub(fill, image)
    if "{{" in filled:
        raise SerializationError(
            f"image {image!r}: {filled!r} is not filled in. Write {{{{.image.NAME.fqn}}}}:{{{{.image.NAME.version}}}}"
        )
    head, colon, version = filled.partition(":sha256:")
    return f"{head}@sha256:{version}" if colon else filled


def _asks_nothing(resources: Resources | None) -> bool:
    return resources is None or resources == configuration.Resources()


def _checked_secrets(task_name: str, secrets: Iterable[Secret] | None) -> tuple[Secret, ...]:
    checked = tuple(secrets or ())
    for secret in checked:
        if not isinstance(secret, configuration.Secret):
            raise DefinitionError(
                f"task {task_name}: secret_requests holds {secret!r}. Write Secret(group=..., key=...)"
            )
    return checked


def _requests_and_limits(
    name: str, requests: Resources | None, limits: Resources | None, resources: Resources | None
) -> tuple[Resources | None, Resources | None]:
    """What a task's three arguments say together. DefinitionError when they do not fit."""
    for what, given in (("requests", requests), ("limits", limits), ("resources", resources)):
        if given is not None and not isinstance(given, configuration.Resources):
            raise DefinitionError(f"task {name}: {what}={given!r} must be Resources. Write {what}=Resources(cpu='1')")
        if given is not None and what != "resources" and any(isinstance(pair, tuple) for pair in vars(given).values()):
            raise DefinitionError(
                f"task {name}: {what} takes single values; pairs (request, limit) belong in resources="
            )
    if resources is not None:
        if requests is not None or limits is not None:
            raise DefinitionError(f"task {name}: give either resources or requests and limits")
        requests, limits = resources.split()
    above = requests.exceeding(limits) if requests is not None and limits is not None else ""
    if above:
        asked, limit = getattr(requests, above), getattr(limits, above)
        raise DefinitionError(
            f"task {name}: it requests {above}={asked!r}, above the limit of {limit!r}. Raise the limit"
        )
    return requests, limits


def _with_pod_fields(
    name: str,
    metadata: TaskMetadata | None,
    pod_template_name: str | None,
    labels: Mapping[str, str] | None,
    annotations: Mapping[str, str] | None,
) -> TaskMetadata | None:
    """Arguments of the task win over the same fields of its metadata; arguments not given change nothing."""
    given = {"pod_template_name": pod_template_name, "labels": labels, "annotations": annotations}
    changes: dict[str, Any] = {k: value for k, value in given.items() if value is not None}  # Any: a type per field
    try:
        return (metadata or TaskMetadata()).changed(**changes) if changes else metadata
    except MetadataError as exc:
        raise MetadataError(exc.field, exc.value, exc.reason, name) from None


def extended_resources(
    accelerator: str | tasks.GPUAccelerator | None, shared_memory: bool | str | None
) -> tasks.ExtendedResources | None:
    """Accelerator and shared memory as the IDL's message; None when neither is asked for."""
    if accelerator is None and not shared_memory:
        return None
    message = idl.tasks.ExtendedResources()
    if isinstance(accelerator, str):
        message.gpu_accelerator.device = accelerator
    elif accelerator is not None:
        message.gpu_accelerator.CopyFrom(accelerator)
    if shared_memory:
        message.shared_memory.mount_name = "flyte-shared-memory"
        message.shared_memory.mount_path = "/dev/shm"  # noqa: S108 - the mount's fixed place, not a temporary file
        if isinstance(shared_memory, str):
            message.shared_memory.size_limit = shared_memory
    return message


def add_resources(entries: Any, resources: Resources | None) -> None:  # Any: a repeated message field
    """Ephemeral storage, cpu, gpu, memory: the order and numbers of the IDL's ResourceName."""
    if resources is None:
        return
    names = idl.tasks.Resources.ResourceName
    for number, value in (
        (names.EPHEMERAL_STORAGE, resources.ephemeral_storage),
        (names.CPU, resources.cpu),
        (names.GPU, resources.gpu),
        (names.MEMORY, resources.mem),
    ):
        if value:
            entries.add(name=number, value=str(value))


def _merged_pod_spec(
    template: PodTemplate, container: tasks.Container, settings: SerializationSettings
) -> dict[str, Any]:
    """The template's pod spec with our command, resources and environment in its primary container."""
    spec: dict[str, Any] = dict(template.pod_spec)  # Any: JSON of Kubernetes' own making
    containers = [dict(one) for one in spec.get("containers", [])]
    if not any(one.get("name") == template.primary_container_name for one in containers):
        containers.append({"name": template.primary_container_name})
    for one in containers:
        if one.get("name") == template.primary_container_name:
            one["image"] = image_name(one["image"], settings) if one.get("image") else container.image
            one["command"], one["args"] = [], list(container.args)
            one["env"] = [{"name": pair.key, "value": pair.value} for pair in container.env] + list(one.get("env", []))
            if container.resources.requests or container.resources.limits:
                one["resources"] = {
                    "requests": _quantities(container.resources.requests),
                    "limits": _quantities(container.resources.limits),
                }
        else:
            one["image"] = image_name(one.get("image"), settings)
    spec["containers"] = containers
    return spec


def _quantities(entries: Iterable[tasks.Resources.ResourceEntry]) -> dict[str, str]:
    names = {1: "cpu", 2: "gpu", 3: "memory", 5: "ephemeral-storage"}  # the platform replaces "gpu" by its own name
    return {names[entry.name]: entry.value for entry in entries}
