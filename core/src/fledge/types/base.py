"""What a transformer is, what it compiles to, and the registry that finds one for an annotation.

In: a Python annotation. Out: a `Converter`, compiled once, whose functions turn values into Flyte literals and back.
Nothing here loads protobuf before a converter is compiled; `TypeRegistry.check` never does.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from fledge.errors import ClaimConflictError, UnsupportedTypeError
from fledge.types.annotated import Pickled, hash_method, hashed, is_pickled
from fledge.types.converter import Converter, PlainForm, plain_form_of
from fledge.types.guess import guess_python_type
from fledge.types.hints import Unresolved, annotation_key, unwrap
from fledge.types.kinds import Annotation, Value
from fledge.types.mismatch import Mismatch, from_foreign
from fledge.types.refusals import way_out

if TYPE_CHECKING:
    from fledge.idl import literals as pb_literals
    from fledge.idl import types as pb_types
    from fledge.storage import StorageRouter

__all__ = ["TypeForm", "TypeRegistry", "TypeTransformer"]

V = TypeVar("V")
MAX_DEPTH = 32
MAX_MESSAGES = 86  # protobuf reads 100 messages inside each other; a list of workflows around a type takes the rest


class TypeTransformer(Generic[V]):
    """Turns values of one Python type into Flyte literals and back; plugins register instances.

    Args:
        name: Kept as the tag of a union variant in the literal type.
        python_type: The exact class it handles, or the origin class of a generic. A dotted name ("pandas.DataFrame")
            stands for a class whose module need not be imported until somebody uses it.
    """

    handles_subclasses: ClassVar[bool] = False
    """Also claim subclasses; the nearest claim in the method resolution order wins."""

    keeps_metadata: ClassVar[bool] = False
    """Be handed `Annotated[T, ...]` whole instead of T."""

    has_literal_form: ClassVar[bool] = True
    """False for types that only live inside structured values."""

    is_struct: ClassVar[bool] = False
    """Its parts travel in their plain form (see `PlainForm`), and it must not contain itself."""

    nested_messages: ClassVar[tuple[int, int]] = (2, 4)
    """How many messages deep it is before its parts: as a literal, and in the JSON schema of a structured value."""

    def __init__(self, name: str, python_type: type[V] | str) -> None:
        self.name, self.python_type = name, python_type

    def literal_type(self, python_type: Annotation, registry: TypeRegistry) -> pb_types.LiteralType:
        """The Flyte type of an annotation."""
        raise NotImplementedError(f"{type(self).__name__}.literal_type")

    def to_literal(
        self,
        value: V,
        python_type: Annotation,
        registry: TypeRegistry,
        storage: StorageRouter,
        path: str,
    ) -> pb_literals.Literal:
        """A new literal. Any exception becomes a TypeConversionError with the path, the exception chained.

        `path` names the value for nested conversions; below a list or a dict it is empty and the rest is added later.
        """
        raise NotImplementedError(f"{type(self).__name__}.to_literal")

    def to_python(
        self,
        literal: pb_literals.Literal,
        python_type: Annotation,
        registry: TypeRegistry,
        storage: StorageRouter,
        path: str,
    ) -> V:
        """The value of a literal, which may be of any variant: it can come from anywhere."""
        raise NotImplementedError(f"{type(self).__name__}.to_python")

    def refusal(self, python_type: Annotation) -> str:  # noqa: ARG002 - given by the base class
        """Why this one annotation is not supported and the way out; empty when it is. Loads no protobuf."""
        return ""

    def parts(self, python_type: Annotation) -> Iterable[tuple[str, Annotation]]:  # noqa: ARG002 - given by the base class
        """The annotations inside this one, each with its step of the path (`[]`, `.name`). Loads no protobuf."""
        return ()

    def plain_form(self, python_type: Annotation, registry: TypeRegistry) -> PlainForm | None:  # noqa: ARG002 - given by the base class
        """How values travel inside a dataclass or another structured value; None: they cannot."""
        return None

    def compile(self, python_type: Annotation, registry: TypeRegistry) -> Converter:
        """Bind the methods above to one annotation; built-in transformers override this for speed."""

        def to_literal(value: V, storage: StorageRouter, path: str = "value") -> pb_literals.Literal:
            try:
                return write(value, storage, path)
            except Mismatch as exc:
                raise exc.error(path) from exc.__cause__

        def to_python(literal: pb_literals.Literal, storage: StorageRouter, path: str = "value") -> V:
            try:
                return read(literal, storage, path)
            except Mismatch as exc:
                raise exc.error(path) from exc.__cause__

        def write(value: V, storage: StorageRouter, path: str = "") -> pb_literals.Literal:
            try:
                return self.to_literal(value, python_type, registry, storage, path)
            except Exception as exc:
                raise from_foreign(exc, python_type, value, self.name, path) from exc

        def read(literal: pb_literals.Literal, storage: StorageRouter, path: str = "") -> V:
            try:
                return self.to_python(literal, python_type, registry, storage, path)
            except Exception as exc:
                raise from_foreign(exc, python_type, literal, self.name, path) from exc

        claimed = self.python_type if isinstance(self.python_type, type) else object
        return Converter(
            python_type,
            lambda: self.literal_type(python_type, registry),
            lambda literal, value, storage: literal.CopyFrom(write(value, storage)),
            read,
            plain=plain_form_of(self, python_type, registry),
            classes=(python_type,) if isinstance(python_type, type) else (claimed,),
            fits=lambda value: isinstance(value, claimed),
            to_literal=to_literal,
            to_python=to_python,
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


class TypeForm(TypeTransformer[Value]):
    """A transformer for annotations that no class tells: unions, `Literal`, TypedDict, NamedTuple, dataclasses."""

    def __init__(self, name: str) -> None:
        super().__init__(name, object)

    def matches(self, python_type: Annotation) -> bool:
        """Is it one of these annotations?"""
        raise NotImplementedError(f"{type(self).__name__}.matches")


class _Claim:
    """One transformer's claim on a class, by whom."""

    __slots__ = ("owner", "transformer")

    def __init__(self, owner: str, transformer: TypeTransformer[Value]) -> None:
        self.owner, self.transformer = owner, transformer


