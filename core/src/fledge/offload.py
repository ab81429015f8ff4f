"""Outputs too large for outputs.pb: a literal becomes a file of its own and a reference to it, and back.

Source: the platform asks for it with the environment variables `_F_L_MIN_SIZE_MB` and `_F_L_MAX_SIZE_MB` (megabytes,
default 1000); the file is `<output>_offloaded_metadata.pb` beside outputs.pb, the reference a
`flyteidl.core.LiteralOffloadedMetadata`; the literal's hash is the base64 SHA-256 of its JSON form with sorted keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from fledge import idl
from fledge.errors import FledgeError, OutputError
from fledge.lazy import lazy

if TYPE_CHECKING:
    import base64
    import hashlib
    import json

    from fledge.idl import interface, literals
    from fledge.storage import StorageRouter
else:
    base64 = lazy("base64")
    hashlib = lazy("hashlib")
    json = lazy("json")

__all__ = ["load_offloaded", "offload"]

_MIB = 1024 * 1024


def offload(
    task_name: str,
    outputs: literals.LiteralMap,
    typed: interface.TypedInterface,
    prefix: str,
    env: Mapping[str, str],
) -> tuple[literals.LiteralMap, dict[str, bytes]]:
    """The map with large literals replaced by references, and the files they refer to: name -> bytes.

    Raises:
        OutputError: A literal is larger than the platform takes.
        FledgeError: A size in the environment is not a whole number.
    """
    smallest, largest = _size(env, "_F_L_MIN_SIZE_MB"), _size(env, "_F_L_MAX_SIZE_MB", 1000)
    if smallest is None or largest is None:
        return outputs, {}
    kept, files = idl.literals.LiteralMap(), dict[str, bytes]()
    for name, literal in outputs.literals.items():
        size = literal.ByteSize()
        if size >= largest:
            raise OutputError(
                task_name,
                f"output {name!r} has {size} bytes; the platform takes less than {largest}. Return a FlyteFile",
            )
        target = kept.literals[name]
        if size < smallest:
            target.CopyFrom(literal)
            continue
        file = f"{name}_offloaded_metadata.pb"
        files[file] = idl.deterministic_bytes(literal)
        target.offloaded_metadata.uri = f"{prefix.rstrip('/')}/{file}"
        target.offloaded_metadata.size_bytes = size
        target.offloaded_metadata.inferred_type.CopyFrom(typed.outputs.variables[name].type)
        target.hash = literal.hash or _hash(literal)
    return kept, files


def load_offloaded(literal_map: literals.LiteralMap, storage: StorageRouter) -> None:
    """Replace every reference in the map, at any depth, by the literal it refers to."""
    for literal in literal_map.literals.values():
        _load(literal, storage)


def _load(literal: literals.Literal, storage: StorageRouter) -> None:
    kind = literal.WhichOneof("value")
    if kind == "offloaded_metadata":
        uri = literal.offloaded_metadata.uri
        data = storage.read(uri)
        try:
            literal.ParseFromString(data)
        except Exception as exc:  # protobuf's DecodeError, which cannot be named without loading it
            raise FledgeError(f"{uri}: {len(data)} bytes that are not a Literal: {exc}") from exc
    elif kind == "collection":
        for one in literal.collection.literals:
            _load(one, storage)
    elif kind == "map":
        for one in literal.map.literals.values():
            _load(one, storage)


def _hash(literal: literals.Literal) -> str:
    text = json.dumps(idl.json_format.MessageToDict(literal), sort_keys=True, separators=(",", ":"))
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _size(env: Mapping[str, str], name: str, default_mb: int | None = None) -> int | None:
    text = env.get(name)
    if text is None:
        return None if default_mb is None else default_mb * _MIB
    if not text.isdecimal():
        raise FledgeError(f"environment variable {name}={text!r} is not a whole number of megabytes")
    return int(text) * _MIB
