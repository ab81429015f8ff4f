"""`@workflow`: a function whose body is run once, with promises, to make a static graph of nodes.

A workflow is compiled when it is first used. Called, it runs its nodes here and returns values; called inside another
workflow, it becomes a node of that one.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast, overload

from fledge import idl
from fledge.abstract_task import Task
from fledge.context import ExecutionState, FlyteContext, FlyteContextManager
from fledge.errors import DefinitionError, add_note, nearest
from fledge.flow_run import run_graph
from fledge.function import plain_function
from fledge.interface import Interface, UnresolvedAnnotation, fill_map, interface_of
from fledge.lazy import lazy
from fledge.nodes import GLOBAL_INPUT_NODE_ID, CompilationState, Entity, Node, create_node, fill_binding
from fledge.promise import NodeOutput, Promise, VoidPromise, pack_outputs
from fledge.settings import Documentation
from fledge.storage import LiveStore
from fledge.tracking import TrackedInstance, full_name, source_location

if TYPE_CHECKING:
    from fledge import frames
    from fledge.base_task import PythonTask
    from fledge.idl import interface as interface_messages
    from fledge.idl import literals
    from fledge.idl import workflow as workflow_messages
else:
    frames = lazy("fledge.frames")

__all__ = ["CompiledWorkflow", "PythonFunctionWorkflow", "WorkflowFailurePolicy", "workflow"]

P = ParamSpec("P")
R = TypeVar("R")
Value = Any  # Any: whatever type the workflow declares


class WorkflowFailurePolicy(Enum):
    """What happens to the other nodes when one fails; numbers of the IDL's OnFailurePolicy."""

    FAIL_IMMEDIATELY = 0
    FAIL_AFTER_EXECUTABLE_NODES_COMPLETE = 1


