"""Models of pydantic to MessagePack literals and back, validated by pydantic itself.

A model travels as the dictionary that `model_dump(mode="json")` makes, under the names of its fields; its type carries
the JSON schema of `model_json_schema()`. Nothing here imports pydantic: who has a model has pydantic.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, get_args

from fledge.errors import FledgeError, UnsupportedTypeError
from fledge.types.base import TypeTransformer
from fledge.types.converter import Converter, PlainForm
from fledge.types.hints import unwrap
from fledge.types.kinds import Annotation, Plain, Value
from fledge.types.mismatch import Mismatch
from fledge.types.model_fields import InModels
from fledge.types.sequences import compile_struct
from fledge.types.wire import msgpack_struct_type

if TYPE_CHECKING:
    from pydantic import BaseModel

    from fledge.idl import types
    from fledge.storage import StorageRouter
    from fledge.types.base import TypeRegistry

__all__ = ["ModelTransformer"]

_SECRETS = ("pydantic.types.SecretStr", "pydantic.types.SecretBytes", "pydantic.types.Secret")


class ModelTransformer(TypeTransformer[Value]):
    """Every subclass of `pydantic.BaseModel`, generic and recursive ones included."""

    handles_subclasses = True
    nested_messages = (6, 6)

    def __init__(self) -> None:
        super().__init__("Pydantic Transformer", "pydantic.BaseModel")  # the incumbent's tag in a union

    def refusal(self, python_type: Annotation) -> str:
        found = _secret_field(python_type)
        if found is None:
            return ""
        return f"{found[0]} is a {found[1]}, which is written as asterisks and so lost. Ask for a secret of the task"

    def parts(self, python_type: Annotation) -> Iterable[tuple[str, Annotation]]:
        """Files, directories and datasets in it, which other transformers publish; the rest is pydantic's own."""
        for owner in _models_in(python_type):
            for name, field in owner.model_fields.items():
                step = f".{name}" if owner is python_type else f" ({owner.__name__}.{name})"
                yield from ((step, part) for part in _parts(field.annotation) if _is_handle(part))

    def literal_type(self, python_type: Annotation, registry: TypeRegistry) -> types.LiteralType:
        made = msgpack_struct_type()
        made.metadata.update(python_type.model_json_schema())
        made.structure.SetInParent()
        for name, field in python_type.model_fields.items():
            found = None if python_type in _models_in(field.annotation) else _literal_type(field.annotation, registry)
            if found is not None:
                made.structure.dataclass_type[name].CopyFrom(found)
        return made

    def compile(self, python_type: Annotation, registry: TypeRegistry) -> Converter:
        return compile_struct(
            python_type, self.plain_form(python_type, registry), lambda: self.literal_type(python_type, registry)
        )

    def plain_form(self, python_type: Annotation, registry: TypeRegistry) -> PlainForm:
        model: type[BaseModel] = python_type

        def pack(value: object, storage: StorageRouter) -> Plain:
            if type(value) is not model:
                reason = "a subclass would come back as its base" if isinstance(value, model) else ""
                raise Mismatch(model, value, reason)
            try:
                context = {"registry": registry, "storage": storage}
                return value.model_dump(mode="json", warnings="error", context=context)
            except Exception as exc:  # a user's serializer may raise anything
                failed = _storage_error(exc)
                if failed is not None:
                    raise failed from None
                raise Mismatch(model, value, f"it cannot be dumped: {_text(exc)}") from exc

        def unpack(plain: Plain, storage: StorageRouter) -> object:
            if not isinstance(plain, Mapping):
                raise Mismatch(model, plain)
            try:
                # As JSON text, so that strict models take dates and enums for what they are.
                return model.model_validate_json(
                    json.dumps(plain),
                    strict=False,
                    by_alias=True,
                    by_name=True,
                    context={"deserialize": True, "registry": registry, "storage": storage},
                )
            except FledgeError:  # a storage that fails says more than a validator
                raise
            except Exception as exc:  # a user's validator may raise anything
                raise _refused(model, plain, exc) from exc

        return PlainForm(pack, unpack, model.model_json_schema, (model,))


def _refused(model: type[BaseModel], plain: Plain, exc: Exception) -> Mismatch:
    """What pydantic says about the first field at fault, with the path to it."""
    if type(exc).__name__ != "ValidationError" or not hasattr(exc, "errors"):
        return Mismatch(model, plain, _text(exc))
    problems = exc.errors(include_url=False)
    first, more = problems[0], len(problems) - 1
    found = Mismatch(model, first.get("input", plain), first["msg"] + (f"; and {more} more" if more else ""))
    for step in reversed(first["loc"]):
        found.inside(f"[{step}]" if isinstance(step, int) else f".{step}")
    return found


def _storage_error(exc: BaseException | None) -> FledgeError | None:
    """What made a handle's serializer fail, out of pydantic's wrapping."""
    while exc is not None and not isinstance(exc, FledgeError):
        exc = exc.__cause__ or exc.__context__
    return exc


def _is_handle(part: Annotation) -> bool:
    return isinstance(part, type) and issubclass(part, InModels)


def _text(exc: Exception) -> str:
    return f"{type(exc).__name__}: {exc}"


def _literal_type(annotation: Annotation, registry: TypeRegistry) -> types.LiteralType | None:
    """None for what no transformer knows: such a field travels, but cannot be picked out of the literal by Flyte."""
    try:
        return registry.literal_type(annotation)
    except UnsupportedTypeError:
        return None


def _secret_field(model: type[BaseModel]) -> tuple[str, str] | None:
    """(model and field, type) of the first field in or below the model that pydantic writes as asterisks."""
    for owner in _models_in(model):
        for name, field in owner.model_fields.items():
            for part in _parts(field.annotation):
                if f"{getattr(part, '__module__', '')}.{getattr(part, '__qualname__', '')}" in _SECRETS:
                    return f"{owner.__name__}.{name}", part.__qualname__
    return None


def _models_in(annotation: Annotation) -> list[type[BaseModel]]:
    """Every model an annotation leads to, itself included, in the order they are met."""
    found: list[type[BaseModel]] = []
    waiting = [annotation]
    while waiting:
        for part in _parts(waiting.pop(0)):
            if isinstance(part, type) and hasattr(part, "model_fields") and part not in found:
                found.append(part)
                waiting += [field.annotation for field in part.model_fields.values()]
    return found


def _parts(annotation: Annotation) -> Iterator[Annotation]:
    """The annotation and every one inside its brackets."""
    annotation = unwrap(annotation)[0]
    yield annotation
    for part in get_args(annotation):
        yield from _parts(part)
