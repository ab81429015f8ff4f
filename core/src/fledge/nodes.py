"""A call inside a workflow becomes a node: its id, its bindings and the nodes it waits for.

Source: flyteidl.core.Node and Binding. Bindings are sorted by variable and upstream nodes keep the order in which they
were first used, so that one program always gives the same bytes.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from fledge import idl
from fledge.errors import CallError, DefinitionError, nearest, type_name
from fledge.lazy import lazy
from fledge.metadata import TaskMetadata
from fledge.promise import NodeOutput, Promise, PromiseUseError, VoidPromise, pack_outputs
from fledge.types.assignable import is_assignable, type_at

if TYPE_CHECKING:
    import hashlib

    from fledge import code_version as code_versions
    from fledge.idl import literals, types, workflow
    from fledge.interface import Interface
    from fledge.storage import StorageRouter
    from fledge.types.base import TypeRegistry
    from fledge.types.converter import Converter
else:
    code_versions = lazy("fledge.code_version")
    hashlib = lazy("hashlib")

__all__ = ["GLOBAL_INPUT_NODE_ID", "CompilationState", "Entity", "Node", "create_node", "dns_name", "fill_binding"]

GLOBAL_INPUT_NODE_ID = ""
RESERVED_NODE_IDS = ("start-node", "end-node", "efn")  # the platform's own
_MAX_DNS = 63
_DIGEST = 10
_METADATA_OVERRIDES = {
    "cache": "cacheable",
    "cache_serialize": "cache_serializable",
    "cache_version": "cache_version",
    "interruptible": "interruptible",
    "name": "name",
    "retries": "retries",
    "timeout": "timeout",
}
_ATOMS = (int, str, float, bool, type(None))  # values that hold nothing
_OVERRIDES = (
    *_METADATA_OVERRIDES,
    "accelerator",
    "aliases",
    "container_image",
    "limits",
    "node_name",
    "pod_template",
    "requests",
    "resources",
    "shared_memory",
)


class Entity(Protocol):
    """What a node runs: a task or a workflow."""

    @property
    def name(self) -> str: ...

    @property
    def python_interface(self) -> Interface: ...

    def construct_node_metadata(self) -> workflow.NodeMetadata: ...


@dataclass(eq=False)
class Node:
    """One step of a workflow that is being compiled. Equal by identity: two calls are two nodes.

    `overrides` holds what the serializer writes into the node's `TaskNodeOverrides`; what belongs to the metadata is
    written there at once, and `task_metadata` is what a local run honours in place of the task's own. `outputs` are
    what can be bound elsewhere, `references` the messages that do so: they hold the node's id. `sources` is what a
    local run has made of the bindings: from the results of the nodes above to each input's literal.
    """

    id: str
    metadata: workflow.NodeMetadata
    bindings: list[literals.Binding]
    upstream: list[Node]
    entity: Entity | None
    outputs: Mapping[str, Converter] = field(default_factory=dict)
    overrides: dict[str, Any] = field(default_factory=dict)  # Any: Resources, image names, ...
    task_metadata: TaskMetadata | None = None
    references: list[types.OutputReference] = field(default_factory=list)
    sources: Sequence[tuple[str, Callable[[Any], literals.Literal]]] | None = None  # Any: by node id and output

    def runs_before(self, other: Node | Promise | VoidPromise) -> None:
        """The other node waits for this one."""
        if isinstance(other, Promise):
            other = other.ref.node
        elif isinstance(other, VoidPromise):
            if other.ref is None:
                return
            other = other.ref.node
        if GLOBAL_INPUT_NODE_ID in (self.id, other.id):
            raise DefinitionError("an input of a workflow is there from the start: nothing has to wait for it (>>)")
        if self not in other.upstream:
            other.upstream.append(self)

    def __rshift__(self, other: Node | Promise | VoidPromise) -> Node | Promise | VoidPromise:
        self.runs_before(other)
        return other

    def with_overrides(self, **changes: Any) -> Node:  # Any: a type per override
        """Change this node only.

        Known are node_name, name, timeout, retries, interruptible, cache, cache_version, cache_serialize, requests,
        limits, resources, container_image, accelerator, shared_memory, pod_template and aliases.

        Raises:
            DefinitionError: An unknown name, a value that does not fit, or a promise where a value is needed now.
        """
        about_metadata: dict[str, Any] = {}  # Any: a type per override
        for key, value in changes.items():
            if key not in _OVERRIDES:
                raise DefinitionError(f"node {self.id}: with_overrides() has no {key!r}{nearest(key, _OVERRIDES)}")
            if isinstance(value, (Promise, VoidPromise)):
                raise DefinitionError(f"node {self.id}: with_overrides({key}=...) needs a value now, not a promise")
            if value is None and key != "timeout":
                continue
            if key in _METADATA_OVERRIDES:
                about_metadata[key] = value
            elif key == "node_name":
                self._rename(value)
            else:
                self.overrides[key] = value
        if "resources" in self.overrides and self.overrides.keys() & {"requests", "limits"}:
            raise DefinitionError(f"node {self.id}: give resources, or requests and limits, not both")
        if about_metadata:
            self._override_metadata(about_metadata)
        return self

    def _rename(self, name: str) -> None:
        node_id = dns_name(name)
        if node_id == GLOBAL_INPUT_NODE_ID or node_id in RESERVED_NODE_IDS:
            raise DefinitionError(
                f"node {self.id}: node_name={name!r} is the platform's own or holds no letter or digit. Take another"
            )
        self.id = node_id
        for reference in self.references:
            reference.node_id = node_id

    def _override_metadata(self, changes: dict[str, Any]) -> None:  # Any: a type per override
        name = changes.pop("name", None)
        if changes.get("cache") and not changes.get("cache_version"):
            changes["cache_version"] = self._cache_version()
        self._check_metadata(changes)
        if name is not None:
            self.metadata.name = name
        for key, value in changes.items():
            if key == "timeout":
                self.metadata.ClearField("timeout")
                if value:
                    self.metadata.timeout.FromTimedelta(
                        value if isinstance(value, timedelta) else timedelta(seconds=value)
                    )
            elif key == "retries":
                self.metadata.retries.retries = value
            else:
                setattr(self.metadata, _METADATA_OVERRIDES[key], value)

    def _check_metadata(self, changes: dict[str, Any]) -> None:  # Any: a type per override
        """MetadataError when a value does not fit. A workflow has no metadata of its own to replace."""
        own = self.task_metadata or getattr(self.entity, "metadata", None)
        off = {} if changes.get("cache", True) else {"cache_serialize": False, "cache_ignore_input_vars": ()}
        changed = (own or TaskMetadata()).changed(**{**off, **changes})
        if own is not None:
            self.task_metadata = changed

    def _cache_version(self) -> str:
        own = getattr(self.entity, "metadata", None)
        if own is not None and own.cache_version:
            return str(own.cache_version)
        function = getattr(self.entity, "task_function", None)
        if function is None:
            raise DefinitionError(
                f"node {self.id}: with_overrides(cache=True) needs a version: cache=True, cache_version='1'"
            )
        return code_versions.code_version(function)

    def __repr__(self) -> str:
        return f"Node({self.id}, {self.entity.name if self.entity else 'inputs'})"


class CompilationState:
    """The nodes of one workflow body, while it is being compiled; `inside` are the workflows that wait for it."""

    def __init__(self, prefix: str = "", mode: int = 1, inside: tuple[Entity, ...] = ()) -> None:
        self.prefix = prefix
        self.mode = mode
        self.inside = inside
        self.nodes: list[Node] = []

    def next_id(self) -> str:
        return dns_name(f"{self.prefix}n{len(self.nodes)}")


def create_node(
    state: CompilationState,
    entity: Entity,
    registry: TypeRegistry,
    storage: StorageRouter,
    kwargs: dict[str, object],
    node_id: str | None = None,
) -> Promise | VoidPromise | Any:  # Any: a named tuple of promises for several outputs
    """Bind the arguments of a call, append the node and return the promises of its outputs.

    Raises:
        CallError: An input is missing or unknown.
        DefinitionError: A default is mutable, or a value cannot be an input (a whole tuple of outputs, a VoidPromise).
        PromiseUseError: A text holds a promise as it is shown.
    """
    interface = entity.python_interface
    bindings: list[literals.Binding] = []
    upstream: list[Node] = []
    compiled = interface.compile(registry)
    converters = compiled.inputs
    for name in kwargs:
        if name not in converters:
            takes = ", ".join(converters) or "nothing"
            raise CallError(
                entity.name, f"no input is called {name!r}; it takes {takes}{nearest(name, converters)}", name
            )
    for name in sorted(converters):
        value = kwargs[name] if name in kwargs else _default(entity, name)
        binding = idl.literals.Binding(var=name)
        where = f"{entity.name}.inputs.{name}"
        if isinstance(value, str) and "Promise(" in value:
            _refuse_shown_promise(value, state, where)
        fill_binding(binding.binding, value, converters[name], registry, storage, where, upstream)
        bindings.append(binding)
    own_id = dns_name(node_id) if node_id else state.next_id()
    node = Node(own_id, entity.construct_node_metadata(), bindings, upstream, entity, compiled.outputs)
    state.nodes.append(node)
    if compiled.only is not None:
        return Promise(compiled.only, NodeOutput(node, compiled.only))
    if not compiled.outputs:
        return VoidPromise(entity.name, NodeOutput(node, "placeholder"))
    return pack_outputs(interface, [Promise(name, NodeOutput(node, name)) for name in compiled.outputs])


def _refuse_shown_promise(text: str, state: CompilationState, where: str) -> None:
    """PromiseUseError when a text was made of the repr of a promise of this workflow: it would be the text for ever."""
    shown = tuple(f"Promise({node_id}." for node_id in ("inputs", *(node.id for node in state.nodes)))
    if any(one in text for one in shown):
        raise PromiseUseError(f"{where}: {text!r} holds the name of a promise, not its value. Make the text in a task")


def _default(entity: Entity, name: str) -> object:
    interface = entity.python_interface
    if name not in interface.defaults:
        raise CallError(entity.name, interface.missing_text([name]), name)
    default = interface.defaults[name]
    if isinstance(default, (list, dict, set)):
        raise DefinitionError(
            f"{entity.name}: input {name!r} has a mutable default {default!r}. Use None and make the value in the body"
        )
    return default


def fill_binding(
    data: literals.BindingData,
    value: object,
    converter: Converter,
    registry: TypeRegistry,
    storage: StorageRouter,
    where: str,
    upstream: list[Node],
) -> None:
    """Write a value, a promise, or a list or dict of them into an empty message; nodes it needs go to `upstream`."""
    if isinstance(value, Promise):
        if value.is_ready:
            _fill_from_literal(data, value.val)
            return
        output = value.ref
        _check_type(output, converter, where)
        if output.node.id != GLOBAL_INPUT_NODE_ID and output.node not in upstream:
            upstream.append(output.node)
        output.fill(data.promise)
        return
    if isinstance(value, VoidPromise):
        raise DefinitionError(f"{where}: task {value.task_name} has no outputs, so its result cannot be an input")
    if isinstance(value, tuple) and any(isinstance(one, Promise) for one in value):
        raise DefinitionError(f"{where}: a whole tuple of outputs was passed. Pick one of them, by name or index")
    if not _holds_promise(value):
        _fill_from_literal(data, converter.to_literal(value, storage, where))
    elif isinstance(value, list):
        data.collection.SetInParent()
        for number, one in enumerate(value):
            place = f"{where}[{number}]"
            element = registry.converter(_element_type(converter.python_type, place))
            fill_binding(data.collection.bindings.add(), one, element, registry, storage, place, upstream)
    elif isinstance(value, Mapping):
        data.map.SetInParent()
        for key, one in value.items():
            place = f"{where}[{key!r}]"
            element = registry.converter(_element_type(converter.python_type, place))
            fill_binding(data.map.bindings[key], one, element, registry, storage, place, upstream)


def _check_type(output: NodeOutput, converter: Converter, where: str) -> None:
    """DefinitionError when the output, or what its path leads to, can never be a value of the input."""
    source = output.node.outputs.get(output.var)
    if source is None or (source is converter and not output.attr_path):
        return
    declared = type_name(source.python_type)
    try:
        found = type_at(source.literal_type, output.attr_path)
    except LookupError as exc:
        steps, there = exc.args
        so_far = output._replace(attr_path=output.attr_path[:steps])
        about = f"{so_far} is {there}" + (f"; the whole is {declared}" if steps else f": {declared}")
        raise DefinitionError(f"{where}: {output} leads nowhere, as {about}") from None
    if found is not None and not is_assignable(found, converter.literal_type):
        given = f"a part of {declared}" if output.attr_path else declared
        wanted = type_name(converter.python_type)
        raise DefinitionError(f"{where}: expected {wanted}, and {output} is {given}. Convert it in a task")


def _holds_promise(value: object) -> bool:
    if type(value) in _ATOMS:
        return False
    if isinstance(value, list):
        return any(isinstance(one, Promise) or _holds_promise(one) for one in value)
    if isinstance(value, Mapping):
        return any(isinstance(one, Promise) or _holds_promise(one) for one in value.values())
    return False


def _element_type(python_type: Any, where: str) -> Any:  # Any: annotations
    """Of `list[T]` or `dict[str, T]`, also behind Annotated and Optional: T. DefinitionError for anything else."""
    for candidate in (python_type, *typing.get_args(python_type)):
        if typing.get_origin(candidate) in (list, dict):
            return typing.get_args(candidate)[-1]
    raise DefinitionError(f"{where}: a promise can stand inside a list[...] or a dict[str, ...] only")


def _fill_from_literal(data: literals.BindingData, literal: literals.Literal) -> None:
    """BindingData has its own collection and map: a literal's are copied element by element."""
    kind = literal.WhichOneof("value")
    if kind == "collection":
        data.collection.SetInParent()
        for one in literal.collection.literals:
            _fill_from_literal(data.collection.bindings.add(), one)
    elif kind == "map":
        data.map.SetInParent()
        for key, one in literal.map.literals.items():
            _fill_from_literal(data.map.bindings[key], one)
    else:
        data.scalar.CopyFrom(literal.scalar)


def dns_name(name: str) -> str:
    """A node id that Kubernetes accepts: lower case, digits and dashes.

    Source of the rule: a name of 63 characters or more becomes ten hex digits of its SHA-224, a dash and its last 52
    characters; then `_`, `-` and `.` become dashes (none in front), a capital becomes its small letter with one dash
    before it, other characters go; no dash is added behind the 62nd character and none is left at the end.
    """
    if len(name) >= _MAX_DNS:
        digest = hashlib.sha224(name.encode()).hexdigest()[:_DIGEST]
        name = f"{digest}-{name[-(_MAX_DNS - _DIGEST - 1) :]}"
    if name.isascii() and name.isalnum() and name.islower():
        return name
    out = ""
    for char in name:
        has_room = out != "" and len(out) < _MAX_DNS - 1
        if char in "_-.":
            out += "-" if has_room else ""
        elif char.islower() or char.isdigit():
            out += char
        elif char.isalnum():
            out += f"-{char.lower()}" if has_room and not out.endswith("-") else char.lower()
    return out.rstrip("-")
