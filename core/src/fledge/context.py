"""What a running task may reach: storage, types, plugins, settings and the parameters a user sees.

A `FlyteContext` is frozen; `with_(...)` gives a changed copy and `FlyteContextManager.with_context(copy)` makes it the
current one until the `with` ends. A ContextVar holds the current one, so threads and asyncio tasks never see each
other's. Nothing is built until somebody asks for a context.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from datetime import datetime, timezone
from enum import Enum
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from fledge.cancellation import Cancellation
from fledge.errors import FledgeError
from fledge.lazy import lazy, lazy_logger

if TYPE_CHECKING:
    import pathlib
    import shutil
    import tempfile
    from logging import Logger

    from fledge import checkpoint as checkpoints
    from fledge import storage as storages
    from fledge.checkpoint import AttemptCheckpoints, Checkpoint
    from fledge.decks import Deck
    from fledge.events import TaskEvent
    from fledge.local_config import LocalConfig
    from fledge.nodes import CompilationState
    from fledge.settings import SerializationSettings
    from fledge.storage import LiveStore, StorageRouter
    from fledge.types.base import TypeRegistry
else:
    checkpoints = lazy("fledge.checkpoint")
    storages = lazy("fledge.storage")
    pathlib = lazy("pathlib")
    shutil = lazy("shutil")
    tempfile = lazy("tempfile")

__all__ = [
    "ExecutionParameters",
    "ExecutionState",
    "FlyteContext",
    "FlyteContextManager",
    "Plugins",
    "Scratch",
    "Secrets",
    "current_context",
    "enter_context",
    "leave_context",
]

C = TypeVar("C", bound="_Copyable")
_DEFAULT_CONTEXT = "fledge.wiring"  # the composition root; named, not imported: it stands above this layer


class Plugins(Protocol):
    """What tasks need of the plugin manager (fledge.hooks.manager), which stands above them in the layers."""

    @property
    def has_observers(self) -> bool:
        """Does any plugin implement `task_event`? Asked on the hot path."""
        ...

    def load(self) -> None:
        """Import and register every plugin; does nothing the second time."""
        ...

    def task_class(self, config_type: type) -> type | None:
        """The task class that a plugin registered for a config type. ClaimConflictError for two claims."""
        ...

    def notify(self, event: TaskEvent) -> None:
        """Hand an event to every plugin; never raises."""
        ...

    def render(self, value: object, python_type: type) -> str | None:
        """HTML for a value from the first plugin, by name, that knows it."""
        ...


class _Copyable:
    """Frozen after `__init__`; `with_` copies with changes and counts copies in `level`, where there is one.

    Fields live in `__dict__`: that copies in one step.
    """

    def with_(self: C, **changes: Any) -> C:  # noqa: PYI019 - Self is in typing from 3.11 on # Any: a type per field
        """A copy with these fields changed. TypeError for a name that is no field."""
        copy = object.__new__(type(self))
        fields = copy.__dict__
        fields.update(self.__dict__)
        count = len(fields)
        fields.update(changes)
        if len(fields) != count:
            unknown = ", ".join(sorted(changes.keys() - self.__dict__.keys()))
            raise TypeError(f"{type(self).__name__} has no field {unknown}")
        if "level" in fields:  # here, as a FlyteContext.with_ of its own would cost as much again
            fields["level"] += 1
        return copy

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: use with_({name}=...) and enter the copy")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot be deleted")


class Scratch:
    """A folder of one run: made on first access, removed with the run.

    Attributes:
        folder: The folder if anybody asked for it.
    """

    folder: str | None = None

    @property
    def path(self) -> str:
        if self.folder is None:
            self.folder = tempfile.mkdtemp(prefix="fledge-run-")
        return self.folder

    def made(self) -> str | None:
        """The folder if anybody asked for it, as a function to hand on."""
        return self.folder

    def remove(self) -> None:
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = None


class Secrets:
    """Secrets by group and key: environment first (`_FSEC_<GROUP>_<KEY>`), then files below /etc/secrets.

    Locally the environment variable may go without the prefix. Values are never logged.
    """

    __slots__ = ("_folder", "_prefixes")

    def __init__(self, *, local: bool, folder: str = "/etc/secrets") -> None:
        self._prefixes = ("_FSEC_", "") if local else ("_FSEC_",)
        self._folder = folder

    def get(self, group: str | None = None, key: str | None = None, group_version: str | None = None) -> str:
        """The secret's text. KeyError-like FledgeError that names the variables and the file looked for."""
        parts = [part for part in (group, group_version, key) if part]
        if not parts:
            raise FledgeError("secrets.get(): name a group, a key or both")
        names = [prefix + "_".join(parts).upper() for prefix in self._prefixes]
        for name in names:
            if name in os.environ:
                return os.environ[name]
        path = pathlib.Path(self._folder, *(part.lower() for part in parts))
        if path.is_file():
            return path.read_text().strip()
        raise FledgeError(
            f"secret {'/'.join(parts)} not found: looked for environment {' or '.join(names)} and file {path}"
        )


