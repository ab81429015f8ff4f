"""Run a compiled workflow here: literals along the edges, one node after the other or independent ones in parallel."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, Protocol

from fledge import idl
from fledge.cancellation import Cancellation
from fledge.context import ExecutionState, FlyteContextManager
from fledge.errors import SerializationError, TypeConversionError, add_note
from fledge.lazy import lazy_logger
from fledge.progress import is_wanted, tracked
from fledge.promise import Promise, VoidPromise
from fledge.types.paths import literal_at

if TYPE_CHECKING:
    from fledge.context import FlyteContext
    from fledge.idl import literals
    from fledge.nodes import Node
    from fledge.progress import Tracker

__all__ = ["Graph", "run_graph"]

_log = lazy_logger("fledge.workflow")

Outputs = dict[str, "literals.Literal"]
Source = Callable[[Mapping[str, Outputs]], "literals.Literal"]


class Graph(Protocol):
    """What is run: nodes in an order in which they can run."""

    @property
    def nodes(self) -> tuple[Node, ...]: ...

    @property
    def outputs(self) -> tuple[literals.Binding, ...]: ...

    @property
    def failure_node(self) -> Node | None: ...

    @property
    def goes_on(self) -> bool:
        """After a failure, nodes that do not depend on it still run."""


def run_graph(
    name: str, graph: Graph, ctx: FlyteContext, inputs: Mapping[str, literals.Literal], workers: int
) -> Outputs:
    """Run every node and return the workflow's outputs; who listens hears how many nodes are done.

    Raises:
        What the first node that failed raised, the same object, with a note that names node and workflow. The failure
        handler has run by then; if it failed as well, another note says so.
    """
    if not is_wanted():
        return _run_graph(name, graph, ctx, inputs, workers, None)
    with tracked(f"workflow {name}", len(graph.nodes), "nodes") as nodes:
        return _run_graph(name, graph, ctx, inputs, workers, nodes)


def _run_graph(
    name: str,
    graph: Graph,
    ctx: FlyteContext,
    inputs: Mapping[str, literals.Literal],
    workers: int,
    nodes: Tracker | None,
) -> Outputs:
    results: dict[str, Outputs] = {"": dict(inputs)}
    # A task that runs as a node is a task like any other: what it calls gives values.
    ctx = ctx.with_(execution_state=ExecutionState(ExecutionState.Mode.LOCAL_TASK_EXECUTION))
    try:
        if workers == 1:
            with FlyteContextManager.with_context(ctx):
                _run_in_turn(name, graph, ctx, results, nodes)
        else:
            _run_parallel(name, graph, ctx, results, workers, nodes)
    except Exception as exc:
        if graph.failure_node is not None:
            _handle(name, graph.failure_node, ctx, results, exc)
        raise
    try:
        return {binding.var: _resolve(binding.binding, results) for binding in graph.outputs}
    except TypeConversionError as exc:
        _tell_source(exc, graph.nodes)
        add_note(exc, f"in the outputs of workflow {name}")
        raise


def _handle(name: str, handler: Node, ctx: FlyteContext, results: Mapping[str, Outputs], error: BaseException) -> None:
    try:
        with FlyteContextManager.with_context(ctx):
            _outputs_of(name, handler, ctx, results)
    except Exception as exc:  # noqa: BLE001 - what the node raised is what the caller has to see
        _log.exception("workflow %s: its failure handler failed", name)
        add_note(error, f"the failure handler of workflow {name} failed as well: {type(exc).__name__}: {exc}")


def _run_in_turn(
    name: str, graph: Graph, ctx: FlyteContext, results: dict[str, Outputs], nodes: Tracker | None
) -> None:
    first_error: Exception | None = None
    for node in graph.nodes:
        if first_error is not None and any(above.id not in results for above in node.upstream):
            continue
        try:
            results[node.id] = _run_node(name, node, ctx, results, nodes)
        except Exception as exc:
            if not graph.goes_on:
                raise
            first_error = first_error or exc
    if first_error is not None:
        raise first_error


def _run_parallel(
    name: str, graph: Graph, ctx: FlyteContext, results: dict[str, Outputs], workers: int, nodes: Tracker | None
) -> None:
    """Start a node as soon as all it waits for is done.

    After a failure those nodes that run come to their end; others are started only if the graph goes on.
    """
    blocked = {node: len(node.upstream) for node in graph.nodes}
    below: dict[Node, list[Node]] = {}
    for node in graph.nodes:
        for above in node.upstream:
            below.setdefault(above, []).append(node)
    ready = [node for node in graph.nodes if not blocked[node]]
    running: dict[Future[Outputs], Node] = {}
    first_error: BaseException | None = None
    scope = Cancellation(parent=ctx.cancellation)
    ctx = ctx.with_(cancellation=scope)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="fledge-node")
    try:
        while ready or running:
            for node in ready:
                with FlyteContextManager.with_context(ctx):
                    copied = contextvars.copy_context()
                running[pool.submit(copied.run, _run_node, name, node, ctx, results, nodes)] = node
            ready = []
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future, node in [(one, node) for one, node in running.items() if one in done]:  # as they were started
                del running[future]
                error = future.exception()
                if error is not None:
                    first_error = first_error or error
                    continue
                results[node.id] = future.result()
                for one in below.get(node, ()):
                    blocked[one] -= 1
                    if not blocked[one]:
                        ready.append(one)
            if first_error is not None and not graph.goes_on:
                ready = []
                _cancel(running)
    except BaseException:  # an interrupt or a deadline: what waits is not begun, what runs is told to end
        pool.shutdown(wait=False, cancel_futures=True)
        scope.cancel()
        raise
    pool.shutdown()
    if first_error is not None:
        raise first_error


def _cancel(running: dict[Future[Outputs], Node]) -> None:
    """Take back what has not begun yet."""
    for future in list(running):
        if future.cancel():
            del running[future]


def _run_node(
    name: str, node: Node, ctx: FlyteContext, results: Mapping[str, Outputs], nodes: Tracker | None
) -> Outputs:
    """Run a node, and tell who listens that it runs and that it is done. `ctx` is entered already."""
    if nodes is None:
        return _outputs_of(name, node, ctx, results)
    with tracked(f"node {node.id}: {getattr(node.entity, 'name', '').rpartition('.')[2]}"):
        outputs = _outputs_of(name, node, ctx, results)
    nodes.advance()
    return outputs


def _outputs_of(name: str, node: Node, ctx: FlyteContext, results: Mapping[str, Outputs]) -> Outputs:
    entity: Any = node.entity  # Any: a task or a workflow; both have local_execute
    try:
        if node.sources is None:  # once: the graph is whole when it runs
            node.sources = [(binding.var, _source(binding.binding)) for binding in node.bindings]
        try:
            inputs = {var: Promise(var, source(results)) for var, source in node.sources}
        except TypeConversionError as exc:
            _tell_source(exc, node.upstream)
            raise
        if node.task_metadata is not None:
            return dict(entity.run_locally(ctx, entity.input_literals(ctx, inputs), node.task_metadata).literals)
        result = entity.local_execute(ctx, **inputs)
    except Exception as exc:
        add_note(exc, f"in node {node.id} of workflow {name}, which runs {entity.name}")
        raise
    if isinstance(result, VoidPromise):
        return {}
    promises = result if isinstance(result, tuple) else (result,)
    return {promise.var: promise.val for promise in promises}


def _tell_source(error: TypeConversionError, nodes: Iterable[Node]) -> None:
    """A path that leads nowhere begins with a node's id: say what ran there."""
    for node in nodes:
        if error.path.startswith(f"{node.id}."):
            add_note(error, f"{node.id} runs {getattr(node.entity, 'name', 'nothing')}")


