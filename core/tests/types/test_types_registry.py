"""Transformers of plugins: claims, conflicts, subclasses, metadata, and what their exceptions become."""

from __future__ import annotations

import enum
import itertools
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Annotated, Any

import pytest

from fledge import idl
from fledge.errors import ClaimConflictError, StorageError, TypeConversionError, UnsupportedTypeError
from fledge.storage import StorageRouter
from fledge.types import HashMethod, TypeRegistry, TypeTransformer, builtin_registry
from fledge.types.converter import PlainForm
from fledge.types.mismatch import Mismatch

STORAGE = StorageRouter()


class Money:
    def __init__(self, cents: int) -> None:
        self.cents = cents

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and type(self) is type(other) and self.cents == other.cents

    __hash__ = None  # type: ignore[assignment]  # values are compared, never keys


class Euro(Money):
    pass


class MoneyTransformer(TypeTransformer[Money]):
    """Cents as an integer; negative amounts raise what the test asks for."""

    handles_subclasses = True
    error: Exception = ValueError("negative")

    def literal_type(self, python_type: Any, registry: TypeRegistry) -> Any:  # Any: as the base class
        return registry.literal_type(int)

    def to_literal(
        self, value: Money, python_type: Any, registry: TypeRegistry, storage: Any, path: str
    ) -> Any:  # Any: as the base class
        if value.cents < 0:
            raise self.error
        return registry.to_literal(value.cents, int, storage, f"{path}.cents")

    def to_python(
        self, literal: Any, python_type: Any, registry: TypeRegistry, storage: Any, path: str
    ) -> Money:  # Any: as the base class
        made: Money = python_type(registry.to_python(literal, int, storage, f"{path}.cents"))
        return made


class PackedMoney(MoneyTransformer):
    """As above, and at home inside dataclasses."""

    def plain_form(self, python_type: Any, registry: TypeRegistry) -> PlainForm:  # Any: an annotation
        return PlainForm(
            lambda value, storage: value.cents,
            lambda plain, storage: python_type(plain),
            lambda: {"type": "integer"},
            (python_type,),
        )


class Shouting(TypeTransformer[str]):
    """For Annotated[str, Shouting(...)]: stored in capitals."""

    def literal_type(self, python_type: Any, registry: TypeRegistry) -> Any:  # Any: as the base class
        return registry.literal_type(str)

    def to_literal(
        self, value: str, python_type: Any, registry: TypeRegistry, storage: Any, path: str
    ) -> Any:  # Any: as the base class
        return registry.to_literal(value.upper(), str, storage, path)

    def to_python(
        self, literal: Any, python_type: Any, registry: TypeRegistry, storage: Any, path: str
    ) -> str:  # Any: as the base class
        return str(registry.to_python(literal, str, storage, path))


@pytest.fixture
def registry() -> TypeRegistry:
    return builtin_registry()


def test_a_registered_class_converts_at_every_depth(registry: TypeRegistry) -> None:
    registry.register(MoneyTransformer("money", Money), "shop")
    for annotation, value in [
        (Money, Money(3)),
        (Euro, Euro(3)),
        (list[Money], [Money(1), Money(2)]),
        (dict[str, list[Euro]], {"a": [Euro(1)]}),
        (Money | None, Money(5)),
        (Money | Euro | str, Euro(5)),
    ]:
        registry.check(annotation)
        literal = registry.to_literal(value, annotation, STORAGE)
        assert registry.to_python(literal, annotation, STORAGE) == value


def test_what_a_transformer_raises_is_chained_and_gets_the_path(registry: TypeRegistry) -> None:
    registry.register(MoneyTransformer("money", Money), "shop")
    for annotation, value, path in [
        (Money, Money(-1), "inputs.m"),
        (list[Money], [Money(1), Money(-1)], "inputs.m[1]"),
        (dict[str, list[Money]], {"a": [Money(-1)]}, "inputs.m['a'][0]"),
    ]:
        with pytest.raises(TypeConversionError, match="money: ValueError: negative") as caught:
            registry.to_literal(value, annotation, STORAGE, "inputs.m")
        assert caught.value.path == path
        assert caught.value.__cause__ is MoneyTransformer.error


def test_steps_of_nested_conversions_are_kept(registry: TypeRegistry) -> None:
    registry.register(MoneyTransformer("money", Money), "shop")
    text = registry.to_literal(["x"], list[str], STORAGE)
    with pytest.raises(TypeConversionError) as caught:
        registry.to_python(text, list[Money], STORAGE, "inputs.m")
    assert caught.value.path == "inputs.m[0].cents"
    with pytest.raises(TypeConversionError) as caught:
        registry.to_python(text.collection.literals[0], Money, STORAGE, "inputs.m")
    assert caught.value.path == "inputs.m.cents"


