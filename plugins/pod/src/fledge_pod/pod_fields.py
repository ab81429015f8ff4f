"""Which fields a pod may have, and of which types: of Kubernetes as the shipped table knows it, and as installed.

The table is made from the models of the `kubernetes` package (tests/make_pod_fields.py). A field that is newer than the
table is looked up in the installed package, if there is one.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

__all__ = ["installed_fields", "known_fields"]

Fields = Mapping[str, str]  # JSON name -> type as the models write it ("int", "list[V1Volume]"), `!`: must be there


def known_fields(model: str, name: str = "") -> Fields:
    """The fields of a model; those of the installed package where the table has no field of that name."""
    shipped: Fields = _table().get(model, {})
    if (not shipped or (name and name not in shipped)) and importlib.util.find_spec("kubernetes") is not None:
        return installed_fields(model)
    return shipped


@cache
def _table() -> Mapping[str, Fields]:
    text = resources.files("fledge_pod").joinpath("pod_fields.json").read_text(encoding="utf-8")
    models: Mapping[str, Fields] = json.loads(text)["models"]
    return models


@cache
def installed_fields(model: str) -> Fields:
    """The fields of a model in the installed `kubernetes` package; none for a model that it does not have."""
    from kubernetes.client import models  # noqa: PLC0415 - optional, and takes most of a second

    cls = getattr(models, model, None)
    if cls is None:
        return {}
    names: Mapping[str, str] = cls.attribute_map
    if hasattr(cls, "model_fields"):  # from version 37 on
        needed = {field.serialization_alias or name for name, field in cls.model_fields.items() if field.is_required()}
    else:
        needed = {names[attribute] for attribute in _refused_when_absent(cls)}
    types = {names[attribute]: kind for attribute, kind in cls.openapi_types.items()}
    return {name: f"{kind}!" if name in needed else kind for name, kind in types.items()}


def _refused_when_absent(cls: Any) -> set[str]:  # Any: a model class
    """The old models tell one missing attribute at a time, by an error."""
    needed: dict[str, str] = {}
    while True:
        try:
            cls(**needed)
        except ValueError as exc:
            found = re.search(r"Invalid value for `(\w+)`, must not be `None`", str(exc))
            if found is None or found.group(1) in needed:
                return set(needed)
            needed[found.group(1)] = "x"
        else:
            return set(needed)
