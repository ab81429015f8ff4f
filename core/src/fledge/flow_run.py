"""Run a compiled workflow here: literals along the edges, one node after the other or independent ones in parallel."""

from __future__ import annotations

import contextvars
from collections.abc import Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, Protocol

from fledge import idl
from fledge.context import ExecutionState, FlyteContextManager
from fledge.errors import SerializationError, add_note
from fledge.promise import Promise, VoidPromise
from fledge.types.paths import literal_at

if TYPE_CHECKING:
    from fledge.context import FlyteContext
    from fledge.idl import literals
    from fledge.nodes import Node

__all__ = ["Graph", "run_graph"]

Outputs = dict[str, "literals.Literal"]


class Graph(Protocol):
    """What is run: nodes in an order in which they can run."""

    @property
    def nodes(self) -> tuple[Node, ...]: ...

    @property
    def outputs(self) -> tuple[literals.Binding, ...]: ...

    @property
    def failure_node(self) -> Node | None: ...


def run_graph(
    name: str, graph: Graph, ctx: FlyteContext, inputs: Mapping[str, literals.Literal], workers: int
) -> Outputs:
    """Run every node and return the workflow's outputs.

    Raises:
        What the first node that failed raised, the same object, with a note that names node and workflow. The failure
        handler has run by then.
    """
    results: dict[str, Outputs] = {"": dict(inputs)}
    # A task that runs as a node is a task like any other: what it calls gives values.
    ctx = ctx.with_(execution_state=ExecutionState(ExecutionState.Mode.LOCAL_TASK_EXECUTION))
    try:
        if workers == 1:
            for node in graph.nodes:
                results[node.id] = _run_node(name, node, ctx, results)
        else:
            _run_parallel(name, graph.nodes, ctx, results, workers)
    except Exception:
        if graph.failure_node is not None:
            _run_node(name, graph.failure_node, ctx, results)
        raise
    return {binding.var: _resolve(binding.binding, results) for binding in graph.outputs}


def _run_parallel(
    name: str, nodes: Iterable[Node], ctx: FlyteContext, results: dict[str, Outputs], workers: int
) -> None:
    """Start a node as soon as all it waits for is done. After a failure no other node is started; running ones end."""
    waiting = list(nodes)
    running: dict[Future[Outputs], Node] = {}
    first_error: BaseException | None = None
    with ThreadPoolExecutor(workers, thread_name_prefix="fledge-node") as pool:
        while running or (waiting and first_error is None):
            if first_error is None:
                ready = [node for node in waiting if all(above.id in results for above in node.upstream)]
                waiting = [node for node in waiting if node not in ready]
                for node in ready:
                    copied = contextvars.copy_context()
                    running[pool.submit(copied.run, _run_node, name, node, ctx, results)] = node
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                node = running.pop(future)
                error = future.exception()
                if error is None:
                    results[node.id] = future.result()
                elif first_error is None:
                    first_error = error
    if first_error is not None:
        raise first_error


def _run_node(name: str, node: Node, ctx: FlyteContext, results: Mapping[str, Outputs]) -> Outputs:
    entity: Any = node.entity  # Any: a task or a workflow; both have local_execute
    inputs = {binding.var: Promise(binding.var, _resolve(binding.binding, results)) for binding in node.bindings}
    try:
        with FlyteContextManager.with_context(ctx):
            result = entity.local_execute(ctx, **inputs)
    except Exception as exc:
        add_note(exc, f"in node {node.id} of workflow {name}")
        raise
    if isinstance(result, VoidPromise):
        return {}
    promises = result if isinstance(result, tuple) else (result,)
    return {promise.var: promise.val for promise in promises}


def _resolve(data: literals.BindingData, results: Mapping[str, Outputs]) -> literals.Literal:
    """A binding as a literal, now that what it refers to is there."""
    kind = data.WhichOneof("value")
    if kind == "promise":
        reference = data.promise
        steps = [getattr(step, step.WhichOneof("value")) for step in reference.attr_path]
        return literal_at(results[reference.node_id][reference.var], steps, f"{reference.node_id}.{reference.var}")
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
