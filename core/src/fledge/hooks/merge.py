"""Many contributors, one value: merge mappings key by key, let at most one replace a message, remember who set what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from fledge.errors import ContributionConflictError

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = ["Origins", "merge", "replace_message"]

M = TypeVar("M", bound="Message")
Origins = dict[str, str]  # "custom.workers" -> who set it


def merge(
    field: str, contributions: Iterable[tuple[str, Mapping[str, Any] | None]], prefer: Mapping[str, str]
) -> tuple[dict[str, Any], Origins]:  # Any: JSON
    """Merge (who, mapping) pairs; nested mappings key by key, lists are atoms.

    Equal means the same type and value, so 1, 1.0 and True are three values. `prefer` maps "field.key" to the
    contributor that wins there. The result does not depend on the order of the pairs.

    Raises:
        ContributionConflictError: Two different values for one key, and no preference names either contributor.
    """
    merged: dict[str, Any] = {}
    origins: Origins = {}
    for who, mapping in sorted(((who, mapping) for who, mapping in contributions if mapping), key=lambda pair: pair[0]):
        _merge_into(merged, mapping, field, "", who, prefer, origins)
    return merged, origins


def _merge_into(
    merged: dict[str, Any],
    mapping: Mapping[str, Any],
    field: str,
    prefix: str,
    who: str,
    prefer: Mapping[str, str],
    origins: Origins,
) -> None:
    for key in sorted(mapping):
        value = mapping[key]
        path = f"{prefix}.{key}" if prefix else str(key)
        where = f"{field}.{path}"
        if isinstance(value, Mapping) and isinstance(merged.get(key, {}), dict):
            _merge_into(merged.setdefault(key, {}), value, field, path, who, prefer, origins)
            if not value:
                origins.setdefault(where, who)
        elif key not in merged:
            merged[key], origins[where] = value, who
        elif not _equal(merged[key], value):
            first = origins.get(where) or next(name for at, name in origins.items() if at.startswith(f"{where}."))
            winner = prefer.get(where)
            if winner not in (first, who):
                raise ContributionConflictError(field, path, first, who, (merged[key], value))
            if winner == who:
                for at in [at for at in origins if at.startswith(f"{where}.")]:
                    del origins[at]
                merged[key], origins[where] = value, who


def _equal(first: Any, second: Any) -> bool:  # Any: JSON
    if type(first) is not type(second):
        return False
    if isinstance(first, Mapping):
        return first.keys() == second.keys() and all(_equal(first[key], second[key]) for key in first)
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(map(_equal, first, second))
    return bool(first == second)


def replace_message(
    field: str, own: tuple[str, M | None], answers: Iterable[tuple[str, M | None]], prefer: Mapping[str, str]
) -> tuple[M | None, str]:
    """The task's own message, or the one answer that replaces it; and who gave it (empty when there is none).

    Raises:
        ContributionConflictError: Two different answers, and no preference names either.
    """
    given = sorted(((who, answer) for who, answer in answers if answer is not None), key=lambda pair: pair[0])
    if not given:
        return own[1], own[0] if own[1] is not None else ""
    preferred = [pair for pair in given if pair[0] == prefer.get(field)]
    if preferred:
        given = preferred
    who, answer = given[0]
    for other, different in given[1:]:
        if different != answer:
            raise ContributionConflictError(field, "", who, other, (_brief(answer), _brief(different)))
    return answer, who


def _brief(message: Message) -> str:
    return " ".join(str(message).split())
