"""The local result cache: outputs of an earlier run with equal inputs, one file per key.

A key is made of the task's name and version, the types of its interface and its inputs: a literal's own hash where it
has one, the content of local files, the value otherwise. An input whose content cannot be told makes the call
uncacheable, with the reason; a key is never partial. Files are written by rename, so many processes may share a folder;
what is damaged or gone counts as a miss. The cache only ever saves time: a folder that is read-only or full costs a log
line, not the run.
"""

from __future__ import annotations

import hashlib
import os
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fledge import idl
from fledge.errors import DefinitionError
from fledge.lazy import lazy, lazy_logger
from fledge.storage import LIVE_SCHEME, StorageRouter, leaves, materialize, path_of, scheme_of

if TYPE_CHECKING:
    import shutil

    from fledge.idl import interface as interface_messages
    from fledge.idl import literals
    from fledge.metadata import TaskMetadata
else:
    shutil = lazy("shutil")

__all__ = ["CacheKey", "ResultCache", "Uncacheable", "cache_key", "types_digest"]

_log = lazy_logger("fledge.cache")
_BLOCK = 1 << 20
_PARTS = ".parts"
_WRITTEN = ".written"  # in the folder of an entry's data: what is in it, with sizes and times
_STAYS_S = 86_400  # data of an entry that was replaced: another process may have read the entry before


class Uncacheable(Exception):  # noqa: N818 - a signal with a reason, not an error: the task runs without the cache
    """One input's content cannot be told, or the version cannot be worked out: then `input_name` is empty."""

    def __init__(self, input_name: str, reason: str) -> None:
        super().__init__(f"input {input_name!r}: {reason}" if input_name else reason)
        self.input_name, self.reason = input_name, reason


@dataclass(frozen=True)
class CacheKey:
    """SHA-256 over the parts; the parts say what makes two calls differ."""

    digest: str
    parts: Mapping[str, str]


def types_digest(typed: interface_messages.TypedInterface) -> str:
    """What a key says of an interface: names and types, and not their descriptions."""
    types = hashlib.sha256()
    for side in (typed.inputs.variables, typed.outputs.variables):
        for name in sorted(side):
            types.update(f"{name}\0".encode() + idl.deterministic_bytes(side[name].type))
        types.update(b"\1")
    return types.hexdigest()


def cache_key(
    task_name: str,
    metadata: TaskMetadata,
    types: str,
    inputs: literals.LiteralMap,
    storage: StorageRouter,
) -> CacheKey:
    """The key of one call; `types` is the `types_digest` of the task's interface.

    Raises:
        Uncacheable: An input has neither a hash nor content that can be read here, or the code that the version is to
            follow cannot be hashed.
    """
    try:
        version = metadata.cache_version
    except DefinitionError as exc:
        raise Uncacheable("", str(exc)) from exc
    parts = {"task": task_name, "version": version, "types": types}
    ignored = metadata.cache_ignore_input_vars
    for name in sorted(inputs.literals):
        if name not in ignored:
            digest = hashlib.sha256(idl.deterministic_bytes(_by_content(inputs.literals[name], name, storage)))
            parts[f"input {name}"] = digest.hexdigest()
    whole = "".join([f"{len(part)} {part} {len(text)} {text}\n" for part, text in parts.items()])
    return CacheKey(hashlib.sha256(whole.encode()).hexdigest(), parts)


def _by_content(literal: literals.Literal, name: str, storage: StorageRouter) -> literals.Literal:
    """The literal with everything replaced by its hash where it has one, and URIs by the content behind them.

    It may be the literal itself, so leave it as it is.
    """
    kind = literal.WhichOneof("value")
    if not literal.hash and kind == "scalar" and literal.scalar.HasField("primitive"):
        return literal
    found = idl.literals.Literal()
    if literal.hash:
        found.hash = literal.hash
    elif kind == "collection":
        found.collection.SetInParent()
        found.collection.literals.extend(_by_content(one, name, storage) for one in literal.collection.literals)
    elif kind == "map":
        found.map.SetInParent()
        for key, one in literal.map.literals.items():
            found.map.literals[key].CopyFrom(_by_content(one, name, storage))
    elif kind == "scalar" and literal.scalar.WhichOneof("value") == "union":
        found.scalar.union.type.CopyFrom(literal.scalar.union.type)
        found.scalar.union.value.CopyFrom(_by_content(literal.scalar.union.value, name, storage))
    else:
        found.CopyFrom(literal)
        if kind == "scalar" and (uri := _uri(literal)):
            found.hash = _content_of(uri, name, storage)
            _set_uri(found, "")
    return found


def _uri(literal: literals.Literal) -> str:
    """Of a scalar that refers to data, else empty."""
    kind = literal.scalar.WhichOneof("value")
    if kind == "blob":
        return literal.scalar.blob.uri
    return literal.scalar.structured_dataset.uri if kind == "structured_dataset" else ""


