"""Any function on N ranks with plain Python arguments: every rank's value comes back. What the test kit is made of.

Arguments and values are pickled, so this is for tests and scripts; tasks go by literals.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fledge_distributed.attempt import Attempt
from fledge_distributed.errors import LaunchError
from fledge_distributed.faults import Fault, begin, check_happened
from fledge_distributed.frames import unpickled
from fledge_distributed.launcher import AttemptType, run_ranks
from fledge_distributed.ranks import current_rank
from fledge_distributed.targets import Target, load_target, to_target

if TYPE_CHECKING:
    from fledge_distributed.config import Ranks
    from fledge_distributed.stopping import Stop

__all__ = ["IGNORED", "call_on_ranks"]


class _Ignored:
    """In place of the value of a rank that raised IgnoreOutputs."""

    def __repr__(self) -> str:
        return "IGNORED"


IGNORED = _Ignored()


@dataclass(frozen=True)
class _Call:
    function: Target
    arguments: tuple[Any, ...]  # Any: the caller's values
    faults: tuple[Fault, ...]


def call_on_ranks(
    function: Callable[..., object],
    *arguments: object,
    config: Ranks,
    faults: Sequence[Fault] = (),
    attempt_type: AttemptType = Attempt,
    stop: Stop | None = None,
) -> list[Any]:  # Any: the function's own values
    """Call `function(*arguments)` on every rank; the values by rank, `IGNORED` for ranks that raised IgnoreOutputs.

    Raises:
        LaunchError: An argument or the function cannot be pickled, or a fault is for a rank that there is not; it is
            named, and nothing has been started.
        AssertionError: A fault did not happen: its rank returned without having come to its point.
        The first failure of a rank, as `launcher.launch` says.
    """
    for number, argument in enumerate(arguments):
        _check_pickles(argument, f"argument {number} of {getattr(function, '__qualname__', function)}")
    ranks = range(config.nproc * config.nnodes)
    for fault in faults:
        if fault.rank not in ranks:
            raise LaunchError(f"{fault.kind}({fault.rank}): there are {len(ranks)} ranks, the last is {ranks[-1]}")
    payload = pickle.dumps(_Call(to_target(function), arguments, tuple(faults)))
    launched = run_ranks(payload, _run, config, collect_all=True, attempt_type=attempt_type, stop=stop)
    return [IGNORED if rank in launched.ignored else unpickled(launched.values[rank]) for rank in ranks]


def _check_pickles(value: object, name: str) -> None:
    try:
        pickle.dumps(value)
    except Exception as exc:
        raise LaunchError(f"{name} ({type(value).__name__}) cannot be sent to the ranks: {exc}") from exc


def _run(payload: bytes) -> bytes:
    call: _Call = unpickled(payload)
    begin(call.faults)
    value = load_target(call.function)(*call.arguments)
    check_happened()
    try:
        return pickle.dumps(value)
    except Exception as exc:
        what = f"rank {current_rank().rank} returned a {type(value).__name__} that cannot be pickled"
        raise TypeError(f"{what}: {exc}") from exc
