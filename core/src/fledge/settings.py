"""Frozen configuration: what serialization is told about images, resources, secrets and versions."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

from fledge import idl
from fledge.errors import DefinitionError, nearest
from fledge.lazy import lazy

if TYPE_CHECKING:
    import base64
    import gzip
    import json

    from fledge.idl import security
else:
    base64 = lazy("base64")
    gzip = lazy("gzip")
    json = lazy("json")

__all__ = [
    "Documentation",
    "FastSerializationSettings",
    "Image",
    "ImageConfig",
    "PodTemplate",
    "Resources",
    "Secret",
    "SerializationSettings",
    "quantity_of",
]

# A Kubernetes quantity, which for resources is never below zero: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
_QUANTITY = re.compile(r"\+?(\d+(\.\d*)?|\.\d+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?")
_SUFFIXES = {
    "": 1.0,
    "k": 1e3,
    "m": 1e-3,
    "n": 1e-9,
    "u": 1e-6,
    **{letter: 1e3**power for power, letter in enumerate("MGTPE", start=2)},
    **{f"{letter}i": 1024.0**power for power, letter in enumerate("KMGTPE", start=1)},
}
_RESOURCES = ("cpu", "mem", "gpu", "ephemeral_storage")
_ENV_NAME = re.compile(r"[A-Z_][A-Z0-9_]*")

Quantity = str | int | float | None


@dataclass(frozen=True)
class Resources:
    """What one container asks for, as Kubernetes quantities: `Resources(cpu="2", mem="1Gi", gpu=1)`.

    A pair `(request, limit)` is allowed where a task takes `resources=`, which stands for both.
    """

    cpu: Quantity | tuple[Quantity, Quantity] = None
    mem: Quantity | tuple[Quantity, Quantity] = None
    gpu: Quantity | tuple[Quantity, Quantity] = None
    ephemeral_storage: Quantity | tuple[Quantity, Quantity] = None

    def __new__(cls, *_: object, **given: object) -> Resources:  # noqa: PYI034 - Self came with Python 3.11
        """DefinitionError for a resource that there is not."""
        for name in given:
            if name not in _RESOURCES:
                raise DefinitionError(
                    f"Resources({name}=...): there are {', '.join(_RESOURCES)}{nearest(name, _RESOURCES)}"
                )
        return object.__new__(cls)

    def __post_init__(self) -> None:
        for name in _RESOURCES:
            value = getattr(self, name)
            if isinstance(value, tuple) and len(value) != 2:
                raise DefinitionError(f"Resources({name}={value!r}): a pair is (request, limit)")
            for one in value if isinstance(value, tuple) else (value,):
                if isinstance(one, bool) or (one is not None and not _QUANTITY.fullmatch(str(one))):
                    raise DefinitionError(
                        f"Resources({name}={value!r}): not a Kubernetes quantity. E.g. cpu='500m', mem='1Gi', gpu=1"
                    )

    def split(self) -> tuple[Resources, Resources]:
        """(requests, limits): a pair gives both, a single value is the request and the limit."""
        pairs = {
            name: value if isinstance(value, tuple) else (value, value)
            for name in _RESOURCES
            for value in (getattr(self, name),)
        }
        return (
            Resources(**{name: pair[0] for name, pair in pairs.items()}),
            Resources(**{name: pair[1] for name, pair in pairs.items()}),
        )

    def exceeding(self, limits: Resources) -> str:
        """The name of what is asked for above its limit; empty when nothing is. Both hold single values."""
        for name in _RESOURCES:
            asked, limit = quantity_of(getattr(self, name)), quantity_of(getattr(limits, name))
            if asked is not None and limit is not None and asked > limit:
                return name
        return ""


def quantity_of(value: object) -> float | None:
    """A Kubernetes quantity as a number; None for what is none, or of another form than `Resources` lets through."""
    match = re.fullmatch(r"([+-]?[\d.]+(?:[eE][+-]?\d+)?)([A-Za-z]*)", str(value))
    return float(match[1]) * _SUFFIXES[match[2]] if match is not None and match[2] in _SUFFIXES else None


@dataclass(frozen=True)
class Image:
    """A container image: `fqn` with a `tag` or a `digest` (`sha256:...`)."""

    name: str
    fqn: str
    tag: str | None = None
    digest: str | None = None

    @property
    def full(self) -> str:
        return f"{self.fqn}@{self.digest}" if self.digest else f"{self.fqn}:{self.tag}" if self.tag else self.fqn

    @property
    def version(self) -> str | None:
        return self.digest or self.tag

    @classmethod
    def look_up(cls, name: str, reference: str) -> Image:
        """Parse `registry/repo:tag` or `registry/repo@sha256:...`."""
        fqn, at, digest = reference.partition("@")
        if at:
            return cls(name, fqn, digest=digest)
        head, colon, tag = reference.rpartition(":")
        return cls(name, head, tag) if colon and "/" not in tag else cls(name, reference)


@dataclass(frozen=True)
class ImageConfig:
    """The images that tasks may name; `default_image` serves every task that names none."""

    default_image: Image | None = None
    images: tuple[Image, ...] = ()

    def find(self, name: str) -> Image | None:
        known = {image.name: image for image in self.images}
        return known.get(name) or (self.default_image if name == "default" else None)


@dataclass(frozen=True)
class FastSerializationSettings:
    """The code travels apart from the image: where it lies and where the container unpacks it."""

    enabled: bool = False
    destination_dir: str | None = None
    distribution_location: str | None = None


@dataclass(frozen=True)
class SerializationSettings:
    """What turns a task into a message. `prefer` settles conflicts between plugins: `{"custom.workers": "plugin"}`."""

    image_config: ImageConfig = ImageConfig()
    project: str | None = None
    domain: str | None = None
    version: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    default_resources: Resources | None = None
    git_repo: str | None = None
    python_interpreter: str = "/opt/venv/bin/python3"
    fast_serialization_settings: FastSerializationSettings | None = None
    source_root: str | None = None
    prefer: Mapping[str, str] = field(default_factory=dict)

    @property
    def virtualenv_root(self) -> str:
        return posixpath.dirname(posixpath.dirname(self.python_interpreter))

    @property
    def should_fast_serialize(self) -> bool:
        return self.fast_serialization_settings is not None and self.fast_serialization_settings.enabled

    def serialized_context(self) -> str:
        """The settings as text for an environment variable: JSON, gzip (no time stamp), base64."""
        plain = replace(self, env=dict(self.env), prefer=dict(self.prefer))  # hooks are handed read-only ones
        return base64.b64encode(gzip.compress(json.dumps(asdict(plain)).encode(), mtime=0)).decode()

    @classmethod
    def from_transport(cls, text: str) -> SerializationSettings:
        data = json.loads(gzip.decompress(base64.b64decode(text)))
        images = data["image_config"]
        default = images["default_image"]
        data["image_config"] = ImageConfig(
            Image(**default) if default else None, tuple(Image(**one) for one in images["images"])
        )
        if data["default_resources"]:
            data["default_resources"] = Resources(
                **{
                    name: tuple(one) if isinstance(one, list) else one
                    for name, one in data["default_resources"].items()
                }
            )
        if data["fast_serialization_settings"]:
            data["fast_serialization_settings"] = FastSerializationSettings(**data["fast_serialization_settings"])
        return cls(**data)


@dataclass(frozen=True)
class Secret:
    """A secret that the platform mounts: in group `group` under `key`, as a file or as an environment variable."""

    class MountType(Enum):
        """Numbers of the IDL's Secret.MountType."""

        ANY = 0
        ENV_VAR = 1
        FILE = 2

    group: str | None = None
    key: str | None = None
    group_version: str | None = None
    mount_requirement: Secret.MountType = MountType.ANY
    env_var: str | None = None

    def __post_init__(self) -> None:
        if self.env_var is not None and not _ENV_NAME.fullmatch(self.env_var):
            raise DefinitionError(
                f"Secret(env_var={self.env_var!r}): use capital letters, digits and _ only, no digit first"
            )
        if not self.group and not self.key:
            raise DefinitionError("Secret(): name a group, a key or both")

    def to_message(self) -> security.Secret:
        return idl.security.Secret(
            group=self.group or "",
            group_version=self.group_version or "",
            key=self.key or "",
            mount_requirement=self.mount_requirement.value,  # type: ignore[arg-type] # the stub wants the enum's wrapper
            env_var=self.env_var or "",
        )


@dataclass(frozen=True)
class PodTemplate:
    """A Kubernetes pod around the task: `pod_spec` is the JSON form of a PodSpec."""

    pod_spec: Mapping[str, Any] = field(default_factory=dict)  # Any: JSON of Kubernetes' own making
    primary_container_name: str = "primary"
    labels: Mapping[str, str] | None = None
    annotations: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Documentation:
    """What the platform shows about a task: a short and a long description and a link to the source."""

    short_description: str | None = None
    long_description: str | None = None
    source_code: str | None = None