def _set_uri(literal: literals.Literal, uri: str) -> None:
    if literal.scalar.WhichOneof("value") == "blob":
        literal.scalar.blob.uri = uri
    else:
        literal.scalar.structured_dataset.uri = uri


def _content_of(uri: str, name: str, storage: StorageRouter) -> str:
    if scheme_of(uri) == LIVE_SCHEME:
        known = storage.live.digest(uri) if storage.live is not None else None
        if known is None:
            raise Uncacheable(
                name, "a value of this type has no content hash. Annotate it: Annotated[T, HashMethod(...)]"
            )
        return known
    if scheme_of(uri) not in ("", "file"):
        raise Uncacheable(
            name, f"{uri} is remote, and reading it all would cost more than it saves. Annotate it with HashMethod"
        )
    path = pathlib.Path(storage.local_path(uri))
    digest = hashlib.sha256()
    try:
        for file in _entries_below(path) if path.is_dir() else [path]:
            if file.is_symlink() and file.is_dir():
                raise Uncacheable(name, f"{file} is a link to a folder, whose content is not looked at")
            if file.is_file():
                # A name need not be text: it is taken as the bytes that the file system has.
                digest.update(os.fsencode(file.relative_to(path)) + f"\0{file.stat().st_size}\0".encode())
                with file.open("rb") as stream:
                    while block := stream.read(_BLOCK):
                        digest.update(block)
    except OSError as exc:
        raise Uncacheable(name, f"{uri} cannot be read: {exc.strerror}") from exc
    return digest.hexdigest()


def _entries_below(folder: pathlib.Path) -> list[pathlib.Path]:
    """Everything in the folder, at any depth, sorted. OSError: a part of it cannot be listed."""

    def fail(error: OSError) -> None:
        raise error

    listed = os.walk(folder, onerror=fail)
    return sorted(pathlib.Path(at, name) for at, folders, files in listed for name in (*folders, *files))


class ResultCache:
    """The files: `<folder>/fledge/v1/<2 hex>/<sha256>.pb`, and beside each a folder of the data it refers to.

    A third file has the parts of the key as text, for people: `fledge cache list`.
    """

    def __init__(self, folder: str | pathlib.Path) -> None:
        self._folder = os.path.join(folder, "fledge", "v1")

    @property
    def folder(self) -> pathlib.Path:
        return pathlib.Path(self._folder)

    def path(self, key: CacheKey) -> pathlib.Path:
        return pathlib.Path(self._path(key))

    def _path(self, key: CacheKey) -> str:
        """As text: a hit spends no time on path objects."""
        return f"{self._folder}{os.sep}{key.digest[:2]}{os.sep}{key.digest}.pb"

    def read(self, key: CacheKey) -> literals.LiteralMap | None:
        """The outputs, or None: never stored, damaged, or a file they refer to is gone or no longer as it was."""
        path = self._path(key)
        try:
            with open(path, "rb", buffering=0) as file:
                data = file.read()
            checksum, body = data[:32], data[32:]
            if hashlib.sha256(body).digest() != checksum:
                _log.warning("%s is damaged and counts as a miss", path)
                return None
            outputs = idl.literals.LiteralMap.FromString(body)
        except FileNotFoundError:
            return None
        except OSError as exc:
            _log.warning("the cache cannot be read: %s", exc)
            return None
        paths = list(_local_paths(outputs))
        if not paths:
            return outputs
        changed = _changed_since(paths, pathlib.Path(path).with_suffix(".data"))
        if changed:
            _log.warning("%s counts as a miss: %s is not as it was written", path, changed)
        return None if changed else outputs

    def write(self, key: CacheKey, outputs: literals.LiteralMap, storage: StorageRouter) -> None:
        """Store outputs; live values are written out and local files copied, so that they last. Never raises."""
        path = self.path(key)
        partial = path.with_name(f".{os.urandom(16).hex()}.partial")
        data_folder = path.parent / f"{key.digest}.data" / os.urandom(16).hex()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            body = idl.deterministic_bytes(_kept(outputs, data_folder, storage))
            if data_folder.exists():
                (data_folder / _WRITTEN).write_text(_listing(data_folder), encoding="utf-8", errors="surrogateescape")
            partial.write_bytes(hashlib.sha256(body).digest() + body)
            told = "".join(f"{part}\t{text}\n" for part, text in key.parts.items())
            path.with_suffix(_PARTS).write_text(told, encoding="utf-8")
            os.replace(partial, path)
        except Exception as exc:  # noqa: BLE001 - a plugin's writer may raise anything; the run itself succeeded
            _log.warning("the result is not cached: %s", exc)
            shutil.rmtree(data_folder, ignore_errors=True)
            try:
                partial.unlink(missing_ok=True)
                if not path.exists():
                    path.with_suffix(_PARTS).unlink(missing_ok=True)
            except OSError:
                _log.debug("no partial file was left at %s", partial)
        else:
            _remove_replaced(path, data_folder)

    @contextmanager
    def locked(self, key: CacheKey) -> Iterator[None]:
        """One caller per key at a time, over all processes (`cache_serialize`). Without a writable folder: no lock."""
        with ExitStack() as held:
            self._lock(key, held)
            yield  # outside of any `except`: what the caller raises gets no context of ours

    def _lock(self, key: CacheKey, held: ExitStack) -> None:
        path = self.path(key).with_suffix(".lock")
        try:
            import fcntl  # noqa: PLC0415 - not on every platform

            path.parent.mkdir(parents=True, exist_ok=True)
            fcntl.flock(held.enter_context(path.open("w", encoding="utf-8")), fcntl.LOCK_EX)
        except (OSError, ImportError) as exc:
            _log.warning("serialized execution is off: %s", exc)

    def entries(self) -> list[tuple[str, int, float]]:
        """(digest, bytes with data, time of the last write in seconds since the epoch), newest first."""
        found = []
        for path in self.folder.glob("*/*.pb"):
            data = path.with_suffix(".data")
            try:
                size = path.stat().st_size + sum(file.stat().st_size for file in data.rglob("*") if file.is_file())
                found.append((path.stem, size, path.stat().st_mtime))
            except FileNotFoundError:
                continue  # another process removed it meanwhile
        return sorted(found, key=lambda entry: -entry[2])

    def task_of(self, digest: str) -> str:
        """The name of the task that an entry belongs to; empty when the entry does not say."""
        try:
            text = (self.folder / digest[:2] / f"{digest}{_PARTS}").read_text(encoding="utf-8")
        except OSError:  # written by an older fledge, or removed meanwhile
            return ""
        return dict(line.split("\t", 1) for line in text.splitlines() if "\t" in line).get("task", "")

    def prune(self, older_than_s: float, now: float, task_name: str | None = None) -> int:
        """Remove entries whose last write is older, of one task or of all; returns how many.

        Locks stay: somebody may hold one.
        """
        removed = 0
        for digest, _, written in self.entries():
            if now - written >= older_than_s and task_name in (None, self.task_of(digest)):
                path = self.folder / digest[:2] / f"{digest}.pb"
                path.unlink(missing_ok=True)
                path.with_suffix(_PARTS).unlink(missing_ok=True)
                shutil.rmtree(path.with_suffix(".data"), ignore_errors=True)
                removed += 1
        return removed


