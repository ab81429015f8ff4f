"""The task class of all multi-rank configs: literals in, N ranks, the leader's literals out.

`dispatch_execute` runs in the caller and hands the inputs to the ranks as bytes; each rank runs the dispatch of a plain
function task with its rank in the context. Nothing else differs from a task without ranks: cache, retries, timeout and
serialization stay the base class's.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

from fledge import idl
from fledge.decks import Deck
from fledge.errors import IgnoreOutputs
from fledge.function import PythonFunctionTask
from fledge.settings import SerializationSettings
from fledge.storage import materialize
from fledge_distributed.attempt import Host, no_environment
from fledge_distributed.cluster import find_place, nodes_of
from fledge_distributed.config import Config, Elastic, Ranks
from fledge_distributed.elastic import agent_place, run_agent
from fledge_distributed.errors import RemoteTraceback
from fledge_distributed.launcher import Launched, leader_ignored, run_ranks
from fledge_distributed.launchers import launcher_of
from fledge_distributed.rank_run import DECKS, NotLeader, address_of, decks_from, run_of
from fledge_distributed.ranks import Rank, current_rank, enter_rank, inside_rank
from fledge_distributed.reports import as_html
from fledge_distributed.supervision import warm_up

if TYPE_CHECKING:
    from fledge.context import ExecutionParameters, FlyteContext
    from fledge.idl import literals
    from fledge_distributed.attempt import Attempt

__all__ = ["MultiRankTask"]

C = TypeVar("C", bound=Config)
_RUN = "fledge_distributed.rank_run:run"
_PRELOAD = ("fledge_distributed.preloaded",)
_NO_SETTINGS = SerializationSettings()


class MultiRankTask(PythonFunctionTask[C]):
    """A function that runs on every rank of its config; the outputs are those of rank 0.

    Args:
        task_config: Ranks, PyTorch, Elastic, ...
        task_function: Runs once per rank.
        **kwargs: What PythonFunctionTask takes.
    """

    def __init__(
        self,
        task_config: C,
        task_function: Callable[..., Any],  # Any: the user's types
        **kwargs: Any,  # Any: passed on
    ) -> None:
        if getattr(task_config, "increase_shared_mem", False) and kwargs.get("shared_memory") is None:
            kwargs["shared_memory"] = True
        super().__init__(task_config, task_function, task_config.task_type, task_type_version=1, **kwargs)
        self._config = task_config

    def get_custom(self, settings: SerializationSettings) -> Mapping[str, Any] | None:  # noqa: ARG002 # Any: JSON
        """What the backend's plugin for the config reads."""
        from fledge_distributed.messages import custom  # noqa: PLC0415 - protobuf, which defining a task does not load

        return custom(self._config)

    def get_command(self, settings: SerializationSettings) -> list[str]:
        """The container's command line; MPI and Horovod put theirs in front."""
        command = super().get_command(settings)
        wrap = getattr(self._config, "command", None)
        return wrap(command) if wrap is not None else command

    def dispatch_execute(self, ctx: FlyteContext, input_literal_map: literals.LiteralMap) -> literals.LiteralMap:
        """Run all ranks and return the leader's outputs; in a cluster, run those that belong here.

        Raises:
            The first failure of a rank, as `launcher.launch` says.
            LeaderIgnored: rank 0 raised IgnoreOutputs in a local run, and the task declares outputs.
            IgnoreOutputs: In a container, the same, and on every node without rank 0: nothing is written.
        """
        ctx.plugins.load()
        place = find_place(self._config, os.environ, in_container=not ctx.execution_state.is_local_execution())
        if isinstance(place, Rank):
            return self._as_rank(ctx, place, input_literal_map)
        ranks = self._ranks()
        warm_up(ranks.preload, ranks.start != "spawn")  # its imports run while the inputs are written
        inputs = idl.deterministic_bytes(materialize(input_literal_map, ctx.storage))
        payload = pickle.dumps(run_of(address_of(self, ctx.serialization_settings or _NO_SETTINGS), ctx, inputs))
        agent = agent_place(os.environ) if isinstance(self._config, Elastic) and not inside_rank() else None
        with _timestamps(ctx):
            if agent is not None and isinstance(self._config, Elastic):
                return self._as_agent(run_agent(self._config, agent, payload))
            launched = self._launch(ctx, place, payload)
        self._take_decks(ctx, launched)
        if place is not None and place.node_rank != 0:
            raise NotLeader(f"the leader is on node 0, this is node {place.node_rank}")
        return self._outputs(ctx, launched)

    def post_execute(self, user_params: ExecutionParameters | None, rval: Any) -> Any:  # Any: the user's value
        """In a rank: only the leader goes on to convert its outputs."""
        rval = super().post_execute(user_params, rval)
        rank = current_rank()
        if not rank.is_leader:
            raise NotLeader(f"rank {rank.rank} is not the leader")
        return rval

    def _launch(self, ctx: FlyteContext, host: Host | None, payload: bytes) -> Launched:
        forget: list[Callable[[], None]] = []

        def watch(attempt: Attempt) -> None:
            forget.append(ctx.on_cancel(lambda: attempt.wake(is_late=ctx.cancellation.is_due)))

        environment: Callable[[Rank, Sequence[str]], Mapping[str, str]]
        environment = getattr(self._config, "environment", no_environment)
        ranks = nodes_of(self._ranks(), os.environ) if host is not None else self._ranks()
        attempt_type = launcher_of(self._config)
        try:
            return run_ranks(
                payload, _RUN, ranks, watch=watch, environment=environment, host=host, attempt_type=attempt_type
            )
        finally:
            for take_back in forget:
                take_back()

    def _ranks(self) -> Ranks:
        """How the config's ranks are started, with what all ranks need preloaded; torch only where it is installed."""
        ranks = self._config.local_ranks()
        found = [name for name in ranks.preload if name != "torch" or find_spec(name) is not None]
        return replace(ranks, preload=(*_PRELOAD, *found))

    def _as_rank(self, ctx: FlyteContext, rank: Rank, inputs: literals.LiteralMap) -> literals.LiteralMap:
        """This process is a rank that somebody else has started."""
        before = enter_rank(rank)
        try:
            return super().dispatch_execute(ctx.with_(rank=rank.rank), inputs)
        finally:
            enter_rank(before)

    def _as_agent(self, outputs: bytes | None) -> literals.LiteralMap:
        if outputs is None:
            raise NotLeader("the leader is on another node, or ignores its outputs")
        return idl.literals.LiteralMap.FromString(outputs)

    def _outputs(self, ctx: FlyteContext, launched: Launched) -> literals.LiteralMap:
        if 0 not in launched.ignored:
            return idl.literals.LiteralMap.FromString(launched.values[0])
        if not ctx.execution_state.is_local_execution():
            raise IgnoreOutputs("rank 0 ignores its outputs")
        if self.python_interface.outputs:
            raise leader_ignored(launched.ignored, len(launched.reports))
        return idl.literals.LiteralMap()

    def _take_decks(self, ctx: FlyteContext, launched: Launched) -> None:
        """The leader's pages, and one about the ranks."""
        params = ctx.user_space_params
        if params is None:
            return
        for _, name, data in launched.extras:
            if name == DECKS:
                params.decks.extend(decks_from(data))
        if self._enable_deck:
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
