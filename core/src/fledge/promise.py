"""What a call returns before it is a value: a Promise for an output, a VoidPromise for a task without outputs.

A Promise is ready (it holds a literal; local runs) or a reference to a node's output (compiling a workflow).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from fledge.errors import FledgeError, nearest

if TYPE_CHECKING:
    from fledge.idl import literals, types
    from fledge.interface import Interface
    from fledge.nodes import Node

__all__ = ["NodeOutput", "Promise", "PromiseUseError", "VoidPromise", "pack_outputs"]


class PromiseUseError(FledgeError, ValueError):
    """A promise was used as if it were its value."""

    origin = "USER"


class NodeOutput(NamedTuple):
    """One output of a node, and a path into it: `node.output["key"][0].field`."""

    node: Node
    var: str
    attr_path: tuple[str | int, ...] = ()

    def __str__(self) -> str:
        steps = "".join(f"[{step!r}]" for step in self.attr_path)
        return f"{self.node.id or 'inputs'}.{self.var}{steps}"

    def fill(self, message: types.OutputReference) -> None:
        """Write it into an empty message, which from then on follows the node's id."""
        message.node_id, message.var = self.node.id, self.var
        self.node.references.append(message)
        for step in self.attr_path:
            part = message.attr_path.add()
            if isinstance(step, int):
                part.int_value = step
            else:
                part.string_value = step


class Promise:
    """An output that will exist: `var` is its name, `val` its literal once ready, `ref` the node output until then."""

    __slots__ = ("_ref", "_val", "attr_path", "var")

    def __init__(self, var: str, val: literals.Literal | NodeOutput, attr_path: tuple[str | int, ...] = ()) -> None:
        self.var = var
        self.attr_path = attr_path
        self._ref: NodeOutput | None
        self._val: literals.Literal | None
        self._ref, self._val = (val, None) if isinstance(val, NodeOutput) else (None, val)

    @property
    def is_ready(self) -> bool:
        return self._val is not None

    @property
    def val(self) -> literals.Literal:
        """The literal. PromiseUseError while there is none."""
        if self._val is None:
            raise PromiseUseError(f"{self!r} has no value yet: it exists when the workflow runs")
        return self._val

    @property
    def ref(self) -> NodeOutput:
        """The node output. PromiseUseError when the promise holds a value instead."""
        if self._ref is None:
            raise PromiseUseError(f"{self!r} holds a value and refers to no node")
        return self._ref

    def with_var(self, new_var: str) -> Promise:
        return Promise(new_var, self._ref if self._ref is not None else self.val, self.attr_path)

    def eval(self) -> object:
        """The primitive a ready promise holds. PromiseUseError for anything else."""
        literal = self.val
        kind = literal.scalar.primitive.WhichOneof("value") if literal.HasField("scalar") else None
        if kind is None:
            raise PromiseUseError(f"{self!r} does not hold a primitive value")
        found: object = getattr(literal.scalar.primitive, kind)
        return found

    def with_overrides(self, **changes: Any) -> Promise:  # Any: node overrides have a type each
        """Change the node behind an output (name, resources, ...); without a node there is nothing to change."""
        if self._ref is not None:
            self._ref.node.with_overrides(**changes)
        return self

    def __getitem__(self, key: str | int) -> Promise:
        return self._deeper(key)

    def __getattr__(self, name: str) -> Promise:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._deeper(name)

    def _deeper(self, step: str | int) -> Promise:
        path = (*self.attr_path, step)
        if self._ref is not None:
            return Promise(self.var, NodeOutput(self._ref.node, self._ref.var, path), path)
        return Promise(self.var, self.val, path)

    def __rshift__(self, other: Promise | VoidPromise | Node) -> Promise | VoidPromise | Node:
        """`a >> b`: b runs after a."""
        if self._ref is not None:
            self._ref.node.runs_before(other)
        return other

    def __bool__(self) -> NoReturn:
        raise PromiseUseError(f"{self!r} cannot be used as a truth value. Decide inside a task")

    def __iter__(self) -> NoReturn:
        raise PromiseUseError(f"{self!r} cannot be iterated: its length is not known yet. Iterate in a task")

    def _compute(self, *_: object) -> NoReturn:
        raise PromiseUseError(
            f"{self!r} has no value to compute with while the workflow is compiled. Compute in a task"
        )

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _compute
    __mod__ = __floordiv__ = __pow__ = __neg__ = __and__ = __or__ = __len__ = __int__ = __float__ = __index__ = _compute
    __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __call__ = __abs__ = __round__ = __invert__ = _compute
    __format__ = _compute  # an f-string would hold the promise's name, not its value
    __eq__ = __ne__ = _compute  # `if promise == 3` would be False for ever

    def __hash__(self) -> int:
        return id(self)

    def __str__(self) -> str:
        if self._ref is not None:
            raise PromiseUseError(
                f"{self!r} has no value to make a text of while the workflow is compiled. "
                "Make the text in a task; to show the promise itself, write repr(...) or %r"
            )
        return repr(self)

    def __repr__(self) -> str:
        if self._ref is not None:
            return f"Promise({self._ref})"
        path = "".join(f"[{step!r}]" for step in self.attr_path)
        return f"Promise({self.var}{path}=<value>)"