def _listing(folder: pathlib.Path) -> str:
    """Each file with its size in bytes and the time of its last change: a look at every hit, so no content is read."""
    lines = []
    for path in _entries_below(folder):
        if path.name != _WRITTEN and not path.is_dir():
            status = path.stat()
            lines.append(f"{status.st_size} {status.st_mtime_ns} {path.relative_to(folder)}\n")
    return "".join(lines)


def _changed_since(paths: Iterable[str], data: pathlib.Path) -> str:
    """The first of the paths whose folder below `data` is not as it was listed; empty: all are.

    A task that is handed a cached file may write to it: the next one must not get that as the result.
    """
    known: set[str] = set()  # folders that are as they were: the outputs of one call share theirs
    for path in paths:
        try:
            name = pathlib.Path(path).relative_to(data).parts[0]
            if name not in known:
                listed = (data / name / _WRITTEN).read_text(encoding="utf-8", errors="surrogateescape")
                if listed != _listing(data / name):
                    return path
                known.add(name)
            if not os.path.exists(path):
                return path
        except (OSError, ValueError):  # gone, or nowhere below
            return path
    return ""


def _remove_replaced(entry: pathlib.Path, current: pathlib.Path) -> None:
    """What earlier writes left beside the current data, once nobody can be about to read it."""
    try:
        written = entry.stat().st_mtime
        for folder in current.parent.glob("*"):
            if folder != current and written - folder.stat().st_mtime > _STAYS_S:
                shutil.rmtree(folder, ignore_errors=True)
    except FileNotFoundError:
        return  # another process removed it first


def _kept(outputs: literals.LiteralMap, data_folder: pathlib.Path, storage: StorageRouter) -> literals.LiteralMap:
    lasting = storage.with_(raw_prefix=str(data_folder), live=storage.live)
    kept = idl.literals.LiteralMap()
    kept.CopyFrom(materialize(outputs, lasting))
    for literal in _with_uris(kept):
        uri = _uri(literal)
        if scheme_of(uri) in ("", "file") and not uri.startswith(str(data_folder)):
            target = lasting.new_uri(os.path.basename(uri))
            lasting.put(lasting.local_path(uri), target)
            _set_uri(literal, target)
    return kept


def _with_uris(literal_map: literals.LiteralMap) -> Iterator[literals.Literal]:
    """Every literal at any depth that refers to data by URI."""
    return (one for literal in literal_map.literals.values() for one in leaves(literal) if _uri(one))


def _local_paths(outputs: literals.LiteralMap) -> Iterator[str]:
    for literal in _with_uris(outputs):
        uri = _uri(literal)
        if scheme_of(uri) in ("", "file"):
            yield path_of(uri)