def test_a_storage_that_fails_stays_a_storage_error(registry: TypeRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MoneyTransformer, "error", StorageError("s3://a", "gone"))
    registry.register(MoneyTransformer("money", Money), "shop")
    with pytest.raises(StorageError, match="gone"):
        registry.to_literal([Money(-1)], list[Money], STORAGE)


def test_two_claims_on_one_class_are_an_error_only_when_it_is_used(registry: TypeRegistry) -> None:
    registry.register(MoneyTransformer("money", Money), "shop")
    registry.register(MoneyTransformer("cash", Money), "bank")
    registry.check(list[int])
    for use in (registry.check, registry.converter, registry.literal_type):
        with pytest.raises(ClaimConflictError, match="bank and shop") as caught:
            use(list[Money])
        assert (caught.value.first, caught.value.second) == ("bank", "shop")


def test_a_claim_on_a_builtin_type_conflicts_with_fledges_own(registry: TypeRegistry) -> None:
    registry.register(Shouting("loud", str), "shop")
    with pytest.raises(ClaimConflictError, match="fledge and shop"):
        registry.check(str)


def test_the_same_transformer_twice_is_one_claim(registry: TypeRegistry) -> None:
    transformer = MoneyTransformer("money", Money)
    registry.register(transformer, "shop")
    registry.register(transformer, "shop")
    registry.check(Money)


def test_results_do_not_depend_on_the_order_of_registration() -> None:
    class Coin(enum.Enum):
        ONE = "one"

    transformers = [
        (MoneyTransformer("money", Money), "a"),
        (MoneyTransformer("euro", Euro), "b"),
        (MoneyTransformer("coin", Coin), "c"),  # type: ignore[arg-type]  # any class will do
    ]
    found = set()
    for order in itertools.permutations(transformers):
        registry = builtin_registry()
        for transformer, owner in order:
            registry.register(transformer, owner)
        found.add(tuple(registry.find(cls)[0].name for cls in (Money, Euro, type("Cent", (Euro,), {}), Coin)))
    assert found == {("money", "euro", "euro", "coin")}


def test_registering_after_use_is_seen(registry: TypeRegistry) -> None:
    with pytest.raises(UnsupportedTypeError):
        registry.check(Money)
    registry.register(MoneyTransformer("money", Money), "shop")
    assert registry.to_literal(Money(1), Money, STORAGE).scalar.primitive.integer == 1


