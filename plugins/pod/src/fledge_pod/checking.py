"""Is this JSON a pod? What Kubernetes would refuse, or silently drop, is named with its path and the way out.

Names, quantities, fields and their types are compared with what Kubernetes has; the `kubernetes` package is not needed.
A field that is not known is an error here, where Kubernetes would drop it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fledge.errors import DefinitionError, nearest, short_repr
from fledge_pod.pod_fields import known_fields

__all__ = ["PodSpecError", "check_pod_spec"]

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")  # an RFC 1123 label, as names of containers and volumes are
_QUANTITY = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?")
_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
_TYPES: dict[str, tuple[type, ...]] = {"str": (str,), "bool": (bool,), "float": (int, float), "datetime": (str,)}
Json = Any  # Any: what JSON can hold


class PodSpecError(DefinitionError):
    """A pod that Kubernetes would not take, or not take whole.

    Fields: `path` (as `pod_spec.containers[0].env`), `reason`.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = path, reason


def check_pod_spec(spec: Mapping[str, Json]) -> None:
    """Raise PodSpecError for the first thing that is wrong.

    Args:
        spec: The JSON form of a PodSpec; whole numbers may be floats, as in a protobuf Struct.
    """
    _check_model("V1PodSpec", spec, "pod_spec")
    seen: dict[str, str] = {}
    for kind in _CONTAINERS:
        for path, container in _each(spec, kind, "pod_spec"):
            _check_name(container, path, seen)
            resources = container.get("resources") or {}
            for which in ("requests", "limits"):
                for resource, quantity in (resources.get(which) or {}).items():
                    _check_quantity(quantity, f"{path}.resources.{which}.{resource}")
    volumes: dict[str, str] = {}
    for path, volume in _each(spec, "volumes", "pod_spec"):
        _check_name(volume, path, volumes)


def _each(owner: Mapping[str, Json], key: str, path: str) -> list[tuple[str, Mapping[str, Json]]]:
    """(path, item) of a list of mappings; nothing when there is no such list."""
    items = owner.get(key)
    if items is None:
        return []
    if not isinstance(items, list):
        raise PodSpecError(f"{path}.{key}", f"is {short_repr(items)}, not a list")
    for number, item in enumerate(items):
        if not isinstance(item, Mapping):
            raise PodSpecError(f"{path}.{key}[{number}]", f"is {short_repr(item)}, not a mapping")
    return [(f"{path}.{key}[{number}]", item) for number, item in enumerate(items)]


def _check_name(item: Mapping[str, Json], path: str, seen: dict[str, str]) -> None:
    name = item.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        rule = "lower-case letters, digits and '-', at most 63, beginning and ending with a letter or digit"
        raise PodSpecError(f"{path}.name", f"{short_repr(name)} is no name in Kubernetes: {rule}")
    if name in seen:
        raise PodSpecError(f"{path}.name", f"{name!r} is the name of {seen[name]} already")
    seen[name] = path


def _check_quantity(quantity: Json, path: str) -> None:
    if isinstance(quantity, bool) or not isinstance(quantity, (str, int, float)):
        raise PodSpecError(path, f"{short_repr(quantity)} is no quantity. Write text as '500m' or '2Gi'")
    if isinstance(quantity, str) and not _QUANTITY.fullmatch(quantity):
        raise PodSpecError(path, f"{quantity!r} is no quantity in Kubernetes. Write it as '500m', '2', '2Gi' or '2G'")


# -- fields and their types -------------------------------------------------------------------------------------------


def _check_model(model: str, value: Json, path: str) -> None:
    if not isinstance(value, Mapping):
        raise PodSpecError(path, f"is {short_repr(value)}, not a mapping ({model})")
    fields = known_fields(model)
    for key, item in value.items():
        kind = fields.get(key) or known_fields(model, key).get(key)
        if kind is None:
            raise PodSpecError(f"{path}.{key}", f"{model} has no such field{nearest(key, fields)}")
        if item is not None:
            _check_type(kind.removesuffix("!"), item, f"{path}.{key}")
    missing = sorted(key for key, kind in fields.items() if kind.endswith("!") and value.get(key) is None)
    if missing and model != "V1PodSpec":  # a template may leave all containers to the task
        raise PodSpecError(path, f"has no {missing[0]!r}, which {model} needs")


def _check_type(wanted: str, value: Json, path: str) -> None:
    """`wanted` as the models write it: "int", "List[V1Volume]", "Dict[str, str]" (once "dict(str, str)")."""
    inner = wanted[5:-1]
    if wanted.lower().startswith("list["):
        if not isinstance(value, list):
            raise PodSpecError(path, f"is {short_repr(value)}, not a list")
        for number, item in enumerate(value):
            _check_type(inner, item, f"{path}[{number}]")
    elif wanted.lower().startswith(("dict[", "dict(")):
        if not isinstance(value, Mapping):
            raise PodSpecError(path, f"is {short_repr(value)}, not a mapping")
        if not path.endswith((".requests", ".limits", ".overhead")):  # quantities, which may be numbers
            for key, item in value.items():
                _check_type(inner.partition(",")[2].strip(), item, f"{path}.{key}")
    elif wanted == "int":
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value != int(value):
            raise PodSpecError(path, f"is {short_repr(value)}, not an integer")
    elif wanted in _TYPES:
        if not isinstance(value, _TYPES[wanted]):
            raise PodSpecError(path, f"is {short_repr(value)}, not a {wanted}")
    elif wanted != "object":
        _check_model(wanted, value, path)
