"""Which config type has its ranks started in which way: the registry that plugins with another launcher add to."""

from __future__ import annotations

from collections.abc import Callable

from fledge_distributed.attempt import Attempt
from fledge_distributed.jobs import MPIJob
from fledge_distributed.mpi import MpiAttempt, mpirun

__all__ = ["launcher_of", "register_launcher"]

_CHOICES: dict[type, Callable[[], type[Attempt]]] = {}


def register_launcher(config_type: type, choose: Callable[[], type[Attempt]]) -> None:
    """Ranks of this config type are started by the Attempt that `choose` returns; it is asked at each run."""
    _CHOICES[config_type] = choose


def launcher_of(config: object) -> type[Attempt]:
    """The zygote's own, unless something else is registered for the config's type."""
    choose = _CHOICES.get(type(config))
    return choose() if choose is not None else Attempt


register_launcher(MPIJob, lambda: MpiAttempt if mpirun() is not None else Attempt)
