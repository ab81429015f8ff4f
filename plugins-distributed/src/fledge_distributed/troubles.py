"""An exception as plain data, and back: what travels from a rank to the caller when something was raised there.

The exception is rebuilt as the type it was, without calling the user's `__init__`, and only from modules that the
caller has loaded already: a report imports nothing.
"""

from __future__ import annotations

import io
import os
import pickle
import re
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import fledge.errors
from fledge.errors import FledgeError, IgnoreOutputs, NonRecoverableError

__all__ = ["Trouble", "causes", "describe", "ignores_outputs", "rebuild"]

_TRACEBACK_LINES = 30
_OURS = tuple(os.path.dirname(os.path.abspath(path)) + os.sep for path in (__file__, fledge.errors.__file__))
# What a rank says when another one has gone: never the cause while there is another candidate.
_ECHOES = re.compile(
    r"connection (was )?(likely )?(closed|reset|refused|aborted)|broken pipe|socket (is )?closed|end of file"
    r"|remote process exited|heartbeat|peer (has )?(gone|died)|UNAVAILABLE",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Trouble:
    """An exception as plain data. `when` is the machine's monotonic clock, `at` the wall clock, both in seconds."""

    module: str
    name: str
    message: str
    traceback: str
    when: float
    at: float
    notes: tuple[str, ...] = ()
    recoverable: bool = False
    final: bool = False  # NonRecoverableError: no restart can help
    echo: bool = False
    exitcode: int | None = None  # of SystemExit
    arguments: bytes | None = None  # pickled arguments of the constructor; None: they cannot be pickled
    state: Mapping[str, bytes] = field(default_factory=dict)  # attribute -> pickled value
    lost: tuple[str, ...] = ()  # attributes that cannot be pickled

    @property
    def headline(self) -> str:
        """`ValueError: first line of the message`"""
        return f"{self.name}: {self.first_line}"[:200] if self.first_line else self.name

    @property
    def first_line(self) -> str:
        """Of the message; empty when there is none."""
        return next(iter(self.message.strip().splitlines()), "")[:200]


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised from, outermost first."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)


def ignores_outputs(error: BaseException) -> bool:
    """Is it IgnoreOutputs, or raised `from` one?"""
    current: BaseException | None = error
    seen: set[int] = set()
    while current is not None and id(current) not in seen and not isinstance(current, IgnoreOutputs):
        seen.add(id(current))
        current = current.__cause__
    return isinstance(current, IgnoreOutputs)


def describe(error: BaseException) -> Trouble:
    """An exception as plain data; nothing of it is changed."""
    cls = type(error)
    arguments, attributes = _parts(error)
    pickled = {name: _pickled(value) for name, value in attributes.items() if name != "__notes__"}
    chain = list(causes(error))
    return Trouble(
        module=cls.__module__,
        name=cls.__qualname__,
        message=_text(error),
        traceback=_traceback(error),
        when=time.monotonic(),
        at=time.time(),
        notes=tuple(str(note) for note in getattr(error, "__notes__", ())),
        recoverable=isinstance(error, FledgeError) and error.recoverable,
        final=isinstance(error, NonRecoverableError),
        echo=any(isinstance(one, (ConnectionError, EOFError)) or bool(_ECHOES.search(_text(one))) for one in chain),
        exitcode=_exitcode(error) if isinstance(error, SystemExit) else None,
        arguments=_pickled(arguments),
        state={name: value for name, value in pickled.items() if value is not None},
        lost=tuple(name for name, value in pickled.items() if value is None),
    )


def _parts(error: BaseException) -> tuple[tuple[object, ...], dict[str, object]]:
    """Constructor arguments and attributes as the builtin base of the class keeps them (OSError: with the file)."""
    native = _native(type(error))
    reduced = native.__reduce__(error)
    arguments = reduced[1] if isinstance(reduced, tuple) else error.args
    state = reduced[2] if isinstance(reduced, tuple) and len(reduced) > 2 else None
    return tuple(arguments), dict(state or {})


def _native(cls: type[BaseException]) -> type[BaseException]:
    return next(base for base in cls.__mro__ if base.__module__ == "builtins" and issubclass(base, BaseException))


def _exitcode(error: SystemExit) -> int:
    if error.code is None:
        return 0
    return error.code if isinstance(error.code, int) else 1


def _pickled(value: object) -> bytes | None:
    try:
        return pickle.dumps(value, protocol=4)
    except Exception:  # noqa: BLE001 - pickling hooks of a user's class may raise anything; None: it cannot travel
        return None


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as exc:  # noqa: BLE001 - a user's __str__ may raise; the report must still be made
        return f"<unprintable {type(error).__name__}: {type(exc).__name__}>"


def _traceback(error: BaseException) -> str:
    """The user's part of the traceback, in at most 30 lines: no frames of fledge above the user's first one."""
    try:
        lines = "".join(traceback.format_exception(type(error), error, _user_part(error))).splitlines()
    except Exception as exc:  # noqa: BLE001 - formatting calls the user's __str__ and __repr__
        lines = [f"<no traceback: formatting it raised {type(exc).__name__}>"]
    if len(lines) > _TRACEBACK_LINES:
        cut = len(lines) - _TRACEBACK_LINES + 1
        lines = [*lines[:6], f"  ... {cut} lines left out ...", *lines[6 + cut :]]
    return "\n".join(lines)


def _user_part(error: BaseException) -> TracebackType | None:
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_OURS):
        trace = trace.tb_next
    return trace if trace is not None else error.__traceback__


def rebuild(trouble: Trouble) -> tuple[BaseException, list[str]] | None:
    """The exception without calling the user's `__init__`, and the attributes that it lacks.

    None when type or arguments cannot be the same.
    """
    cls = _loaded_class(trouble)
    if cls is None or trouble.arguments is None:
        return None
    try:
        arguments = _unpickle(trouble.arguments)
        error: BaseException = cls.__new__(cls, *arguments)
        _native(cls).__init__(error, *arguments)  # fills what the C classes keep beside args (OSError.errno, ...)
    except Exception:  # noqa: BLE001 - a user's __new__ may raise anything; the caller then gets RankFailed
        return None
    lost = list(trouble.lost)
    for name, value in trouble.state.items():
        try:
            _set(error, name, _unpickle(value))
        except Exception:  # noqa: BLE001 - of a module that is not loaded here (a tensor), or hooks of a user's class
            lost.append(name)
    return error, lost


def _set(error: BaseException, name: str, value: object) -> None:
    """Without calling the user's `__setattr__`. ImportError keeps its name and path beside the dictionary."""
    try:
        object.__setattr__(error, name, value)
    except AttributeError:  # a property of the class, which hides the entry
        error.__dict__[name] = value


def _loaded_class(trouble: Trouble) -> type[BaseException] | None:
    """Only from a module that is loaded here already: an error report imports nothing. No SystemExit and the like."""
    found: object = sys.modules.get(trouble.module)
    for part in trouble.name.split("."):
        found = getattr(found, part, None)
    return found if isinstance(found, type) and issubclass(found, Exception) else None


class _LoadedOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        if module not in sys.modules:
            raise pickle.UnpicklingError(f"module {module} is not loaded")
        return super().find_class(module, name)


def _unpickle(data: bytes) -> Any:  # Any: what the rank has pickled
    return _LoadedOnly(io.BytesIO(data)).load()
