"""Money as `"<cents> <currency>"` text on the wire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fledge.errors import TypeConversionError
from fledge.types.base import TypeTransformer

if TYPE_CHECKING:
    from fledge.idl import literals, types
    from fledge.storage import StorageRouter
    from fledge.types.base import TypeRegistry

__all__ = ["Money", "MoneyTransformer"]


@dataclass(frozen=True)
class Money:
    """An amount in the smallest unit of a currency."""

    cents: int
    currency: str


class MoneyTransformer(TypeTransformer[Money]):
    """Literals are strings: any SDK can read them."""

    def __init__(self) -> None:
        super().__init__("money", Money)

    def literal_type(self, python_type: Any, registry: TypeRegistry) -> types.LiteralType:  # Any: an annotation
        return registry.literal_type(str)

    def to_literal(
        self,
        value: Money,
        python_type: Any,  # Any: an annotation
        registry: TypeRegistry,
        storage: StorageRouter,
        path: str,
    ) -> literals.Literal:
        if not isinstance(value, Money):
            raise TypeConversionError(path, Money, value)
        return registry.to_literal(f"{value.cents} {value.currency}", str, storage, path)

    def to_python(
        self,
        literal: literals.Literal,
        python_type: Any,  # Any: an annotation
        registry: TypeRegistry,
        storage: StorageRouter,
        path: str,
    ) -> Money:
        cents, _, currency = registry.to_python(literal, str, storage, path).partition(" ")
        return Money(int(cents), currency)
