"""Handles (files, directories, datasets) as fields of pydantic models; pydantic is imported when it asks for them.

In: a handle, a path, or the mapping that stands for a handle in JSON. Out: the handle; and the mapping. Where a plugin
converts the model it puts `registry` and `storage` into pydantic's context, and the handle travels as in a dataclass:
what it holds is published. Elsewhere (`model.model_dump_json()`) nothing is, and the mapping is the handle's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from fledge.types.mismatch import Mismatch

if TYPE_CHECKING:
    from pydantic_core import CoreSchema
    from typing_extensions import Self  # type checkers bring it along

    from fledge.types.kinds import Plain, Value

__all__ = ["InModels"]


class InModels:
    """What makes a class a type of pydantic's."""

    @classmethod
    def _from_plain(cls, plain: Plain) -> Self:
        """A handle of what stands for it in JSON. TypeError, KeyError or ValueError for anything else."""
        raise NotImplementedError

    def _to_plain(self) -> Plain:
        """What stands for it in JSON. ValueError when nothing can."""
        raise NotImplementedError

    @classmethod
    def _plain_schema(cls) -> dict[str, Plain]:
        """JSON schema of what stands for it."""
        raise NotImplementedError

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: object) -> CoreSchema:
        from pydantic_core import core_schema  # noqa: PLC0415 - whoever calls this has it

        def read(value: Value, info: core_schema.ValidationInfo) -> Value:
            return value if isinstance(value, cls) else _told(_form(cls, info, "unpack") or cls._from_plain, value)

        def write(value: Value, info: core_schema.SerializationInfo) -> Plain:
            return _told(_form(cls, info, "pack") or cls._to_plain, value)

        # By a reference the schema is written once for each class; those with a format have the class's own name.
        is_shared = not vars(cls).get("format")
        return core_schema.with_info_plain_validator_function(
            read,
            ref=f"{cls.__module__}.{cls.__qualname__}:{id(cls)}" if is_shared else None,
            serialization=core_schema.plain_serializer_function_ser_schema(write, info_arg=True, when_used="json"),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: object, _handler: object) -> dict[str, Plain]:
        return cls._plain_schema()


def _form(cls: type, info: Any, way: str) -> Callable[[Value], Value] | None:  # Any: of either direction
    """The conversion with a plugin's context; None without one."""
    context = info.context if isinstance(info.context, Mapping) else {}
    if "registry" not in context:
        return None
    convert, storage = getattr(context["registry"].plain_form(cls), way), context["storage"]
    return lambda value: convert(value, storage)


def _told(convert: Callable[[Value], Value], value: Value) -> Value:
    """Pydantic adds the path to a ValueError, and to nothing else."""
    try:
        return convert(value)
    except Mismatch as exc:
        raise ValueError(str(exc.error("value")).partition(": ")[2]) from exc
    except (KeyError, TypeError) as exc:
        raise ValueError(f"nothing that stands for a handle: {exc!r}") from exc
