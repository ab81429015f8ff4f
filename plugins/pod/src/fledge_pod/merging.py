"""Pod templates on top of each other: what a platform asks of every pod, then what a task asks of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fledge_pod.checking import PodSpecError
from fledge_pod.template import PodTemplate

if TYPE_CHECKING:
    from fledge.settings import PodTemplate as CorePodTemplate

__all__ = ["merged"]

Json = Any  # Any: what JSON can hold

# Lists whose items are known by a key, as Kubernetes merges them. Containers of one name become one; of volumes, mounts
# and the like the later one takes the place of the earlier, as it has one source. Any other list is replaced.
_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
_KEYS = dict.fromkeys((*_CONTAINERS, "volumes", "env", "imagePullSecrets"), "name") | {
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "ports": "containerPort",
    "hostAliases": "ip",
}
_SETS = ("tolerations", "envFrom", "readinessGates", "schedulingGates")


def merged(base: CorePodTemplate, *others: CorePodTemplate) -> PodTemplate:
    """One template of several; where two say different things the later one counts.

    Containers of one name are merged; of volumes and variables of one name, and mounts of one path, the later one is
    taken; node selectors, labels and annotations are merged key by key; tolerations are collected.

    Raises:
        PodSpecError: Two templates call the task's container differently; the result is no pod.
    """
    spec, labels, annotations = dict(base.pod_spec), dict(base.labels or {}), dict(base.annotations or {})
    name = base.primary_container_name
    for other in others:
        if other.primary_container_name != name:
            given = f"{name!r} and {other.primary_container_name!r}"
            raise PodSpecError("primary_container_name", f"the templates call it {given}. Choose one name")
        spec = _merge_mappings(spec, other.pod_spec)
        labels.update(other.labels or {})
        annotations.update(other.annotations or {})
    return PodTemplate(spec, name, labels or None, annotations or None)


def _merge_mappings(base: Mapping[str, Json], over: Mapping[str, Json]) -> dict[str, Json]:
    made = dict(base)
    for key, value in over.items():
        made[key] = _merge(key, made[key], value) if key in made else value
    return made


def _merge(key: str, base: Json, over: Json) -> Json:
    if isinstance(base, Mapping) and isinstance(over, Mapping):
        return _merge_mappings(base, over)
    if not isinstance(base, list) or not isinstance(over, list):
        return over
    if key in _SETS:
        return base + [item for item in over if item not in base]
    return _merge_lists(key, base, over) if key in _KEYS else over


def _merge_lists(name: str, base: list[Json], over: list[Json]) -> list[Json]:
    """Items of one key become one, in the place of the first; the others follow in order."""
    made, key = list(base), _KEYS[name]
    places = {item.get(key): number for number, item in enumerate(made)}
    for item in over:
        place = places.get(item.get(key))
        if place is None:
            made.append(item)
        else:
            made[place] = _merge_mappings(made[place], item) if name in _CONTAINERS else item
    return made
