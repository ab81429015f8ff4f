"""What the programs of the corpus are called with: values written beside the task, and strategies for more of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import hypothesis
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st

__all__ = ["Calls", "called_with", "calls_of"]

T = TypeVar("T")
EXAMPLES = 30
_SEED = 20_231  # any fixed number: both SDKs must be handed the same values


@dataclass(frozen=True)
class Calls:
    """The calls of one program: `written` by hand, and one strategy per input for `generated`."""

    written: tuple[Mapping[str, Any], ...] = ()  # Any: as the task declares
    generated: Mapping[str, st.SearchStrategy[Any]] = field(default_factory=dict)  # Any: as the task declares

    def examples(self) -> list[Mapping[str, Any]]:  # Any: as the task declares
        """The generated calls: the same ones for equal strategies, in every process."""
        return _drawn(st.fixed_dictionaries(dict(self.generated))) if self.generated else []


def called_with(
    *written: Mapping[str, Any],  # Any: as the task declares
    **generated: st.SearchStrategy[Any],  # Any: as the task declares
) -> Callable[[T], T]:
    """Decorate a task of the corpus with its calls."""

    def remember(task: T) -> T:
        task.__dict__["calls_of_parity"] = Calls(written, generated)
        return task

    return remember


def calls_of(task: object) -> Calls:
    """What `called_with` remembered; no calls when it was not used."""
    found = task.__dict__.get("calls_of_parity", Calls())
    assert isinstance(found, Calls)
    return found


def _drawn(strategy: st.SearchStrategy[T]) -> list[T]:
    found: list[T] = []

    @hypothesis.seed(_SEED)
    @hypothesis.settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(strategy)
    def draw(value: T) -> None:
        found.append(value)

    draw()
    return found
