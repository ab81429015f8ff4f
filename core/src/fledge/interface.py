"""A task's inputs and outputs by name: from a signature, to the TypedInterface message, and how a call binds."""

from __future__ import annotations

import inspect
import keyword
import sys
import typing
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from fledge import idl
from fledge.docstrings import Docstring
from fledge.errors import CallError, DefinitionError, OutputError, nearest, short_repr, type_name
from fledge.types.mismatch import Mismatch

if TYPE_CHECKING:
    from fledge.idl import interface as messages
    from fledge.storage import StorageRouter
    from fledge.types.base import TypeRegistry
    from fledge.types.converter import Converter

__all__ = ["CompiledInterface", "Interface", "UnresolvedAnnotation", "fill_map", "interface_of", "kwtypes"]

DEFAULT_TUPLE_NAME = "DefaultNamedTupleOutput"
Native = Any  # Any: an annotation may be a class, a generic alias, a union or a string's meaning


class _NamesToTypes(OrderedDict[str, Native]):
    """Hashable, so that it may stand in `Annotated[...]` inside a union; nothing changes one after it is made."""

    def __hash__(self) -> int:  # type: ignore[override] # dict says that it has none
        return hash(tuple(self))


def kwtypes(**kwargs: Native) -> OrderedDict[str, Native]:
    """Names to types, in the order given: `kwtypes(a=int, b=str)`."""
    return _NamesToTypes(kwargs)


class UnresolvedAnnotation(Exception):  # noqa: N818 - a signal between two functions, never shown
    """An annotation names something that does not exist yet (a forward reference); it is tried again at first use."""


