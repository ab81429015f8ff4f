"""What every config type checks of what it is given: names, numbers, kinds; each mistake is a DefinitionError."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar

from fledge.errors import DefinitionError, nearest

__all__ = ["Options", "at_least", "given_once", "of_kind", "seconds"]

S = TypeVar("S", bound="Options")


class Options:
    """Base of dataclasses: an argument that none of the fields takes is named, with the field that is meant."""

    def __new__(cls: type[S], *args: object, **options: object) -> S:  # noqa: PYI019 - typing.Self came with Python 3.11
        """DefinitionError: an unknown name, a name given twice, or more values without a name than there may be."""
        _check_names(cls, len(args), options)
        return super().__new__(cls)


def _check_names(cls: Any, count: int, options: dict[str, object]) -> None:  # Any: a dataclass, which Options is not
    all_fields = fields(cls)
    names = [one.name for one in all_fields]
    unnamed = [one.name for one in all_fields if not one.kw_only]
    for name in options:
        if name not in names:
            starting = next((f"; did you mean {one!r}?" for one in names if one.startswith(name)), "")
            meant = starting or nearest(name, names)
            raise DefinitionError(f"{cls.__name__} has no option {name!r}; it takes {', '.join(names)}{meant}")
        if name in unnamed[:count]:
            raise DefinitionError(f"{cls.__name__}: {name} is given twice, by its place and by its name")
    if count > len(unnamed):
        named = ", ".join(f"{name}=..." for name in names[len(unnamed) : count])
        raise DefinitionError(
            f"{cls.__name__}: {count} values without a name, but only {', '.join(unnamed)} may come so; write {named}"
        )


def at_least(name: str, value: object, lowest: int) -> None:
    """DefinitionError unless `value` is an int from `lowest` on."""
    if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
        raise DefinitionError(f"{name}={value!r}: give a whole number, {lowest} or more")


def seconds(name: str, value: object) -> None:
    """DefinitionError unless `value` is a number, 0 or more."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
        raise DefinitionError(f"{name}={value!r}: give seconds, 0 or more")


def of_kind(name: str, value: object, kind: type) -> None:
    """DefinitionError unless `value` is of that class."""
    if not isinstance(value, kind):
        raise DefinitionError(f"{name}={value!r}: give {kind.__name__}(...), as in {name}={kind.__name__}(replicas=2)")


def given_once(job: str, kind: str, replicas: int | None, old: str, count: int | None) -> int:
    """The number of replicas of a kind, which has an older spelling on the job itself."""
    if (replicas is None) == (count is None):
        name = kind.capitalize() if kind != "ps" else "PS"
        raise DefinitionError(
            f"{job}: give the number once, as {kind}={name}(replicas=...); {old} is its older spelling"
        )
    return replicas if replicas is not None else count or 0
