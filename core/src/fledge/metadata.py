"""TaskMetadata: retries, timeout, cache and the other facts about a task that the platform honours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from fledge import idl
from fledge._version import __version__
from fledge.errors import MetadataError, nearest

if TYPE_CHECKING:
    from fledge.idl import literals, tasks

__all__ = ["TaskMetadata", "checked_flag"]

_KINDS: dict[str, type] = {
    **dict.fromkeys(("cache", "cache_serialize", "interruptible", "generates_deck", "is_eager"), bool),
    **dict.fromkeys(("cache_version", "deprecated", "pod_template_name"), str),
}
_FLAG, _TEXT = frozenset({bool, type(None)}), frozenset({str, type(None)})
_LONGEST_S = 315_576_000_000  # of protobuf's Duration: 10,000 years


class _Version:
    """The `cache_version` of metadata that has none of its own (yet): empty, or worked out when it is first read.

    Without a `__set__`, so a version that was given stands in the instance and costs nothing.
    """

    def __get__(self, metadata: TaskMetadata | None, owner: type[TaskMetadata]) -> str:
        if metadata is None or metadata.derived_version is None:
            return ""
        version = metadata.derived_version()
        object.__setattr__(metadata, "cache_version", version)
        return version


@dataclass(frozen=True)
class TaskMetadata:
    """Metadata of a task, checked when made and frozen from then on.

    Args:
        cache: Reuse outputs of an earlier run with equal inputs.
        cache_serialize: Run equal, cached executions one after the other.
        cache_version: Part of the cache key; needed with `cache`.
        cache_ignore_input_vars: Inputs that do not count for the cache key.
        interruptible: May run on nodes that can be taken away; None leaves it to the platform.
        deprecated: A message for users of a deprecated task; empty: not deprecated.
        retries: Attempts after the first one.
        timeout: Longest run of one attempt: whole seconds or a timedelta; None or 0: no limit.
        pod_template_name: A PodTemplate of the cluster.
        generates_deck: The task writes a deck.
        is_eager: The task runs an eager workflow.
        labels, annotations: Kubernetes labels and annotations of the task's pods.
        tags: Free key-value pairs of the template.

    Raises:
        MetadataError: A field is refused; `field` names it.

    Source: flyteidl.core.TaskMetadata.
    """

    cache: bool = False
    cache_serialize: bool = False
    cache_version: str = _Version()  # type: ignore[assignment] # a descriptor that gives one
    cache_ignore_input_vars: tuple[str, ...] = ()
    interruptible: bool | None = None
    deprecated: str = ""
    retries: int = 0
    timeout: timedelta | int | None = None
    pod_template_name: str | None = None
    generates_deck: bool = False
    is_eager: bool = False
    labels: Mapping[str, str] | None = None
    annotations: Mapping[str, str] | None = None
    tags: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        self._check_timeout()
        self._check_kinds()
        if self.cache and not self.cache_version:
            raise MetadataError(
                "cache_version",
                self.cache_version,
                "caching needs a version: TaskMetadata(cache=True, cache_version='1')",
            )
        if self.cache_serialize and not self.cache:
            raise MetadataError("cache_serialize", True, "only a cached task can be serialized: set cache=True as well")
        if isinstance(self.cache_ignore_input_vars, str):
            raise MetadataError(
                "cache_ignore_input_vars",
                self.cache_ignore_input_vars,
                f"give names in a tuple: ({self.cache_ignore_input_vars!r},)",
            )
        ignored = self.cache_ignore_input_vars or ()
        names = tuple(ignored) if isinstance(ignored, Iterable) else (ignored,)
        if not all(isinstance(name, str) for name in names):
            raise MetadataError("cache_ignore_input_vars", ignored, "give names in a tuple: ('name',)")
        object.__setattr__(self, "cache_ignore_input_vars", names)
        if self.cache_ignore_input_vars and not self.cache:
            raise MetadataError(
                "cache_ignore_input_vars", self.cache_ignore_input_vars, "has no meaning without cache=True"
            )
        if isinstance(self.retries, bool) or not isinstance(self.retries, int) or not 0 <= self.retries < 2**32:
            raise MetadataError("retries", self.retries, "give a whole number, 0 or more")

    def _check_kinds(self) -> None:
        """What protobuf would refuse later, or would turn into something else. None is the same as not given."""
        flags = self.cache, self.cache_serialize, self.interruptible, self.generates_deck, self.is_eager
        texts = self.cache_version, self.deprecated, self.pod_template_name
        if not (_FLAG.issuperset(map(type, flags)) and _TEXT.issuperset(map(type, texts))):
            self._refuse_kinds()
        if self.labels is not None or self.annotations is not None or self.tags is not None:
            _check_pairs({"labels": self.labels, "annotations": self.annotations, "tags": self.tags})

    def _refuse_kinds(self) -> None:
        for name, value in vars(self).items():
            if value is None or isinstance(value, _KINDS.get(name, object)):
                continue
            if _KINDS[name] is bool:
                checked_flag(name, value)
            raise MetadataError(name, value, "give a text" if isinstance(value, bool) else f"write {str(value)!r}")

    def _check_timeout(self) -> None:
        timeout = self.timeout
        if timeout is None:
            return
        if isinstance(timeout, bool) or not isinstance(timeout, (int, timedelta)):
            raise MetadataError("timeout", timeout, "give whole seconds or a datetime.timedelta")
        seconds = timeout if isinstance(timeout, int) else timeout.total_seconds()
        if seconds < 0:
            raise MetadataError("timeout", timeout, "must not be negative; None means no limit")
        if seconds > _LONGEST_S:
            raise MetadataError("timeout", timeout, f"the longest is {_LONGEST_S} seconds; None means no limit")
        if isinstance(timeout, int):
            object.__setattr__(self, "timeout", timedelta(seconds=timeout))

    def __hash__(self) -> int:
        """Without mappings, which have no hash, and without the version, which may have to be worked out."""
        return hash((self.cache, self.deprecated, self.interruptible, self.retries, self.timeout))

    def __repr__(self) -> str:
        """A version that is derived is not worked out to be shown: that may fail."""
        shown = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "cache_version"}
        version = repr(self.cache_version) if self.derived_version is None else "<derived>"
        told = ", ".join(f"{name}={value!r}" for name, value in shown.items())
        return f"{type(self).__name__}({told}, cache_version={version})"

    def with_derived_version(self, derive: Callable[[], str]) -> TaskMetadata:
        """The same, but `derive` gives its `cache_version` when it is first read."""
        derived = object.__new__(type(self))
        given = {name: value for name, value in vars(self).items() if name != "cache_version"}
        vars(derived).update(given, _derive=derive)
        return derived

    @property
    def derived_version(self) -> Callable[[], str] | None:
        """What works the version out; None: the version was given."""
        derive: Callable[[], str] | None = vars(self).get("_derive")
        return derive

    def changed(self, **changes: Any) -> TaskMetadata:  # Any: a type per field
        """A changed copy, checked anew; a version that is derived stays so unless another one is given."""
        derive = self.derived_version
        if derive is None or "cache_version" in changes or not changes.get("cache", True):
            return replace(self, **changes) if derive is None else replace(self, **{"cache_version": "", **changes})
        return replace(self, **changes, cache_version="derived").with_derived_version(derive)

    def check_inputs(self, task_name: str, inputs: Iterable[str]) -> None:
        """MetadataError when an input that is not to count for the cache does not exist."""
        known = list(inputs)
        for name in self.cache_ignore_input_vars:
            if name not in known:
                reason = f"there is no input {name!r}{nearest(name, known)}"
                raise MetadataError("cache_ignore_input_vars", self.cache_ignore_input_vars, reason, task_name)

    @property
    def timeout_s(self) -> float | None:
        """The timeout in seconds; None: no limit."""
        timeout = self.timeout
        return timeout.total_seconds() if isinstance(timeout, timedelta) and timeout else None

    @property
    def retry_strategy(self) -> literals.RetryStrategy:
        """flyteidl.core.RetryStrategy; `retries=0` means one attempt."""
        return idl.literals.RetryStrategy(retries=self.retries)

    def to_taskmetadata_model(self) -> tasks.TaskMetadata:
        """flyteidl.core.TaskMetadata, with `runtime` naming this SDK and its version."""
        message = idl.tasks.TaskMetadata(
            discoverable=self.cache,
            discovery_version=self.cache_version,
            deprecated_error_message=self.deprecated,
            cache_serializable=self.cache_serialize,
            pod_template_name=self.pod_template_name or "",
            is_eager=self.is_eager,
        )
        runtime = message.runtime
        runtime.type, runtime.version, runtime.flavor = idl.tasks.RuntimeMetadata.FLYTE_SDK, __version__, "python"
        message.retries.retries = self.retries
        message.retries.SetInParent()
        message.generates_deck.value = self.generates_deck
        message.generates_deck.SetInParent()
        pods = message.metadata
        pods.SetInParent()
        message.cache_ignore_input_vars.extend(self.cache_ignore_input_vars)
        for target, given in (
            (message.tags, self.tags),
            (pods.labels, self.labels),
            (pods.annotations, self.annotations),
        ):
            if given:
                target.update(given)
        if isinstance(self.timeout, timedelta) and self.timeout:
            message.timeout.FromTimedelta(self.timeout)
        if self.interruptible is not None:
            message.interruptible = self.interruptible
        return message


def checked_flag(name: str, value: object, task_name: str = "") -> bool:
    """Is the flag set? MetadataError for what is neither True, False nor None: any text would count as True."""
    if value is None or isinstance(value, bool):
        return bool(value)
    way_out = "give True or False"
    if name == "cache" and type(value).__name__ == "Cache":  # flytekit's
        version = getattr(value, "version", None)
        way_out = f"write cache=True, cache_version={version!r}" if version else "write cache=True"
    raise MetadataError(name, value, way_out, task_name)


def _check_pairs(fields: Mapping[str, object]) -> None:
    for name, pairs in fields.items():
        if pairs is None:
            continue
        if not isinstance(pairs, Mapping):
            raise MetadataError(name, pairs, "give a dict of texts: {'key': 'value'}")
        for one in (*pairs, *pairs.values()):
            if not isinstance(one, str):
                raise MetadataError(name, pairs, f"{one!r} must be text. Write {str(one)!r}")