_LOCAL_SECRETS = Secrets(local=True)
_task_log = lazy_logger("fledge.task")


class ExecutionParameters(_Copyable):
    """What user code sees as the current context: ids, folders, logger, secrets and attributes a task type added.

    `working_directory` is made on first access and removed with the run. Attribute names count in upper case.
    """

    execution_date: datetime
    execution_id: str
    task_id: str
    logging: Logger
    raw_output_prefix: str | None
    output_metadata_prefix: str | None
    decks: list[Deck]
    enable_deck: bool
    secrets: Secrets
    stats: Any  # Any: a metrics client of the user's choice; None in local runs
    _attributes: Mapping[str, object]
    _attempts: AttemptCheckpoints | None
    _checkpoint: Checkpoint | None
    _is_local: bool
    _scratch: Scratch

    def __init__(
        self,
        scratch: Scratch | None = None,
        execution_id: str = "local:local:local",
        task_id: str = "local",
        raw_output_prefix: str | None = None,
        output_metadata_prefix: str | None = None,
        checkpoint: Checkpoint | None = None,
        enable_deck: bool = False,
        local: bool = True,
        attributes: Mapping[str, object] | None = None,
    ) -> None:
        fields = self.__dict__
        fields["execution_date"] = datetime.now(timezone.utc)
        fields["execution_id"], fields["task_id"] = execution_id, task_id
        fields["logging"], fields["stats"] = _task_log, None
        fields["raw_output_prefix"], fields["output_metadata_prefix"] = raw_output_prefix, output_metadata_prefix
        fields["decks"], fields["enable_deck"] = [], enable_deck
        fields["secrets"] = _LOCAL_SECRETS if local else Secrets(local=False)
        fields["_checkpoint"], fields["_is_local"], fields["_scratch"] = checkpoint, local, scratch or Scratch()
        fields["_attempts"] = None
        fields["_attributes"] = {name.upper(): value for name, value in attributes.items()} if attributes else {}

    @property
    def working_directory(self) -> str:
        return self._scratch.path

    @property
    def checkpoint(self) -> Checkpoint:
        """What this attempt saves and the previous one saved. In a local run it lasts as long as the call.

        Raises:
            NotImplementedError: The platform named no place for checkpoints.
        """
        if self._checkpoint is not None:
            return self._checkpoint
        if not self._is_local:
            raise NotImplementedError("no checkpoint path was given to this container")
        scratch = self._scratch
        attempts = self._attempts or checkpoints.AttemptCheckpoints(
            lambda: os.path.join(scratch.path, "__cp"), storages.LocalStorage()
        )
        return attempts.current(lambda: scratch.path)

    @staticmethod
    def of_local_run(task_id: str, scratch: Scratch) -> ExecutionParameters:
        """As the constructor makes them for a task that runs here: one for each call, so in one step."""
        made = object.__new__(ExecutionParameters)
        fields = made.__dict__
        fields.update(_OF_LOCAL_RUN)
        fields["execution_date"], fields["task_id"] = datetime.now(timezone.utc), task_id
        fields["decks"], fields["_scratch"] = [], scratch
        return made

    def with_attribute(self, name: str, value: object) -> ExecutionParameters:
        """A copy that also has this attribute; what a task type's `pre_execute` returns."""
        return self.with_(_attributes={**self._attributes, name.upper(): value})

    def has_attr(self, name: str) -> bool:
        return name.upper() in self._attributes

    def get(self, name: str) -> object:
        """The attribute. AttributeError when the task type did not set it."""
        return getattr(self, name.upper())

    def __getattr__(self, name: str) -> Any:  # Any: attributes are the task type's own objects
        attributes = object.__getattribute__(self, "_attributes")
        if name.upper() in attributes:
            return attributes[name.upper()]
        known = ", ".join(sorted(attributes)) or "none"
        raise AttributeError(
            f"the current context has no {name!r} (the task type set: {known}). Is it the right task type?"
        )


_OF_LOCAL_RUN = dict(ExecutionParameters().__dict__)


