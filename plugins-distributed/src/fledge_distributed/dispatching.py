"""From the call of a multi-rank task to its launch and back: where this process stands, what ranks get, what they gave.

In: the task, its config, the context, input literals. Out: the leader's output literals, or what `MultiRankTask` says.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from fledge import idl
from fledge.decks import Deck
from fledge.errors import IgnoreOutputs
from fledge.function import PythonFunctionTask
from fledge.settings import SerializationSettings
from fledge.storage import materialize
from fledge_distributed.cluster import find_place, nodes_of
from fledge_distributed.config import Config, Elastic, Ranks
from fledge_distributed.elastic import agent_place, run_agent
from fledge_distributed.errors import RemoteTraceback
from fledge_distributed.launcher import Launched, leader_ignored, run_ranks
from fledge_distributed.launchers import launcher_of
from fledge_distributed.plans import Host, no_environment
from fledge_distributed.rank_run import DECKS, NotLeader, address_of, decks_from, run_of
from fledge_distributed.ranks import Rank, enter_rank, inside_rank
from fledge_distributed.reports import as_html
from fledge_distributed.stopping import Stop
from fledge_distributed.supervision import warm_up

if TYPE_CHECKING:
    from fledge.context import FlyteContext
    from fledge.idl import literals

__all__ = ["dispatch"]

_RUN = "fledge_distributed.rank_run:run"
_PRELOAD = ("fledge_distributed.preloaded",)
_NO_SETTINGS = SerializationSettings()

Task = PythonFunctionTask[Any]  # Any: of any config


def dispatch(task: Task, config: Config, ctx: FlyteContext, inputs: literals.LiteralMap) -> literals.LiteralMap:
    """Run the ranks that belong here; returns and raises what `MultiRankTask.dispatch_execute` says."""
    ctx.plugins.load()
    is_local = ctx.execution_state.is_local_execution()
    place = find_place(config, os.environ, in_container=not is_local)
    if isinstance(place, Rank):
        return _as_rank(task, ctx, place, inputs)
    ranks = _ranks(config)
    warm_up(ranks.preload, ranks.start != "spawn")  # its imports run while the inputs are written
    sent = idl.deterministic_bytes(materialize(inputs, ctx.storage))
    payload = pickle.dumps(run_of(address_of(task, ctx.serialization_settings or _NO_SETTINGS), ctx, sent))
    with _timestamps(ctx):
        if isinstance(config, Elastic) and not inside_rank():
            agent = agent_place(os.environ)
            if agent is not None:
                launched = run_agent(config, agent, payload, ctx)
                _take_decks(task, ctx, launched)
                if 0 not in launched.values:
                    raise NotLeader("the leader is on another node, or ignores its outputs")
                return idl.literals.LiteralMap.FromString(launched.values[0])
        launched = _launch(task, config, ctx, place, payload)
    if place is not None and place.node_rank != 0:
        raise NotLeader(f"the leader is on node 0, this is node {place.node_rank}")
    if 0 not in launched.ignored:
        return idl.literals.LiteralMap.FromString(launched.values[0])
    if not is_local:
        raise IgnoreOutputs("rank 0 ignores its outputs")
    if task.python_interface.outputs:
        raise leader_ignored(launched.ignored, ranks.nproc * ranks.nnodes)
    return idl.literals.LiteralMap()


def _ranks(config: Config) -> Ranks:
    """How the config's ranks are started, with what all ranks need preloaded; torch only where it is installed."""
    ranks = config.local_ranks()
    found = [name for name in ranks.preload if name != "torch" or find_spec(name) is not None]
    return replace(ranks, preload=(*_PRELOAD, *found))


def _as_rank(task: Task, ctx: FlyteContext, rank: Rank, inputs: literals.LiteralMap) -> literals.LiteralMap:
    """This process is a rank that somebody else has started."""
    before = enter_rank(rank)
    try:
        return PythonFunctionTask.dispatch_execute(task, ctx.with_(rank=rank.rank), inputs)
    finally:
        enter_rank(before)


def _launch(task: Task, config: Config, ctx: FlyteContext, host: Host | None, payload: bytes) -> Launched:
    environment: Callable[[Rank, Sequence[str]], Mapping[str, str]]
    environment = getattr(config, "environment", no_environment)
    ranks = nodes_of(_ranks(config), os.environ) if host is not None else _ranks(config)
    with Stop() as stop:
        forget = ctx.on_cancel(lambda: stop.ask(is_late=ctx.cancellation.is_due))
        try:
            return run_ranks(
                payload,
                _RUN,
                ranks,
                name=task.name,
                stop=stop,
                on_end=lambda launched: _take_decks(task, ctx, launched),
                environment=environment,
                host=host,
                attempt_type=launcher_of(config),
            )
        finally:
            forget()


def _take_decks(task: Task, ctx: FlyteContext, launched: Launched) -> None:
    """The leader's pages, and one about the ranks; of a failed run too."""
    params = ctx.user_space_params
    if params is None:
        return
    for _, name, data in launched.extras:
        if name == DECKS:
            params.decks.extend(decks_from(data))
    if task.enable_deck and launched.reports:
        shown = ctx.plugins.render(launched.reports, tuple)  # ours, or that of a plugin that shows them its way
        params.decks.append(Deck("Ranks", shown or as_html(launched.reports)))


@contextmanager
def _timestamps(ctx: FlyteContext) -> Iterator[None]:
    """In a container, an error gets the time at which its rank raised it: the platform takes the earliest one."""
    try:
        yield
    except Exception as exc:
        cause = exc.__cause__
        if isinstance(cause, RemoteTraceback) and not ctx.execution_state.is_local_execution():
            exc.__dict__.setdefault("timestamp", cause.at)
        raise
