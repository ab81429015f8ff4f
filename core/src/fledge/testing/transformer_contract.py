"""The contract of a type transformer, as tests to inherit."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from dataclasses import make_dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from fledge import idl
from fledge.errors import TypeConversionError
from fledge.storage import LiveStore, materialize
from fledge.testing.contexts import plugin_registered
from fledge.types.mismatch import Mismatch

if TYPE_CHECKING:
    from fledge.context import FlyteContext
    from fledge.types.converter import PlainForm

__all__ = ["TransformerContract"]


class TransformerContract:
    """Inherit, set the attributes, run pytest.

        class TestMoney(TransformerContract):
            hooks = my_plugin.hooks
            python_type = Money
            values = [Money(1), Money(10**9)]
            bad_values = ["1 EUR", None]

    Attributes:
        hooks: The hook module that registers the transformer; None: it is built in.
        python_type: The annotation under test.
        values: Values that survive the trip, unchanged in value and type.
        bad_values: Values that are refused with TypeConversionError, and by `pack` of a plain form with Mismatch.
        in_containers: Whether the type may stand in `list[...]` and `dict[str, ...]`.
    """

    hooks: Any = None  # Any: a module or an object
    python_type: Any  # Any: annotations
    values: ClassVar[Sequence[Any]]  # Any: of the type under test
    bad_values: ClassVar[Sequence[Any]] = ()  # Any: of any other type
    in_containers: ClassVar[bool] = True

    def equal(self, first: Any, second: Any) -> bool:  # Any: of the type under test
        """Override where `==` is not equality."""
        return type(first) is type(second) and bool(first == second)

    def _context(self) -> Any:  # Any: a context manager of FlyteContext
        empty = type("NoHooks", (), {"HOOK_API": 1})
        return plugin_registered(self.hooks if self.hooks is not None else empty)

    def _trip(self, context: FlyteContext, value: Any, python_type: Any) -> Any:  # Any: values and annotations
        """Through bytes, with live values written out: as a container would see it."""
        storage = context.storage.with_(live=LiveStore())
        literals = idl.literals.LiteralMap()
        literals.literals["value"].CopyFrom(context.registry.to_literal(value, python_type, storage))
        data = idl.deterministic_bytes(materialize(literals, storage))
        read = idl.literals.LiteralMap.FromString(data)
        return context.registry.to_python(read.literals["value"], python_type, context.storage)

    def _plain_form(self, context: FlyteContext) -> PlainForm | None:
        """None where the type cannot stand inside a dataclass."""
        has_one = context.registry.converter(self.python_type).plain is not None
        return context.registry.plain_form(self.python_type) if has_one else None

    def test_the_annotation_is_supported(self) -> None:
        with self._context() as context:
            assert context.registry.check(self.python_type) is None

    def test_conversion_leaves_the_value_alone(self) -> None:
        """Before the other conversions: what they change can be seen only once."""
        with self._context() as context:
            for value in self.values:
                before = copy.deepcopy(value)
                context.registry.to_literal(value, self.python_type, context.storage)
                assert self.equal(before, value), f"{before!r} was changed to {value!r}"

    def test_values_survive_the_round_trip(self) -> None:
        assert self.values, "give the contract some values"
        with self._context() as context:
            for value in self.values:
                back = self._trip(context, value, self.python_type)
                assert self.equal(value, back), f"{value!r} came back as {back!r}"

    def test_values_survive_inside_lists_and_dicts(self) -> None:
        if not self.in_containers:
            return
        with self._context() as context:
            back = self._trip(context, list(self.values), _generic(list, self.python_type))
            assert all(map(self.equal, self.values, back))
            named = {str(number): value for number, value in enumerate(self.values)}
            back = self._trip(context, named, _generic(dict, str, self.python_type))
            assert all(self.equal(value, back[name]) for name, value in named.items())

    def test_values_survive_inside_a_dataclass(self) -> None:
        """By `pack` and `unpack` of its plain form, where it has one."""
        with self._context() as context:
            if self._plain_form(context) is None:
                return
            holder = make_dataclass("Holder", [("value", self.python_type)])
            for value in self.values:
                back = self._trip(context, holder(value), holder)
                assert self.equal(value, back.value), f"{value!r} came back from a dataclass as {back.value!r}"

    def test_the_schema_of_its_plain_form_is_json(self) -> None:
        with self._context() as context:
            form = self._plain_form(context)
            if form is not None:
                schema = form.schema()
                assert isinstance(schema, dict), f"schema() gave {schema!r}, which is no dict"
                json.dumps(schema)

    def test_its_plain_form_refuses_values_of_another_class(self) -> None:
        with self._context() as context:
            form = self._plain_form(context)
            if form is None:
                return
            for value in (*self.bad_values, _Stranger()):
                error = _raised(form.pack, value, context.storage)
                assert isinstance(error, Mismatch), f"pack({value!r}) gave {error!r}; raise Mismatch(type, value)"

    def test_the_literal_type_is_always_the_same(self) -> None:
        with self._context() as first, self._context() as second:
            assert first.registry.literal_type(self.python_type) == second.registry.literal_type(self.python_type)

    def test_bad_values_are_refused_with_their_path(self) -> None:
        with self._context() as context:
            for value in self.bad_values:
                error = _raised(context.registry.to_literal, value, self.python_type, context.storage, "inputs.x")
                assert isinstance(error, TypeConversionError), f"{value!r} gave {error!r}"
                assert error.path.startswith("inputs.x")

    def test_a_literal_of_another_kind_is_refused(self) -> None:
        strange = idl.literals.Literal()
        strange.scalar.error.message = "no value of any type"
        with self._context() as context:
            for literal in (strange, idl.literals.Literal()):
                error = _raised(context.registry.to_python, literal, self.python_type, context.storage, "inputs.x")
                assert error is None or isinstance(error, TypeConversionError), f"gave {error!r}"


class _Stranger:
    """Of no type that a transformer is for."""


def _generic(origin: Any, *arguments: Any) -> Any:  # Any: annotations put together at run time
    return origin[arguments if len(arguments) > 1 else arguments[0]]


def _raised(convert: Callable[..., object], *arguments: Any) -> BaseException | None:  # Any: values and annotations
    try:
        convert(*arguments)
    except Exception as exc:  # noqa: BLE001 - whatever it is, the caller tells what it should have been
        return exc
    return None
