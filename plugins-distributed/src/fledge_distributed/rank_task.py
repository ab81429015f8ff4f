"""The task class of all multi-rank configs: literals in, N ranks, the leader's literals out.

`dispatch_execute` runs in the caller and hands the inputs to the ranks as bytes; each rank runs the dispatch of a plain
function task with its rank in the context. Nothing else differs from a task without ranks: cache, retries, timeout and
serialization stay the base class's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from fledge.function import PythonFunctionTask
from fledge.lazy import lazy
from fledge_distributed.config import Config

if TYPE_CHECKING:
    from fledge.context import ExecutionParameters, FlyteContext
    from fledge.idl import literals
    from fledge.settings import SerializationSettings
    from fledge_distributed import dispatching, errors, messages, rank_run
else:  # defining a task needs neither protobuf nor the launcher
    dispatching = lazy("fledge_distributed.dispatching")
    errors = lazy("fledge_distributed.errors")
    messages = lazy("fledge_distributed.messages")
    rank_run = lazy("fledge_distributed.rank_run")  # a rank has it, and should load nothing of the launcher

__all__ = ["MultiRankTask"]

C = TypeVar("C", bound=Config)


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
        return messages.custom(self._config)

    def get_command(self, settings: SerializationSettings) -> list[str]:
        """The container's command line; MPI and Horovod put theirs in front."""
        command = super().get_command(settings)
        wrap = getattr(self._config, "command", None)
        return wrap(command) if wrap is not None else command

    def dispatch_execute(self, ctx: FlyteContext, input_literal_map: literals.LiteralMap) -> literals.LiteralMap:
        """Run all ranks and return the leader's outputs; in a cluster, run those that belong here.

        Where `execute` is replaced on the task, by a test, that runs here, once, as the leader.

        Raises:
            The first failure of a rank, as `launcher.launch` says.
            RankCancelled: The run was cancelled, with none of its ranks left.
            LeaderIgnored: rank 0 raised IgnoreOutputs in a local run, and the task declares outputs.
            IgnoreOutputs: In a container, the same, and on every node without rank 0: nothing is written.
        """
        if "execute" in vars(self):  # a test replaced the body: the ranks would not know
            return super().dispatch_execute(ctx, input_literal_map)
        try:
            return dispatching.dispatch(self, self._config, ctx, input_literal_map)
        except Exception as exc:
            if not isinstance(exc.__cause__, errors.RemoteTraceback):
                raise
            raise exc.with_traceback(None) from exc.__cause__  # raised in a rank: frames of the launcher say nothing

    def post_execute(self, user_params: ExecutionParameters | None, rval: Any) -> Any:  # Any: the user's value
        """In a rank: only the leader goes on to convert its outputs."""
        rval = super().post_execute(user_params, rval)
        rank_run.raise_unless_leader()
        return rval