class ExecutionState(_Copyable):
    """In which kind of run we are. Mode None: no run, code is being imported or registered."""

    class Mode(Enum):
        """What runs; the numbers are those of the base-task API."""

        TASK_EXECUTION = 1
        LOCAL_WORKFLOW_EXECUTION = 2
        LOCAL_TASK_EXECUTION = 3
        DYNAMIC_TASK_EXECUTION = 4
        EAGER_EXECUTION = 5
        EAGER_LOCAL_EXECUTION = 6
        LOCAL_DYNAMIC_TASK_EXECUTION = 7

    mode: ExecutionState.Mode | None
    user_space_params: ExecutionParameters | None
    working_dir: str | None
    branch_skipped: bool
    _LOCAL: ClassVar[frozenset[int]] = frozenset((2, 3, 6, 7))

    def __init__(
        self,
        mode: ExecutionState.Mode | None = None,
        user_space_params: ExecutionParameters | None = None,
        working_dir: str | None = None,
        branch_skipped: bool = False,
    ) -> None:
        fields = self.__dict__
        fields["mode"], fields["user_space_params"] = mode, user_space_params
        fields["working_dir"], fields["branch_skipped"] = working_dir, branch_skipped

    def is_local_execution(self) -> bool:
        return self.mode is not None and self.mode.value in self._LOCAL


class FlyteContext(_Copyable):
    """The frozen bag that a run hands down. `level` counts how many copies deep it is."""

    plugins: Plugins
    registry: TypeRegistry
    storage: StorageRouter
    execution_state: ExecutionState
    compilation_state: CompilationState | None
    serialization_settings: SerializationSettings | None
    config: LocalConfig | None  # None: read from the environment when it is needed
    cancellation: Cancellation
    retries_left: int  # of the attempt that runs: whether its failure is the last word
    attempts: AttemptCheckpoints | None  # of the call whose attempt is about to run
    rank: int
    level: int

    def __init__(
        self,
        plugins: Plugins,
        registry: TypeRegistry,
        storage: StorageRouter,
        execution_state: ExecutionState | None = None,
        serialization_settings: SerializationSettings | None = None,
        config: LocalConfig | None = None,
        rank: int = 0,
    ) -> None:
        self.__dict__.update(
            plugins=plugins,
            registry=registry,
            storage=storage,
            execution_state=execution_state or ExecutionState(),
            compilation_state=None,
            serialization_settings=serialization_settings,
            config=config,
            cancellation=Cancellation(),
            retries_left=0,
            attempts=None,
            rank=rank,
            level=0,
        )

    def for_run(self, execution_state: ExecutionState, storage: StorageRouter, retries_left: int) -> FlyteContext:
        """`with_` of what each local run changes, without looking at names: the hot path."""
        copy = object.__new__(FlyteContext)
        fields = copy.__dict__
        fields.update(self.__dict__)
        fields["execution_state"], fields["storage"], fields["retries_left"] = execution_state, storage, retries_left
        fields["attempts"] = None
        fields["level"] += 1
        return copy

    @property
    def user_space_params(self) -> ExecutionParameters | None:
        return self.execution_state.user_space_params

    @property
    def file_access(self) -> StorageRouter:
        return self.storage

    @property
    def live(self) -> LiveStore | None:
        """Values that live only in this run; None outside a local run."""
        return self.storage.live

    @property
    def deadline(self) -> float | None:
        """`time.monotonic()` seconds at which the run is cut off; None: no limit."""
        return self.cancellation.deadline

    def on_cancel(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back once when the run is cut short; returns the way to take it back."""
        return self.cancellation.on_cancel(callback)


_current: ContextVar[FlyteContext] = ContextVar("fledge_context")
enter_context, leave_context = _current.set, _current.reset  # a `with` without its objects: the hot path
_default: FlyteContext | None = None
_default_lock = threading.Lock()


class _Entered:
    """`with` support: the context is current inside, the previous one afterwards, whatever was raised."""

    __slots__ = ("_context", "_token")

    def __init__(self, context: FlyteContext) -> None:
        self._context = context
        self._token: Token[FlyteContext] | None = None

    def __enter__(self) -> FlyteContext:
        self._token = _current.set(self._context)
        return self._context

    def __exit__(self, *_: object) -> None:
        assert self._token is not None
        _current.reset(self._token)


class FlyteContextManager:
    """Reads and enters contexts. It holds no state of its own."""

    @staticmethod
    def current_context() -> FlyteContext:
        """The innermost entered context, else the process's default, built on first use."""
        return _current.get(None) or _default or _default_context()

    @staticmethod
    def with_context(context: FlyteContext) -> _Entered:
        """`with FlyteContextManager.with_context(ctx.with_(...)) as ctx:`"""
        return _Entered(context)

    @staticmethod
    def entered() -> bool:
        """Is any context entered here, in this thread or asyncio task?"""
        return _current.get(None) is not None


def _default_context() -> FlyteContext:
    global _default  # noqa: PLW0603 - the process's one context, made under a lock
    if _default is None:
        with _default_lock:
            if _default is None:
                _default = import_module(_DEFAULT_CONTEXT).default_context()
    assert _default is not None
    return _default


def current_context() -> ExecutionParameters:
    """What the running task may use: working directory, secrets, logger, attributes. Outside a task: local defaults."""
    params = FlyteContextManager.current_context().user_space_params
    return params if params is not None else ExecutionParameters()
