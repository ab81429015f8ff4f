"""Many contributors, one value: merge mappings key by key, let at most one replace a message, remember who set what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from fledge.errors import ContributionConflictError, SerializationError

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
    contributor whose value, if it gives one, stands there alone. The result does not depend on the order of the pairs.

    Raises:
        ContributionConflictError: Two different values for one key, and no preference settles it.
        SerializationError: A key is not text.
    """
    work = _Merge(field, {who: mapping for who, mapping in contributions if mapping}, prefer)
    for who in sorted(work.given):
        work.add(work.merged, work.given[who], (), who)
    return work.merged, work.origins


class _Merge:
    """The merge of one field, half done: what is merged so far and who set it."""

    def __init__(self, field: str, given: Mapping[str, Mapping[str, Any]], prefer: Mapping[str, str]) -> None:
        self.given = given
        self.merged: dict[str, Any] = {}  # Any: JSON
        self.origins: Origins = {}
        self._field, self._prefer = field, prefer

    def add(self, target: dict[str, Any], mapping: Mapping[str, Any], path: tuple[str, ...], who: str) -> None:
        for key, value in mapping.items():
            if not isinstance(key, str):
                raise SerializationError(
                    f"{'.'.join((self._field, *path))}: the key {key!r}, set by {who}, is not text"
                )
            at = (*path, key)
            where = ".".join((self._field, *at))
            if self._belongs_to_another(where, at, who):
                continue
            if isinstance(value, Mapping) and isinstance(target.get(key, {}), dict):
                self.add(target.setdefault(key, {}), value, at, who)
                if not target[key]:
                    self.origins.setdefault(where, who)
            elif key not in target:
                target[key], self.origins[where] = value, who
            elif not _equal(target[key], value):
                raise ContributionConflictError(
                    self._field, ".".join(at), self._setter(where), who, (target[key], value)
                )

    def _belongs_to_another(self, where: str, at: tuple[str, ...], who: str) -> bool:
        """Does the contributor that is preferred here give a value? Then nobody else's counts."""
        preferred = self._prefer.get(where, who)
        found: Any = self.given.get(preferred, {}) if preferred != who else None  # Any: JSON
        for key in at:
            if not isinstance(found, Mapping) or key not in found:
                return False
            found = found[key]
        return True

    def _setter(self, where: str) -> str:
        return self.origins.get(where) or next(who for at, who in self.origins.items() if at.startswith(f"{where}."))


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