class TypeRegistry:
    """Which transformer handles which annotation; an object, one per context, so plugins never change a global.

    Results do not depend on the order of registration: two different claims on one class are remembered and reported
    when the class is used.
    """

    def __init__(self) -> None:
        self._claims: dict[type, list[_Claim]] = {}
        self._named: dict[str, list[_Claim]] = {}  # dotted name -> claims, until the module is there
        self._forms: list[TypeForm] = []
        self._memo: dict[object, Converter] = {}
        self.refuses_unknown_fields = False

    def strict(self) -> TypeRegistry:
        """The same transformers for values that people write: plain forms refuse fields that a type does not have."""
        made = TypeRegistry()
        made._claims, made._named, made._forms = self._claims, self._named, self._forms
        made.refuses_unknown_fields = True
        return made

    def register(self, transformer: TypeTransformer[Value], owner: str = "fledge") -> None:
        """Add a transformer. A second, different claim on its class raises ClaimConflictError when that is used."""
        self._memo.clear()
        claim = _Claim(owner, transformer)
        if isinstance(transformer.python_type, str):
            _add(self._named.setdefault(transformer.python_type, []), claim)
        else:
            _add(self._claims.setdefault(transformer.python_type, []), claim)

    def register_form(self, form: TypeForm) -> None:
        """For the built-ins: a transformer that is asked after all claims on the class."""
        self._forms.append(form)

    # -- finding --------------------------------------------------------------------------------------------------

    def find(self, python_type: Annotation, path: str = "value") -> tuple[TypeTransformer[Value], Value]:
        """The transformer of an annotation and the annotation as that transformer wants it.

        Raises:
            UnsupportedTypeError: nobody handles it.
            ClaimConflictError: two plugins do.
        """
        bare, metadata = unwrap(python_type)
        if isinstance(bare, Unresolved):
            raise UnsupportedTypeError(path, bare.text, bare.reason)
        chosen = next((item for item in metadata if isinstance(item, TypeTransformer)), None)
        if chosen is None and any(map(is_pickled, metadata)):
            chosen = self._claimed(Pickled)
        if chosen is None:
            chosen = self._claimed(bare) or next((form for form in self._forms if form.matches(bare)), None)
        if chosen is None:
            raise UnsupportedTypeError(path, python_type, way_out(bare))
        return chosen, python_type if chosen.keeps_metadata and metadata else bare

    def _claimed(self, bare: Annotation) -> TypeTransformer[Value] | None:
        origin = getattr(bare, "__origin__", bare)
        if not isinstance(origin, type):
            return None
        self._load_named()
        for cls in origin.__mro__:
            claims = self._claims.get(cls, ())
            if cls is not origin:
                claims = [claim for claim in claims if claim.transformer.handles_subclasses]
            if len(claims) > 1:
                first, second = sorted(claim.owner for claim in claims)[:2]
                raise ClaimConflictError(f"type {cls.__module__}.{cls.__qualname__}", first, second)
            if claims:
                return claims[0].transformer
        return None

    def _load_named(self) -> None:
        """Turn dotted names into classes as soon as their module is there: a value's class cannot exist before."""
        for name in list(self._named):
            module, _, attribute = name.rpartition(".")
            cls = getattr(sys.modules.get(module), attribute, None)
            if isinstance(cls, type):
                for claim in self._named.pop(name, ()):
                    _add(self._claims.setdefault(cls, []), claim)

    def conflicts(self) -> list[tuple[str, list[str]]]:
        """Classes that two or more owners claim, each with the owners' names."""
        self._load_named()
        return [
            (f"type {cls.__module__}.{cls.__qualname__}", sorted(claim.owner for claim in claims))
            for cls, claims in self._claims.items()
            if len(claims) > 1
        ]

    # -- checking -------------------------------------------------------------------------------------------------

    def check(self, python_type: Annotation, path: str = "value") -> None:
        """Refuse an annotation that has no transformer, at any depth. Names that cannot be resolved yet are let pass.

        Loads no protobuf.

        Raises:
            UnsupportedTypeError: with the path to the part at fault and the way out.
            ClaimConflictError: two plugins claim a type in it.
        """
        self._check(python_type, path, (), 0, plain=False)

    def _check(
        self, python_type: Annotation, path: str, outer: tuple[Annotation, ...], messages: int, plain: bool
    ) -> None:
        bare, _ = unwrap(python_type)
        if isinstance(bare, Unresolved) and bare.may_come:
            return
        transformer, seen = self.find(python_type, path)
        if transformer.is_struct and any(seen == above for above in outer):
            reason = "It contains itself, which has no schema. Refer to the inner one by a key or an index"
            raise UnsupportedTypeError(path, python_type, reason)
        reason = transformer.refusal(seen)
        if not reason and plain and not self._has_plain_form(transformer):
            reason = "It cannot travel inside a dataclass or another structured value. Pass it on its own"
        if not reason and not plain and not transformer.has_literal_form:
            reason = way_out(bare)
        if reason:
            raise UnsupportedTypeError(path, python_type, reason)
        plain = plain or transformer.is_struct
        messages += transformer.nested_messages[plain]
        if len(outer) > MAX_DEPTH or messages > MAX_MESSAGES:
            raise UnsupportedTypeError(path, outer[0], "It is nested too deep to be read back. Flatten it")
        for step, part in transformer.parts(seen):
            self._check(part, path + step, (*outer, seen), messages, plain)

    @staticmethod
    def _has_plain_form(transformer: TypeTransformer[Value]) -> bool:
        return type(transformer).plain_form is not TypeTransformer.plain_form

    # -- converting -----------------------------------------------------------------------------------------------

    def converter(self, python_type: Annotation) -> Converter:
        """The converter of an annotation, compiled once. Raises like `check`, and for names that are not resolved."""
        key = annotation_key(python_type)
        found = self._memo.get(key)
        if found is None:
            self.check(python_type)
            transformer, seen = self.find(python_type)
            found = transformer.compile(seen, self)
            method = hash_method(python_type)
            if method is not None:
                found = hashed(found, method)
            found.python_type = python_type
            self._memo[key] = found
        return found

    def plain_form(self, python_type: Annotation) -> PlainForm:
        """How an annotation that passed `check` travels inside a structured value."""
        transformer, seen = self.find(python_type)
        form = plain_form_of(transformer, seen, self)
        if form is None:
            raise UnsupportedTypeError("value", python_type, "It cannot travel inside a structured value")
        return form

    def has_literal_form(self, python_type: Annotation) -> bool:
        """Can values travel on their own, at every depth? Tuples and sets cannot."""
        try:
            self.check(python_type)
        except UnsupportedTypeError:
            return False
        return True

    def to_literal(
        self,
        value: Value,
        python_type: Annotation,
        storage: StorageRouter,
        path: str = "value",
    ) -> pb_literals.Literal:
        """One value as a new literal. Raises TypeConversionError with the path to what does not fit."""
        return self.converter(python_type).to_literal(value, storage, path)

    def to_python(
        self,
        literal: pb_literals.Literal,
        python_type: Annotation,
        storage: StorageRouter,
        path: str = "value",
    ) -> Value:
        """The value of a literal. Raises TypeConversionError, whatever the literal holds."""
        return self.converter(python_type).to_python(literal, storage, path)

    def literal_type(self, python_type: Annotation) -> pb_types.LiteralType:
        """The Flyte type of an annotation: shared, copy it before you change it."""
        return self.converter(python_type).literal_type

    def guess_python_type(self, literal_type: pb_types.LiteralType) -> Value:
        """An annotation that reads values of a Flyte type, for interfaces that only exist as messages."""
        return guess_python_type(literal_type)


def _add(claims: list[_Claim], claim: _Claim) -> None:
    if all(known.transformer is not claim.transformer for known in claims):
        claims.append(claim)
