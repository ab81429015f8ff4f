"""PodTemplate: the pod around a task, from kubernetes' own models or their JSON form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fledge.settings import PodTemplate as CorePodTemplate
from fledge_pod.checking import PodSpecError, check_pod_spec

if TYPE_CHECKING:
    from kubernetes.client import V1PodSpec

__all__ = ["PodTemplate"]


@dataclass(frozen=True, init=False)
class PodTemplate(CorePodTemplate):
    """A pod for `@task(pod_template=...)`, with the signature that the incumbent gives it.

    The task's container becomes the primary container: it brings command, arguments, resources (when it has any) and
    the first environment variables; its image, unless the pod names one.

    Args:
        pod_spec: A `kubernetes.client.V1PodSpec`, or its JSON form (`{"nodeSelector": {...}}`).
        primary_container_name: Which container is the task's; it is added when the pod has none of this name.
        labels, annotations: Of the pod.

    Raises:
        PodSpecError: A field that Kubernetes does not know, a value of another type, a name or quantity it refuses.
    """

    def __init__(
        self,
        pod_spec: Mapping[str, Any] | V1PodSpec | None = None,  # Any: JSON of Kubernetes' own making
        primary_container_name: str = "primary",
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
    ) -> None:
        if not primary_container_name:
            raise PodSpecError("primary_container_name", "is empty: say which container is the task's")
        spec = _as_json({} if pod_spec is None else pod_spec)
        check_pod_spec(spec)
        super().__init__(spec, primary_container_name, labels, annotations)


def _as_json(pod_spec: Mapping[str, Any] | V1PodSpec) -> dict[str, Any]:
    """The JSON form, a copy of its own; kubernetes' models by kubernetes' own rules."""
    if isinstance(pod_spec, Mapping):
        return {str(key): _plain(value) for key, value in pod_spec.items()}
    if not hasattr(pod_spec, "attribute_map"):
        raise PodSpecError("pod_spec", f"is a {type(pod_spec).__name__}, not a V1PodSpec or its JSON form")
    from kubernetes.client import ApiClient  # noqa: PLC0415 - optional, and loaded already: its model is here

    client: Any = ApiClient()  # Any: annotated in some versions only
    made: dict[str, Any] = client.sanitize_for_serialization(pod_spec)
    return made


def _plain(value: Any) -> Any:  # Any: JSON, possibly with kubernetes' models inside
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return _as_json(value) if hasattr(value, "attribute_map") else value