def test_a_class_can_be_claimed_by_name_before_its_module_is_imported(
    registry: TypeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.register(MoneyTransformer("money", "a_shop_nobody_has.Money"), "shop")
    registry.check(int)
    assert "a_shop_nobody_has" not in sys.modules
    module = ModuleType("a_shop_nobody_has")
    module.Money = Money  # type: ignore[attr-defined]  # a module made here
    monkeypatch.setitem(sys.modules, "a_shop_nobody_has", module)
    assert registry.find(Money)[0].name == "money"


def test_a_dataclass_takes_only_types_with_a_plain_form(registry: TypeRegistry) -> None:
    @dataclass
    class Order:
        total: Money

    Order.__annotations__["total"] = Money
    registry.register(MoneyTransformer("money", Money), "shop")
    with pytest.raises(UnsupportedTypeError, match="cannot travel inside") as caught:
        registry.check(Order, "job.inputs.order")
    assert caught.value.path == "job.inputs.order.total"
    other = builtin_registry()
    other.register(PackedMoney("money", Money), "shop")
    order = Order(Money(3))
    assert other.to_python(other.to_literal(order, Order, STORAGE), Order, STORAGE) == order


def test_a_transformer_in_annotated_is_used_there_only(registry: TypeRegistry) -> None:
    loud = Annotated[str, Shouting("loud", str)]
    literal = registry.to_literal(["a"], list[loud], STORAGE)
    assert literal.collection.literals[0].scalar.primitive.string_value == "A"
    assert registry.to_literal("a", str, STORAGE).scalar.primitive.string_value == "a"


def test_the_hash_method_sets_the_hash_and_nothing_else(registry: TypeRegistry) -> None:
    hashed = Annotated[int, "note", HashMethod(lambda value: f"h{value}")]
    literal = registry.to_literal(3, hashed, STORAGE)
    assert literal.hash == "h3"
    literal.ClearField("hash")
    assert literal == registry.to_literal(3, int, STORAGE)
    assert registry.literal_type(hashed) == registry.literal_type(int)
    assert registry.to_literal([3], list[hashed], STORAGE).collection.literals[0].hash == "h3"


def test_a_converter_is_compiled_once(registry: TypeRegistry) -> None:
    assert registry.converter(list[int]) is registry.converter(list[int])
    assert registry.converter(list[int]) is not builtin_registry().converter(list[int])
    assert registry.literal_type(int) is registry.literal_type(int)
    assert idl.types.SimpleType.Name(registry.literal_type(int).simple) == "INTEGER"


# -- what a plugin's plain form raises ---------------------------------------------------------------------------------


@dataclass
class Order:
    at: Money


def _no_arguments() -> dict[str, str]:
    return {"type": "integer"}


def _form(
    pack: Any, unpack: Any, schema: Any = _no_arguments
) -> TypeTransformer[Money]:  # Any: right or wrong functions
    class Written(MoneyTransformer):
        def plain_form(self, python_type: Any, registry: TypeRegistry) -> PlainForm:  # Any: as the base class
            return PlainForm(pack, unpack, schema)

    return Written("money", Money)


WHO = f"{__name__}._form.<locals>.Written.plain_form"


def _euros(value: object, storage: object) -> object:
    return value.euros  # type: ignore[attr-defined] # the mistake


@pytest.mark.parametrize(
    ("pack", "error"),
    [
        (_euros, "AttributeError: 'Money' object has no attribute 'euros'"),
        (lambda value: value.cents, "TypeError: "),
        ({}.__getitem__, "TypeError: "),
    ],
)
def test_what_pack_raises_is_told_with_the_path_and_who_it_was(registry: TypeRegistry, pack: Any, error: str) -> None:
    registry.register(_form(pack, Money), "shop")
    with pytest.raises(TypeConversionError) as caught:
        registry.to_literal([Order(Money(1))], list[Order], STORAGE, "inputs.orders")
    assert caught.value.path == "inputs.orders[0].at"
    assert f"{WHO} (pack): {error}" in str(caught.value)
    assert "is not set" not in str(caught.value)
    assert isinstance(caught.value.__cause__, (AttributeError, TypeError))


def test_what_unpack_raises_is_told_with_the_path_and_who_it_was(registry: TypeRegistry) -> None:
    def unpack(plain: object, storage: object) -> object:
        raise ValueError("no such currency")

    registry.register(_form(lambda value, storage: value.cents, unpack), "shop")
    literal = registry.to_literal(Order(Money(1)), Order, STORAGE)
    with pytest.raises(TypeConversionError) as caught:
        registry.to_python(literal, Order, STORAGE, "inputs.order")
    assert caught.value.path == "inputs.order.at"
    assert f"{WHO} (unpack): ValueError: no such currency" in str(caught.value)
    assert isinstance(caught.value.__cause__, ValueError)


def test_a_mismatch_and_a_storage_error_of_a_plain_form_stay_what_they_are(registry: TypeRegistry) -> None:
    def pack(value: Money, storage: object) -> object:
        raise Mismatch(Money, value, "no cents") if value.cents else StorageError("s3://a", "gone")

    registry.register(_form(pack, Money), "shop")
    with pytest.raises(TypeConversionError, match="no cents") as caught:
        registry.to_literal(Order(Money(1)), Order, STORAGE, "inputs.order")
    assert caught.value.path == "inputs.order.at"
    assert WHO not in str(caught.value)
    with pytest.raises(StorageError, match="gone"):
        registry.to_literal(Order(Money(0)), Order, STORAGE)


def test_a_plain_form_that_is_none_names_its_transformer(registry: TypeRegistry) -> None:
    registry.register(_form(_euros, _euros, {"type": "integer"}), "shop")
    with pytest.raises(UnsupportedTypeError) as caught:
        registry.converter(Money)
    assert f"{WHO}: TypeError: PlainForm(pack, unpack, schema): schema is to be a function, not {{'" in str(
        caught.value
    )


def test_a_schema_that_cannot_be_had_names_its_transformer(registry: TypeRegistry) -> None:
    registry.register(_form(_euros, _euros, lambda registry: {}), "shop")
    with pytest.raises(UnsupportedTypeError, match=r"plain_form \(schema\): TypeError: "):
        registry.literal_type(Order)
