"""What a session of comparisons has compared, for the line at its end."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

__all__ = ["TALLY", "Tally"]


@dataclass
class Tally:
    """Counts over all modules of the corpus."""

    programs: int = 0
    observations: int = 0
    container_runs: int = 0
    unlisted: int = 0
    messages: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self.messages.items()))
        return (
            f"parity: {self.programs} programs, {self.observations} observations of behaviour and "
            f"{self.container_runs} container runs compared; {self.messages.total()} messages ({kinds}); "
            f"differences: {self.unlisted} outside the list"
        )


TALLY = Tally()
