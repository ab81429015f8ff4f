"""One run of a task in one rank: the task found again, a context like the caller's, literals in, literals out."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fledge import idl
from fledge.base_task import TaskResolverMixin
from fledge.context import ExecutionParameters, ExecutionState, FlyteContext, FlyteContextManager, Scratch
from fledge.decks import Deck
from fledge.errors import IgnoreOutputs, NotImportableError, TaskLoadError
from fledge.function import PythonFunctionTask
from fledge.resolver import load_object
from fledge_distributed.frames import unpickled
from fledge_distributed.ranks import current_rank
from fledge_distributed.targets import by_value, import_module
from fledge_distributed.worker import send_extra

if TYPE_CHECKING:
    from fledge.settings import SerializationSettings

__all__ = [
    "DECKS",
    "NotLeader",
    "RankRun",
    "TaskAddress",
    "address_of",
    "decks_from",
    "raise_unless_leader",
    "run",
    "run_of",
]

DECKS = "decks"  # the name under which a rank's pages travel


class NotLeader(IgnoreOutputs):
    """Raised by the framework after the function of a rank other than the leader has returned."""


@dataclass(frozen=True)
class TaskAddress:
    """How a rank finds the task: by its resolver, as a container does, or pickled where no module holds it."""

    resolver: str = ""
    loader_args: tuple[str, ...] = ()
    module: str = ""
    file: str | None = None
    value: bytes | None = None


@dataclass(frozen=True)
class RankRun:
    """The payload: what every rank of a run gets."""

    task: TaskAddress
    inputs: bytes  # a LiteralMap
    mode: int
    raw_prefix: str
    keep_local: bool
    parameters: Mapping[str, Any]  # Any: a type per field of ExecutionParameters


_CARRIED = ("execution_date", "execution_id", "task_id", "raw_output_prefix", "output_metadata_prefix", "enable_deck")


def address_of(task: PythonFunctionTask[Any], settings: SerializationSettings) -> TaskAddress:  # Any: of any config
    """By name when a module other than the running script holds the task; else by value.

    Importing the script again would run it again, and with it this very call.
    """
    module = task.task_function.__module__
    resolver = task.task_resolver
    if module != "__main__":
        try:
            file = task.task_function.__globals__.get("__file__")
            return TaskAddress(resolver.location, tuple(resolver.loader_args(settings, task)), module, file)
        except NotImportableError:
            pass  # defined in a function or a notebook
    return TaskAddress(value=by_value(task, f"task {task.name}"))


def run_of(task: TaskAddress, ctx: FlyteContext, inputs: bytes) -> RankRun:
    """What of the caller's context holds in the ranks too."""
    params = ctx.user_space_params
    parameters = {name: getattr(params, name) for name in _CARRIED} if params is not None else {}
    mode = ctx.execution_state.mode or ExecutionState.Mode.LOCAL_TASK_EXECUTION
    return RankRun(task, inputs, mode.value, ctx.storage.raw_prefix, ctx.storage.keep_local, parameters)


def run(payload: bytes, send: Callable[[str, bytes], None] = send_extra) -> bytes:
    """In the rank. Returns the leader's outputs as a LiteralMap; nothing from the others.

    Args:
        payload: A RankRun.
        send: Hands named bytes to the caller.

    Raises:
        IgnoreOutputs: the user's; the framework's own for non-leaders ends here.
        Whatever the task raises.
    """
    rank_run: RankRun = unpickled(payload)
    task = _find(rank_run.task)
    scratch = Scratch()
    ctx = _context(rank_run, scratch)
    inputs = idl.literals.LiteralMap.FromString(rank_run.inputs)
    try:
        with FlyteContextManager.with_context(ctx) as ctx:
            outputs = PythonFunctionTask.dispatch_execute(task, ctx, inputs)
        return idl.deterministic_bytes(outputs) if current_rank().is_leader else b""
    except NotLeader:
        return b""
    finally:
        _send_decks(ctx, send)
        scratch.remove()


def raise_unless_leader() -> None:
    """NotLeader in the ranks whose outputs nobody converts."""
    rank = current_rank()
    if not rank.is_leader:
        raise NotLeader(f"rank {rank.rank} is not the leader")


def _find(address: TaskAddress) -> PythonFunctionTask[Any]:  # Any: of any config
    if address.value is not None:
        found: object = unpickled(address.value)
    else:
        import_module(address.module, address.file)  # a module off sys.path is found by its file
        module, _, attribute = address.resolver.rpartition(".")
        resolver = load_object(module, attribute)
        if not isinstance(resolver, TaskResolverMixin):
            raise TaskLoadError(f"{address.resolver} is a {type(resolver).__name__}, not a task resolver")
        found = resolver.load_task(list(address.loader_args))
    if not isinstance(found, PythonFunctionTask):
        raise TaskLoadError(f"found a {type(found).__name__} where the multi-rank task should be", address.loader_args)
    return found


def _context(rank_run: RankRun, scratch: Scratch) -> FlyteContext:
    base = FlyteContextManager.current_context()
    mode = ExecutionState.Mode(rank_run.mode)
    params = ExecutionParameters(scratch, local=ExecutionState(mode).is_local_execution()).with_(**rank_run.parameters)
    storage = base.storage.with_(raw_prefix=rank_run.raw_prefix, keep_local=rank_run.keep_local, scratch=scratch.made)
    return base.with_(storage=storage, execution_state=ExecutionState(mode, params), rank=current_rank().rank)


def _send_decks(ctx: FlyteContext, send: Callable[[str, bytes], None]) -> None:
    params = ctx.user_space_params
    if params is not None and params.decks and current_rank().is_leader:
        send(DECKS, pickle.dumps([(deck.name, deck.parts) for deck in params.decks]))


def decks_from(data: bytes) -> list[Deck]:
    """In the caller: the leader's pages."""
    decks = []
    for name, parts in unpickled(data):
        deck = Deck(name)
        deck.parts.extend(parts)
        decks.append(deck)
    return decks
