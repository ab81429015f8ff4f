"""The task class of all multi-rank configs: literals in, N ranks, the leader's literals out.

`dispatch_execute` runs in the caller and hands the inputs to the ranks as bytes; each rank runs the dispatch of a plain
function task with its rank in the context. Nothing else differs from a task without ranks: cache, retries, timeout and
serialization stay the base class's.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

from fledge import idl
from fledge.context import ExecutionParameters, FlyteContext
from fledge.errors import IgnoreOutputs
from fledge.function import PythonFunctionTask
from fledge.settings import SerializationSettings
from fledge.storage import materialize
from fledge_distributed.config import Config, Ranks
from fledge_distributed.launcher import Launched, leader_ignored, run_ranks
from fledge_distributed.rank_run import DECKS, NotLeader, address_of, decks_from, run_of
from fledge_distributed.ranks import current_rank

if TYPE_CHECKING:
    from fledge.idl import literals
    from fledge_distributed.attempt import Attempt

__all__ = ["MultiRankTask"]

C = TypeVar("C", bound=Config)
_PRELOAD = ("fledge_distributed.preloaded",)
_RUN = "fledge_distributed.rank_run:run"


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

    def get_custom(self, settings: SerializationSettings) -> Mapping[str, Any] | None:  # Any: JSON
        from fledge_distributed.messages import custom  # loads protobuf, which the definition of a task does not

        return custom(self._config)

    def dispatch_execute(self, ctx: FlyteContext, input_literal_map: literals.LiteralMap) -> literals.LiteralMap:
        """Run all ranks and return the leader's outputs.

        Raises:
            The first failure of a rank, as `launcher.launch` says.
            LeaderIgnored: rank 0 raised IgnoreOutputs in a local run, and the task declares outputs.
            IgnoreOutputs: the same in a container: nothing is written.
        """
        ctx.plugins.load()
        inputs = idl.deterministic_bytes(materialize(input_literal_map, ctx.storage))
        payload = run_of(address_of(self, ctx.serialization_settings or _NO_SETTINGS), ctx, inputs)
        forget: list[Callable[[], None]] = []

        def watch(attempt: Attempt) -> None:
            forget.append(ctx.on_cancel(attempt.wake))

        try:
            launched = run_ranks(pickle.dumps(payload), _RUN, self._ranks(), watch=watch)
        finally:
            for take_back in forget:
                take_back()
        self._take_decks(ctx, launched)
        return self._outputs(ctx, launched)

    def post_execute(self, user_params: ExecutionParameters | None, rval: Any) -> Any:  # Any: the user's value
        """In a rank: only the leader goes on to convert its outputs."""
        rval = super().post_execute(user_params, rval)
        rank = current_rank()
        if not rank.is_leader:
            raise NotLeader(f"rank {rank.rank} is not the leader")
        return rval

    def _ranks(self) -> Ranks:
        ranks = self._config.local_ranks()
        found = [name for name in ranks.preload if name != "torch" or find_spec(name) is not None]
        return replace(ranks, preload=(*_PRELOAD, *found))

    def _outputs(self, ctx: FlyteContext, launched: Launched) -> literals.LiteralMap:
        if 0 not in launched.ignored:
            return idl.literals.LiteralMap.FromString(launched.values[0])
        if not ctx.execution_state.is_local_execution():
            raise IgnoreOutputs("rank 0 ignores its outputs")
        if self.python_interface.outputs:
            ranks = self._config.local_ranks()
            raise leader_ignored(launched.ignored, ranks.nproc * ranks.nnodes)
        return idl.literals.LiteralMap()

    def _take_decks(self, ctx: FlyteContext, launched: Launched) -> None:
        params = ctx.user_space_params
        if params is not None:
            for _, name, data in launched.extras:
                if name == DECKS:
                    params.decks.extend(decks_from(data))


_NO_SETTINGS = SerializationSettings()