class VoidPromise:
    """What a task without outputs gives: it orders nodes (`>>`) and has no value.

    Using it as a value raises PromiseUseError naming the task; printing it is safe.
    """

    __slots__ = ("ref", "task_name")

    def __init__(self, task_name: str, ref: NodeOutput | None = None) -> None:
        self.task_name = task_name
        self.ref = ref

    def runs_before(self, other: Promise | VoidPromise | Node) -> None:
        if self.ref is not None:
            self.ref.node.runs_before(other)

    def with_overrides(self, **changes: Any) -> VoidPromise:  # Any: node overrides have a type each
        if self.ref is not None:
            self.ref.node.with_overrides(**changes)
        return self

    def __rshift__(self, other: Promise | VoidPromise | Node) -> Promise | VoidPromise | Node:
        self.runs_before(other)
        return other

    def _refuse(self, *_: object) -> NoReturn:
        raise PromiseUseError(
            f"task {self.task_name} has no outputs, so there is no value to use. Declare a return type"
        )

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse  # every use as a value is refused
    __and__ = __or__ = __add__ = __mod__ = __xor__ = __bool__ = __iter__ = _refuse
    __hash__ = None  # type: ignore[assignment] # nothing can be looked up by it

    def __repr__(self) -> str:
        return f"VoidPromise({self.task_name})"


def pack_outputs(interface: Interface, values: Sequence[Any]) -> Any:  # Any: Promises or native values, as handed in
    """One output without a tuple name: the value itself. Otherwise the interface's named tuple.

    A tuple of promises orders nodes and takes overrides as a single promise does.
    """
    if len(values) == 1 and interface.output_tuple_name is None:
        return values[0]
    packed = interface.output_tuple
    return (_promise_tuple(packed) if isinstance(values[0], Promise) else packed)(*values)


@cache
def _promise_tuple(packed: type) -> type:
    return type(packed.__name__, (_PromiseTuple, packed), {"__slots__": ()})


class _PromiseTuple:
    """All outputs of one node: what is done to it is done to the node."""

    __slots__ = ()

    def __getattr__(self, name: str) -> NoReturn:
        outputs: tuple[str, ...] = type(self)._fields  # type: ignore[attr-defined] # the other base is a named tuple
        raise AttributeError(f"no output is called {name!r}; there are {', '.join(outputs)}{nearest(name, outputs)}")

    def with_overrides(self, **changes: Any) -> Any:  # Any: node overrides have a type each
        self[0].with_overrides(**changes)  # type: ignore[index] # the other base is a tuple
        return self

    def runs_before(self, other: Promise | VoidPromise | Node) -> None:
        self[0] >> other  # type: ignore[index] # the other base is a tuple

    def __rshift__(self, other: Promise | VoidPromise | Node) -> Promise | VoidPromise | Node:
        self.runs_before(other)
        return other