@dataclass(frozen=True)
class CompiledWorkflow:
    """The graph: nodes as declared and in the order in which they can run, outputs, and the failure handler's node.

    `entities` are the tasks and workflows that it runs, at any depth, by name.
    """

    declared: tuple[Node, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[literals.Binding, ...]
    entities: Mapping[str, Entity]
    failure_node: Node | None = None
    goes_on: bool = False


class PythonFunctionWorkflow(TrackedInstance):
    """A workflow made of a function.

    Args:
        function: Its body calls tasks and workflows; it sees promises, never values.
        failure_policy: What happens to the other nodes when one fails.
        interruptible: Default of the nodes.
        on_failure: A task or workflow that runs when a node failed; it takes the workflow's inputs.
        docs: What the platform shows; None: the docstring.
        local_workers: How many independent nodes a local run runs at a time.
    """

    def __init__(
        self,
        function: Callable[..., Value],
        failure_policy: WorkflowFailurePolicy = WorkflowFailurePolicy.FAIL_IMMEDIATELY,
        interruptible: bool = False,
        on_failure: PythonTask[Any] | PythonFunctionWorkflow | None = None,  # Any: of any config
        docs: Documentation | None = None,
        local_workers: int = 1,
    ) -> None:
        super().__init__()
        function = plain_function(function, "@workflow")
        self._name = full_name(function)
        if inspect.iscoroutinefunction(function):
            raise DefinitionError(
                f"workflow {self._name}: its body makes a graph and cannot be async. Write def; async tasks stand in it"
            )
        if on_failure is not None and not hasattr(type(on_failure), "python_interface"):
            raise DefinitionError(f"workflow {self._name}: on_failure={on_failure!r} is neither a task nor a workflow")
        if not isinstance(local_workers, int) or local_workers < 1:
            raise DefinitionError(
                f"workflow {self._name}: local_workers={local_workers!r} must be a whole number from 1 on"
            )
        self._function = function
        self._docs = docs
        self._lazy_interface: Interface | None = None
        self._compiled: CompiledWorkflow | None = None
        self.failure_policy, self.interruptible, self.local_workers = failure_policy, interruptible, local_workers
        self.on_failure = on_failure
        functools.update_wrapper(self, function, updated=())
        self._check_annotations()

    @property
    def name(self) -> str:
        return self._name

    @property
    def function(self) -> Callable[..., Value]:
        return self._function

    @property
    def python_interface(self) -> Interface:
        """The function's interface. DefinitionError when a name in an annotation still does not exist."""
        if self._lazy_interface is None:
            try:
                self._lazy_interface = interface_of(self._function, self._name, "workflow")
            except UnresolvedAnnotation as exc:
                raise DefinitionError(f"{exc}. Define or import it before the first use") from exc
        return self._lazy_interface

    @property
    def interface(self) -> interface_messages.TypedInterface:
        return self.python_interface.to_typed_interface(FlyteContextManager.current_context().registry)

    @property
    def docs(self) -> Documentation | None:
        if self._docs is not None:
            return self._docs
        text = self.python_interface.docstring
        return None if text is None else Documentation(text.short_description or None, text.long_description)

    def _check_annotations(self) -> None:
        try:
            self._lazy_interface = interface_of(self._function, self._name, "workflow")
        except UnresolvedAnnotation:
            return  # a forward reference: it is resolved at first use

    @property
    def _goes_on(self) -> bool:
        return self.failure_policy is WorkflowFailurePolicy.FAIL_AFTER_EXECUTABLE_NODES_COMPLETE

    def construct_node_metadata(self) -> workflow_messages.NodeMetadata:
        """Of a node that runs this workflow."""
        return idl.workflow.NodeMetadata(
            name=self.name.rsplit(".", 1)[-1],
            retries=idl.literals.RetryStrategy(),
            interruptible=self.interruptible,
        )

    # -- the graph -----------------------------------------------------------------------------------------------------

    def compile(self, ctx: FlyteContext | None = None, /, *args: Value, **kwargs: Value) -> Value:
        """Without a workflow around it: compile the body, once. Inside one: append a node and return its promises.

        Raises:
            DefinitionError: A cycle, an output that is not bound, a promise where one value belongs.
            PromiseUseError: The body uses a promise as if it were a value.
        """
        if ctx is None or ctx.compilation_state is None:
            return self.graph
        inputs = dict(zip(self.python_interface.inputs, args, strict=False))
        if len(args) > len(inputs) or inputs.keys() & kwargs.keys():
            self.python_interface.bind(self.name, args, kwargs)  # raises with the right words
        state = ctx.compilation_state
        return create_node(state, self, ctx.registry, ctx.storage, {**inputs, **kwargs})

    @property
    def graph(self) -> CompiledWorkflow:
        """The compiled graph; compiled on first use, and only kept when all of it went well."""
        if self._compiled is None:
            self._compiled = self._compile()
        return self._compiled

    @property
    def nodes(self) -> tuple[Node, ...]:
        return self.graph.declared

    @property
    def failure_node(self) -> Node | None:
        return self.graph.failure_node

    @property
    def output_bindings(self) -> tuple[literals.Binding, ...]:
        return self.graph.outputs

    def _compile(self) -> CompiledWorkflow:
        ctx = FlyteContextManager.current_context()
        inside = (*(ctx.compilation_state.inside if ctx.compilation_state is not None else ()), self)
        if self in inside[:-1]:
            circle = " > ".join(one.name for one in inside[inside.index(self) :])
            raise DefinitionError(f"workflow {self.name} contains itself: {circle}. A graph cannot; repeat in a task")
        ctx.plugins.load()
        self.python_interface.check(ctx.registry, self.name)
        given = self.python_interface.compile(ctx.registry).inputs
        start = Node(GLOBAL_INPUT_NODE_ID, idl.workflow.NodeMetadata(), [], [], None, given)
        state = CompilationState(inside=inside)
        # No live store: what the body binds as a constant has to outlast the run that compiled it.
        storage = ctx.storage.with_(live=None)
        compiling = ctx.with_(compilation_state=state, execution_state=ExecutionState(), storage=storage)
        inputs = {name: Promise(name, NodeOutput(start, name)) for name in self.python_interface.inputs}
        with FlyteContextManager.with_context(compiling):
            try:
                outputs = self._bind_outputs(compiling, self._function(**inputs))
                failure_node = self._compile_failure_handler(compiling, inputs)
                ordered = _in_run_order(self.name, state.nodes)
                entities = self._entities(state.nodes if failure_node is None else [*state.nodes, failure_node])
            except Exception as exc:
                add_note(exc, f"while the body of workflow {self.name} was compiled, {self._place(exc)}")
                raise
        return CompiledWorkflow(tuple(state.nodes), ordered, outputs, entities, failure_node, self._goes_on)

    def _entities(self, nodes: list[Node]) -> dict[str, Entity]:
        """What the nodes run, by name; workflows inside are compiled. DefinitionError when two have one name."""
        found: dict[str, Entity] = {}
        for node in nodes:
            entity = node.entity
            assert entity is not None
            if found.get(entity.name) is entity:
                continue
            inside = entity.graph.entities if isinstance(entity, PythonFunctionWorkflow) else {}
            for one in (entity, *inside.values()):
                if found.setdefault(one.name, one) is not one:
                    raise DefinitionError(self._two_of_one_name(found[one.name], one))
        return found

    def _two_of_one_name(self, first: Entity, second: Entity) -> str:
        places = " and ".join(
            dict.fromkeys(source_location(getattr(one, "__wrapped__", one)) for one in (first, second))
        )
        last = first.name.rpartition(".")[2]
        return (
            f"workflow {self.name} runs two different tasks that are called {first.name} ({places}). On a cluster one "
            "would run in place of the other. Pass what differs as an input, or give each function a name of its own "
            f"before it is decorated: {last}.__qualname__ = '{last}_1'"
        )

    def _place(self, error: BaseException) -> str:
        """The line of the body that raised the error, or the first one."""
        code = inspect.unwrap(self._function).__code__
        line, step = code.co_firstlineno, error.__traceback__
        while step is not None:
            if step.tb_frame.f_code is code:
                line = step.tb_lineno
            step = step.tb_next
        return f"{code.co_filename}:{line}"

    def _bind_outputs(self, ctx: FlyteContext, result: Value) -> tuple[literals.Binding, ...]:
        interface = self.python_interface
        names = list(interface.outputs)
        if not names:
            if result is not None and not isinstance(result, VoidPromise):
                raise DefinitionError(
                    f"workflow {self.name}: returns a value and declares no outputs. Annotate the return"
                )
            return ()
        is_packed = len(names) > 1 or interface.output_tuple_name is not None
        values = result if is_packed else (result,)
        if not isinstance(values, (tuple, list)) or len(values) != len(names):
            got = f"{len(values)}" if isinstance(values, (tuple, list)) else f"a {type(result).__name__}"
            raise DefinitionError(f"workflow {self.name}: declares outputs {', '.join(names)} and returns {got}")
        bindings = []
        for (name, converter), value in zip(interface.compile(ctx.registry).outputs.items(), values, strict=True):
            where = f"{self.name}.outputs.{name}"
            if value is None and converter.python_type is not type(None):
                raise DefinitionError(f"{where}: nothing is bound to this output. Return a promise or a value for it")
            binding = idl.literals.Binding(var=name)
            fill_binding(binding.binding, value, converter, ctx.registry, ctx.storage, where, [])
            bindings.append(binding)
        return tuple(bindings)

    def _compile_failure_handler(self, ctx: FlyteContext, inputs: dict[str, Promise]) -> Node | None:
        handler = self.on_failure
        if handler is None:
            return None
        takes = handler.python_interface
        missing = [name for name in inputs if name not in takes.inputs]
        more = [name for name in takes.inputs if name not in inputs and name not in takes.defaults]
        if missing or not all(type(None) in typing.get_args(takes.inputs[name]) for name in more):
            raise DefinitionError(
                f"workflow {self.name}: its failure handler {handler.name} has to take the workflow's inputs "
                f"({', '.join(inputs) or 'none'}); others need a default or to be optional. "
                f"It takes {', '.join(takes.inputs) or 'none'}"
            )
        state = CompilationState("f")
        with FlyteContextManager.with_context(ctx.with_(compilation_state=state)):
            handler(**inputs, **dict.fromkeys(more))
        return state.nodes[0]

    # -- a run ---------------------------------------------------------------------------------------------------------

    def __call__(self, /, *args: Value, **kwargs: Value) -> Value:
        """Run here and return values; while a workflow is compiled, make a node and return promises."""
        ctx = FlyteContextManager.current_context()
        if ctx.compilation_state is not None and ctx.compilation_state.mode == 1:
            return self.compile(ctx, *args, **kwargs)
        interface = self.python_interface
        inputs = interface.bind(self.name, args, kwargs)
        storage = ctx.storage.with_(live=ctx.storage.live or LiveStore(), keep_local=True)
        run = ctx.with_(execution_state=ExecutionState(ExecutionState.Mode.LOCAL_WORKFLOW_EXECUTION), storage=storage)
        try:
            outputs = run_graph(self.name, self.graph, run, self._input_literals(run, inputs), self.local_workers)
        except Exception as exc:  # noqa: BLE001 - raised again; in a traceback one place of ours is enough
            raise exc.with_traceback(frames.from_the_body(exc.__traceback__))  # noqa: B904 - the same exception
        converters = interface.compile(run.registry).outputs
        values = [
            converter.to_python(outputs[name], run.storage, f"{self.name}.outputs.{name}")
            for name, converter in converters.items()
        ]
        return pack_outputs(interface, values) if values else None

    def local_execute(self, ctx: FlyteContext, /, **kwargs: Value) -> Value:
        """As a node of a workflow that runs here: promises in, promises out."""
        outputs = run_graph(self.name, self.graph, ctx, self._input_literals(ctx, kwargs), self.local_workers)
        if not self.python_interface.outputs:
            return VoidPromise(self.name)
        return pack_outputs(self.python_interface, [Promise(name, literal) for name, literal in outputs.items()])

    def _input_literals(self, ctx: FlyteContext, inputs: dict[str, Value]) -> dict[str, literals.Literal]:
        literal_map = idl.literals.LiteralMap()
        converters = self.python_interface.compile(ctx.registry).inputs
        values = {name: value for name, value in inputs.items() if not isinstance(value, Promise)}
        fill_map(literal_map.literals, converters, values, ctx.storage, self, "inputs")
        ready = {name: value.val for name, value in inputs.items() if isinstance(value, Promise)}
        return {**{name: literal_map.literals[name] for name in values}, **ready}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


def _in_run_order(name: str, nodes: list[Node]) -> tuple[Node, ...]:
    """Declared order, moved only where a later node has to run first. DefinitionError: a cycle, or a node id twice."""
    by_id: dict[str, Node] = {}
    for node in nodes:
        if node.id in by_id:
            raise DefinitionError(
                f"workflow {name}: two nodes are called {node.id!r}. Give with_overrides(node_name=...) another name"
            )
        by_id[node.id] = node
    done: dict[Node, bool] = {}  # False: being visited
    order: list[Node] = []
    for start in nodes:
        stack: list[tuple[Node, int]] = [(start, 0)]
        while stack:
            node, position = stack.pop()
            if position == 0:
                if node in done:
                    continue
                done[node] = False
            if position < len(node.upstream):
                stack.append((node, position + 1))
                above = node.upstream[position]
                if done.get(above) is False:
                    cycle = " >> ".join(one.id for one, _ in stack if done.get(one) is False)
                    raise DefinitionError(
                        f"workflow {name}: nodes wait for each other in a cycle: {cycle} >> {above.id}"
                    )
                if above not in done:
                    stack.append((above, 0))
            else:
                done[node] = True
                order.append(node)
    return tuple(order)


if TYPE_CHECKING:
    from typing import Generic

    class FunctionWorkflow(PythonFunctionWorkflow, Generic[P, R]):
        """What a type checker sees: a workflow that is called as its function is."""

        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...


@overload
def workflow(_workflow_function: Callable[P, R]) -> FunctionWorkflow[P, R]: ...


@overload
def workflow(
    _workflow_function: None = None,
    *,
    failure_policy: WorkflowFailurePolicy = ...,
    interruptible: bool = ...,
    on_failure: PythonTask[Any] | PythonFunctionWorkflow | None = ...,  # Any: of any config
    docs: Documentation | None = ...,
    local_workers: int = ...,
) -> Callable[[Callable[P, R]], FunctionWorkflow[P, R]]: ...


def workflow(
    _workflow_function: Callable[..., Any] | None = None, **options: Any
) -> Any:  # Any: typed in the overloads
    """Make a workflow of a function, bare (`@workflow`) or with options; see `PythonFunctionWorkflow`."""
    known = inspect.signature(PythonFunctionWorkflow).parameters
    for unknown in options.keys() - known.keys():
        raise DefinitionError(f"@workflow: unknown option {unknown!r}{nearest(unknown, known)}")

    def wrap(function: Callable[..., Any]) -> PythonFunctionWorkflow:  # Any: any function
        if isinstance(function, (Task, PythonFunctionWorkflow)):
            raise DefinitionError(f"{function.name} is a task or workflow already. Decorate the plain function, once")
        return PythonFunctionWorkflow(function, **options)

    return cast("Any", wrap if _workflow_function is None else wrap(_workflow_function))