def _source(data: literals.BindingData) -> Source:
    """How to get the input. Nearly all bindings are one of two kinds; the others are worked out anew in each run."""
    kind = data.WhichOneof("value")
    if kind == "scalar":
        constant = _resolve(data, {})
        return lambda _: constant
    if kind == "promise" and not data.promise.attr_path:
        node_id, var = data.promise.node_id, data.promise.var
        return lambda results: results[node_id][var]
    return lambda results: _resolve(data, results)


def _resolve(data: literals.BindingData, results: Mapping[str, Outputs]) -> literals.Literal:
    """A binding as a literal, now that what it refers to is there."""
    kind = data.WhichOneof("value")
    if kind == "promise":
        reference = data.promise
        if not reference.attr_path:
            return results[reference.node_id][reference.var]
        steps = [getattr(step, step.WhichOneof("value")) for step in reference.attr_path]
        path = f"{reference.node_id or 'inputs'}.{reference.var}"
        return literal_at(results[reference.node_id][reference.var], steps, path)
    literal = idl.literals.Literal()
    if kind == "scalar":
        literal.scalar.CopyFrom(data.scalar)
    elif kind == "collection":
        literal.collection.SetInParent()
        literal.collection.literals.extend(_resolve(one, results) for one in data.collection.bindings)
    elif kind == "map":
        literal.map.SetInParent()
        for key, one in data.map.bindings.items():
            literal.map.literals[key].CopyFrom(_resolve(one, results))
    else:
        raise SerializationError("a binding holds no value")
    return literal