class Interface:
    """Python names and types of a task's inputs and outputs, in declared order.

    Args:
        inputs: Name -> type, or name -> (type, default). For `inputs_with_defaults` a default of None is no default.
        outputs: Name -> type.
        output_tuple_name: Class name of the tuple that holds the outputs.
        docstring: What the docstring says about task, inputs and outputs.

    Raises:
        DefinitionError: A name is not an identifier.
    """

    __slots__ = (
        "_compiled",
        "_defaults",
        "_docstring",
        "_inputs",
        "_not_defaults",
        "_output_tuple",
        "_output_tuple_name",
        "_outputs",
    )

    def __init__(
        self,
        inputs: Mapping[str, Native | tuple[Native, object]] | None = None,
        outputs: Mapping[str, Native] | None = None,
        output_tuple_name: str | None = None,
        docstring: Docstring | None = None,
    ) -> None:
        self._not_defaults: frozenset[str] = frozenset()  # inputs without a default whose signature says `= None`
        self._inputs: dict[str, Native] = {}
        self._defaults: dict[str, object] = {}
        for name, given in (inputs or {}).items():
            _check_name("input", name)
            if isinstance(given, tuple) and len(given) > 1:
                self._inputs[name], self._defaults[name] = given[0], given[1]
            else:
                self._inputs[name] = given
        self._outputs: dict[str, Native] = dict(outputs or {})
        for name in self._outputs:
            _check_name("output", name)
        self._output_tuple_name = output_tuple_name
        self._docstring = docstring
        self._output_tuple: type | None = None
        self._compiled: CompiledInterface | None = None

    @property
    def inputs(self) -> dict[str, Native]:
        return dict(self._inputs)

    @property
    def outputs(self) -> dict[str, Native]:
        return dict(self._outputs)

    @property
    def inputs_with_defaults(self) -> dict[str, tuple[Native, object]]:
        """Name -> (type, default); None stands for no default as well as for a default of None."""
        return {name: (kind, self._defaults.get(name)) for name, kind in self._inputs.items()}

    @property
    def default_inputs_as_kwargs(self) -> dict[str, object]:
        return {name: value for name, value in self._defaults.items() if value is not None}

    @property
    def defaults(self) -> Mapping[str, object]:
        """Every declared default, those of None included."""
        return self._defaults

    @property
    def output_names(self) -> list[str] | None:
        return list(self._outputs) or None

    @property
    def output_tuple_name(self) -> str | None:
        return self._output_tuple_name

    @property
    def output_tuple(self) -> type:
        """The named tuple of the outputs: its class name is `output_tuple_name`."""
        if self._output_tuple is None:
            from collections import namedtuple  # noqa: PLC0415 - made once, when several outputs are first packed

            name = self._output_tuple_name or DEFAULT_TUPLE_NAME
            self._output_tuple = namedtuple(name, list(self._outputs))  # type: ignore[misc]  # noqa: PYI024 - dynamic by nature
        return self._output_tuple

    @property
    def docstring(self) -> Docstring | None:
        return self._docstring

    def remove_inputs(self, names: Iterable[str] | None) -> Interface:
        """Without these inputs; the same object for None."""
        if names is None:
            return self
        gone = set(names)
        return self._changed({name: pair for name, pair in self._pairs().items() if name not in gone}, self._outputs)

    def with_inputs(self, extra: Mapping[str, Native]) -> Interface:
        """With more inputs; the same object when there are none. DefinitionError when a name exists."""
        _refuse_known("input", extra, self._inputs)
        return self._changed({**self._pairs(), **extra}, self._outputs) if extra else self

    def with_outputs(self, extra: Mapping[str, Native]) -> Interface:
        """With more outputs; the same object when there are none. DefinitionError when a name exists."""
        _refuse_known("output", extra, self._outputs)
        return self._changed(self._pairs(), {**self._outputs, **extra}) if extra else self

    def _pairs(self) -> dict[str, Native]:
        return {
            name: (kind, self._defaults[name]) if name in self._defaults else kind
            for name, kind in self._inputs.items()
        }

    def _changed(self, inputs: Mapping[str, Native], outputs: Mapping[str, Native]) -> Interface:
        return Interface(inputs, outputs, self._output_tuple_name, self._docstring)

    def bind(self, task_name: str, args: tuple[object, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Arguments of a call by input name, defaults filled in, in declared order.

        Raises:
            CallError: Too many positional arguments, an unknown keyword, a name given twice or missing.
        """
        names = self._inputs
        if args:
            if len(args) > len(names):
                takes = f"{len(names)} input{'s' * (len(names) != 1)} ({', '.join(names)})" if names else "no inputs"
                raise CallError(task_name, f"takes {takes} but {len(args)} {'were' if len(args) > 1 else 'was'} given")
            positional = dict(zip(names, args, strict=False))
            for name in positional:
                if name in kwargs:
                    raise CallError(task_name, f"input {name!r} is given twice, by position and by name", name)
            kwargs = {**positional, **kwargs}
        if kwargs.keys() == names.keys():
            return kwargs
        for name in kwargs:
            if name not in names:
                takes = f"it takes {', '.join(names)}" if names else "it takes none"
                raise CallError(task_name, f"no input is called {name!r}; {takes}{nearest(name, names)}", name)
        missing = [name for name in names if name not in kwargs and name not in self._defaults]
        if missing:
            raise CallError(task_name, self.missing_text(missing), missing[0])
        return {name: kwargs[name] if name in kwargs else self._defaults[name] for name in names}

    def missing_text(self, missing: Iterable[str]) -> str:
        """What a message says of inputs that were not given."""
        told = []
        for name in missing:
            kind = type_name(self._inputs[name])
            why = f" (its default, None, is no {kind}: write {name}: Optional[{kind}] = None)"
            told.append(f"{name}: {kind}{why if name in self._not_defaults else ''}")
        return f"missing input {', '.join(told)}"

    def check(self, registry: TypeRegistry, task_name: str) -> None:
        """UnsupportedTypeError for the first input or output that no transformer knows. Loads no message."""
        for name, kind in self._inputs.items():
            registry.check(kind, f"{task_name}.inputs.{name}")
        for name, kind in self._outputs.items():
            registry.check(kind, f"{task_name}.outputs.{name}")

    def compile(self, registry: TypeRegistry) -> CompiledInterface:
        """The converters of this interface; made once per registry."""
        compiled = self._compiled
        if compiled is None or compiled.registry is not registry:
            compiled = self._compiled = CompiledInterface(self, registry)
        return compiled

    def to_typed_interface(self, registry: TypeRegistry) -> messages.TypedInterface:
        """flyteidl.core.TypedInterface, a new one. A variable without a text of its own is described by its name."""
        compiled = self.compile(registry)
        if compiled.typed is None:
            compiled.typed = self._typed(compiled)
        message = idl.interface.TypedInterface()
        message.CopyFrom(compiled.typed)
        return message

    def _typed(self, compiled: CompiledInterface) -> messages.TypedInterface:
        texts = self._docstring or Docstring()
        message = idl.interface.TypedInterface()
        message.inputs.SetInParent()
        message.outputs.SetInParent()
        for name, converter in compiled.inputs.items():
            variable = message.inputs.variables[name]
            variable.type.CopyFrom(converter.literal_type)
            variable.description = texts.inputs.get(name, name)
        for name, converter in compiled.outputs.items():
            variable = message.outputs.variables[name]
            variable.type.CopyFrom(converter.literal_type)
            text = texts.output_text(name)
            variable.description = name if text is None else text
        return message

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Interface):
            return NotImplemented
        return self._pairs() == other._pairs() and self._outputs == other._outputs

    def __hash__(self) -> int:
        return hash((tuple(self._inputs), tuple(self._outputs)))

    def __repr__(self) -> str:
        inputs = ", ".join(
            f"{name}: {type_name(kind)}" + (f"={self._defaults[name]!r}" if name in self._defaults else "")
            for name, kind in self._inputs.items()
        )
        outputs = ", ".join(f"{name}: {type_name(kind)}" for name, kind in self._outputs.items())
        return f"({inputs}) -> ({outputs})"


class Named(Protocol):
    """A task or a workflow."""

    @property
    def name(self) -> str: ...


class CompiledInterface:
    """One converter per input and output: what a task uses to go from literals to Python values and back.

    `only` is the name of an output that is a call's whole result: the only one, and without a tuple around it.
    """

    __slots__ = ("inputs", "only", "outputs", "registry", "tuple_name", "typed")

    def __init__(self, interface: Interface, registry: TypeRegistry) -> None:
        self.registry = registry
        self.inputs: dict[str, Converter] = {name: registry.converter(kind) for name, kind in interface.inputs.items()}
        self.outputs: dict[str, Converter] = {
            name: registry.converter(kind) for name, kind in interface.outputs.items()
        }
        self.typed: messages.TypedInterface | None = None  # once it was asked for; shared
        self.tuple_name = interface.output_tuple_name
        is_only = len(self.outputs) == 1 and self.tuple_name is None
        self.only: str | None = next(iter(self.outputs)) if is_only else None

    def named_outputs(self, task: Named, result: Any) -> dict[str, Any]:  # Any: a type per output
        """What a task's `execute` returned, by output name. OutputError when it does not fit the declared outputs."""
        if self.only is not None and not isinstance(result, tuple):
            return {self.only: result}
        names = list(self.outputs)
        if not names:
            if result is not None:
                got = type(result).__name__
                hint = f"Annotate the return type: def {task.name.rpartition('.')[2]}(...) -> {got}"
                raise OutputError(task.name, f"declares no outputs and returned a value of type {got}. {hint}")
            return {}
        if len(names) == 1:
            is_named = self.tuple_name is not None and isinstance(result, tuple)
            if isinstance(result, tuple) and not is_named and not hasattr(result, "_fields"):
                raise OutputError(task.name, f"returned a tuple of {len(result)} for its one output {names[0]!r}")
            return {names[0]: result[0] if is_named and len(result) == 1 else result}
        if isinstance(result, Mapping) and result.keys() == set(names):
            return {name: result[name] for name in names}
        if not isinstance(result, (tuple, list)) or len(result) != len(names):
            got = f"{len(result)} values" if isinstance(result, (tuple, list)) else f"a {type(result).__name__}"
            raise OutputError(task.name, f"declares {len(names)} outputs ({', '.join(names)}) and returned {got}")
        return dict(zip(names, result, strict=True))


def fill_map(
    target: Any,  # Any: the `literals` of a LiteralMap, a container of protobuf's own type
    converters: Mapping[str, Converter],
    values: Mapping[str, Any],  # Any: a type per name
    storage: StorageRouter,
    owner: Named,
    side: str,
) -> None:
    """Write each value as the literal of its name. TypeConversionError with the path `owner.name.side.name...`."""
    name = ""
    try:
        for name, value in values.items():
            converters[name].fill(target[name], value, storage)
    except Mismatch as exc:
        raise exc.error(f"{owner.name}.{side}.{name}") from exc.__cause__


def interface_of(function: Callable[..., object], name: str, what: str = "task") -> Interface:
    """The interface a function's signature declares.

    A NamedTuple return names the outputs; a plain tuple of several types gives o0, o1, ...; one type gives o0; no
    return annotation or None gives no outputs.

    A default of None of what can never be None is no default: the input has to be given.

    Args:
        function: The body of a task or workflow.
        name: What the task or workflow is called, for messages.
        what: "task" or "workflow", for messages.

    Raises:
        DefinitionError: A parameter has no annotation, is of a kind that cannot be given by name, or has a default
            that does not fit its annotation.
        UnresolvedAnnotation: An annotation names something that does not exist yet.
    """
    whole = f"{what} {name}"
    hints = _hints(function, whole)
    inputs: dict[str, Native] = {}
    not_defaults: list[str] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise DefinitionError(
                f"{whole}: parameter {str(parameter)!r} cannot be an input. Give every input a name of its own"
            )
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise DefinitionError(f"{whole}: inputs are given by name, {parameter.name!r} too. Take the / out")
        if parameter.name not in hints:
            raise DefinitionError(f"{whole}: {_unannotated(function, parameter.name)}")
        hint, default = hints[parameter.name], parameter.default
        if default is None and _is_never_none(hint):
            not_defaults.append(parameter.name)
            default = parameter.empty
        _check_default(whole, parameter.name, hint, default)
        inputs[parameter.name] = hint if default is parameter.empty else (hint, default)
    outputs, tuple_name = _outputs_of(hints.get("return"), whole)
    interface = Interface(inputs, outputs, tuple_name, Docstring.parse(function.__doc__))
    interface._not_defaults = frozenset(not_defaults)  # noqa: SLF001 - of the class above
    return interface


_SCALARS = {int: (int,), float: (float, int), str: (str,), bool: (bool,), bytes: (bytes,)}


def _is_never_none(hint: Native) -> bool:
    """Of the types that fledge itself knows; a plugin's type may be one that None is a value of."""
    origin: Native = typing.get_origin(hint)
    kind: Native = hint if origin is None else origin
    is_ours = getattr(kind, "__module__", "").startswith(("datetime", "fledge.types"))
    return kind in (*_SCALARS, list, dict) or is_ours or hasattr(kind, "__dataclass_fields__")


def _check_default(whole: str, name: str, hint: Native, default: object) -> None:
    """DefinitionError for a default that no call could use, as far as that is plain without asking a transformer."""
    fitting = _SCALARS.get(hint) if isinstance(hint, type) else None
    if fitting is not None and type(default) not in fitting and default is not inspect.Parameter.empty:
        raise DefinitionError(
            f"{whole}: the default of input {name!r} is {short_repr(default)}, of type {type(default).__name__}, "
            f"and no {type_name(hint)}"
        )


def _unannotated(function: Callable[..., object], name: str) -> str:
    if name in ("self", "cls"):
        return (
            "a method cannot be a task, as a container has no object to call it on. "
            "Move the function out of the class, or put @staticmethod above the decorator"
        )
    return f"parameter {name!r} has no annotation. Write its type: def {function.__name__}({name}: int, ...)"


def _outputs_of(returned: Native, whole: str) -> tuple[dict[str, Native], str | None]:
    if returned is None or returned is type(None):
        return {}, None
    if isinstance(returned, type) and issubclass(returned, tuple) and hasattr(returned, "_fields"):
        return typing.get_type_hints(returned, include_extras=True), returned.__name__
    origin: object = typing.get_origin(returned)
    if origin is tuple:
        kinds = typing.get_args(returned)
        if Ellipsis in kinds or len(kinds) < 2:
            raise DefinitionError(
                f"{whole}: {type_name(returned)} is not a set of outputs. Write list[...] for many values "
                "of one type, or tuple[A, B] or a NamedTuple for several outputs"
            )
        return {f"o{number}": kind for number, kind in enumerate(kinds)}, None
    return {"o0": returned}, None


def _hints(function: Callable[..., object], whole: str) -> dict[str, Native]:
    """Evaluated annotations. Unlike `typing.get_type_hints`, a default of None never changes the type (3.10 does)."""
    function = inspect.unwrap(function)
    annotations = dict(getattr(function, "__annotations__", {}))
    namespace = _namespace(function)
    for name, annotation in annotations.items():
        if annotation is None:
            annotations[name] = type(None)
            continue
        holder = type(
            "_Holder", (), {"__annotations__": {name: annotation}, "__module__": getattr(function, "__module__", "")}
        )
        try:
            annotations[name] = typing.get_type_hints(
                holder, globalns=namespace, localns=namespace, include_extras=True
            )[name]
        except NameError as exc:
            raise UnresolvedAnnotation(f"{whole}: annotation of {name!r}: {exc}") from exc
        except (AttributeError, SyntaxError, TypeError) as exc:
            raise DefinitionError(f"{whole}: annotation {annotation!r} of {name!r} cannot be read: {exc}") from exc
    return annotations


def _namespace(function: Callable[..., object]) -> dict[str, Any]:
    """Module globals, with the names that the function closes over and its own type parameters (PEP 695)."""
    module = sys.modules.get(getattr(function, "__module__", ""))
    namespace = {**getattr(module, "__dict__", {}), **getattr(function, "__globals__", {})}
    code, closure = getattr(function, "__code__", None), getattr(function, "__closure__", None)
    for name, cell in zip(code.co_freevars if code else (), closure or (), strict=False):
        try:
            namespace[name] = cell.cell_contents
        except ValueError:  # an empty cell: the name is bound later
            continue
    namespace.update({parameter.__name__: parameter for parameter in getattr(function, "__type_params__", ())})
    return namespace


def _check_name(what: str, name: str) -> None:
    if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
        raise DefinitionError(f"{what} name {name!r} is not a Python identifier. Rename it")


def _refuse_known(what: str, extra: Mapping[str, Native], known: Mapping[str, Native]) -> None:
    for name in extra:
        if name in known:
            raise DefinitionError(f"{what} {name!r} exists already. Choose another name")
