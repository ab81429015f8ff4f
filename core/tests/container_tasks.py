"""Tasks for the tests of the container's command; imported by name, here and in fresh processes."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import threading
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, NamedTuple

from fledge import (
    DeckField,
    ExecutionParameters,
    FlyteContextManager,
    IgnoreOutputs,
    Interface,
    NonRecoverableError,
    PythonTask,
    RecoverableError,
    Task,
    current_context,
    idl,
    kwtypes,
    task,
)
from fledge.decks import Deck
from fledge.resolver import ClassBasedResolver, DefaultTaskResolver


@task
def add(a: int, b: int = 1) -> int:
    return a + b


@task
def nothing(a: int) -> None:
    return None


class Pair(NamedTuple):
    first: str
    second: list[int]


@task
def pair(a: int) -> Pair:
    return Pair("x" * a, list(range(a)))


@task
def big(size: int) -> str:
    return "x" * size


@task
def identity() -> list[str]:
    context = current_context()
    return [
        context.execution_id,
        context.task_id,
        context.raw_output_prefix or "",
        context.output_metadata_prefix or "",
        str(FlyteContextManager.current_context().execution_state.mode),
    ]


# -- errors ------------------------------------------------------------------------------------------------------------


@task
def foreign(a: int) -> int:
    raise KeyError("lost", a)


class FlakyError(RecoverableError):
    pass


@task
def recoverable(a: int) -> int:
    raise FlakyError("the service did not answer")


@task
def non_recoverable(a: int) -> int:
    raise NonRecoverableError("give up")


@task
def exits(a: int) -> int:
    sys.exit(a)


@task
def wrong_type(a: int) -> int:
    return str(a)  # type: ignore[return-value] # the mistake under test


class NeedsArgumentsError(Exception):
    def __init__(self, code: int, detail: threading.Lock) -> None:
        super().__init__(f"code {code}")
        self.code, self.detail = code, detail  # a lock cannot be pickled


@task
def needs_arguments(a: int) -> int:
    raise NeedsArgumentsError(a, threading.Lock())


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


@task
def unprintable(a: int) -> int:
    raise UnprintableError


@dataclass(frozen=True)
class FrozenError(Exception):
    code: int


@task
def frozen(a: int) -> int:
    raise FrozenError(a)


@task
def not_text(a: int) -> int:
    raise ValueError(os.fsdecode(b"caf\xe9"))


class DatedError(Exception):
    timestamp = datetime(2024, 1, 2, 3, 4, 5, 678000, tzinfo=timezone.utc)


@task
def dated(a: int) -> int:
    raise DatedError("then")


@task
def chained(a: int) -> int:
    try:
        return 1 // (a - a)
    except ZeroDivisionError as exc:
        raise ValueError("the outer one") from exc


@task
def nested(a: int) -> int:
    return foreign(a=a)


# -- IgnoreOutputs -----------------------------------------------------------------------------------------------------


class NotMineError(IgnoreOutputs):
    pass


@task
def ignore(a: int) -> int:
    raise NotMineError("not the leader")


@task
def ignore_as_cause(a: int) -> int:
    try:
        raise IgnoreOutputs
    except IgnoreOutputs as exc:
        try:
            raise RuntimeError("a wrapper") from exc
        except RuntimeError as wrapper:
            raise ValueError("a second wrapper") from wrapper


@task
def ignore_as_context_only(a: int) -> int:
    """An error while handling the signal is an error."""
    try:
        raise IgnoreOutputs
    except IgnoreOutputs:
        raise ValueError("a mistake while handling it")  # noqa: B904 - the point of it


@task
def ignore_nested(a: int) -> int:
    return ignore(a=a)


@task
def circular_cause(a: int) -> int:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    raise first


@task(enable_deck=True)
def ignore_with_deck(a: int) -> int:
    raise IgnoreOutputs


class Hooked(PythonTask[None]):
    """A task whose steps do what the test asks for."""

    def __init__(self, name: str, failing: str, error: BaseException) -> None:
        super().__init__("hooked", name, interface=Interface(kwtypes(a=int), kwtypes(o0=int)), enable_deck=True)
        self.failing, self.error = failing, error

    def _maybe(self, step: str) -> None:
        if step == self.failing:
            raise self.error

    def pre_execute(self, user_params: ExecutionParameters | None) -> ExecutionParameters | None:
        self._maybe("pre_execute")
        return user_params

    def execute(self, **kwargs: Any) -> int:  # Any: as the API declares it
        self._maybe("execute")
        return int(kwargs["a"])

    def post_execute(self, user_params: ExecutionParameters | None, rval: Any) -> Any:  # Any: as the API declares it
        self._maybe("post_execute")
        return rval


ignore_in_pre = Hooked("ignore_in_pre", "pre_execute", IgnoreOutputs())
ignore_in_post = Hooked("ignore_in_post", "post_execute", IgnoreOutputs())
fails_in_pre = Hooked("fails_in_pre", "pre_execute", OSError("no session"))
fails_in_post = Hooked("fails_in_post", "post_execute", OSError("no session"))


# -- decks -------------------------------------------------------------------------------------------------------------


@task(enable_deck=True, deck_fields=(DeckField.INPUT, DeckField.OUTPUT, DeckField.SOURCE_CODE, DeckField.TIMELINE))
def with_deck(a: int) -> str:
    current_context().decks.append(Deck("Mine", "<p>made by me</p>"))
    return f"<b>{a}</b>"


@task(enable_deck=True)
def deck_then_fails(a: int) -> int:
    current_context().decks.append(Deck("Mine", "<p>so far</p>"))
    raise ValueError("after the deck")


@task
def deck_switched_off(a: int) -> int:
    current_context().decks.append(Deck("Mine", "<p>nobody asked</p>"))
    return a


class NewParameters(PythonTask[None]):
    """Its pre_execute hands in parameters made from nothing, with an attribute and a deck of their own."""

    def __init__(self, name: str) -> None:
        super().__init__("hooked", name, interface=Interface(kwtypes(a=int), kwtypes(o0=str)), enable_deck=True)

    def pre_execute(self, user_params: ExecutionParameters | None) -> ExecutionParameters:
        made = ExecutionParameters(attributes={"session": "open"})
        made.decks.append(Deck("Hook", "<p>from the hook</p>"))
        return made

    def execute(self, **kwargs: Any) -> str:  # Any: as the API declares it
        current_context().decks.append(Deck("Task", "<p>from the task</p>"))
        return str(current_context().get("session"))


new_parameters = NewParameters("new_parameters")


# -- other results, other resolvers ------------------------------------------------------------------------------------


class Raw(PythonTask[None]):
    """A task that gives whatever it was made with."""

    def __init__(self, name: str, result: Any) -> None:  # Any: the result under test
        super().__init__("raw", name, interface=Interface(None, kwtypes(o0=int)))
        self.result = result

    def dispatch_execute(self, ctx: Any, input_literal_map: Any) -> Any:  # Any: what no task should give
        return self.result


dynamic = Raw("dynamic", idl.dynamic_job.DynamicJobSpec(min_successes=3))
unknown_output = Raw("unknown_output", ["not", "a", "map"])

by_position = ClassBasedResolver()
by_position.add(add)


class Broken(DefaultTaskResolver):
    def load_task(self, loader_args: list[str]) -> Task:
        raise LookupError(f"no entry for {loader_args}")


broken_resolver = Broken()
not_a_resolver = "just text"


@task
def checkpoints(a: int) -> int:
    """Counts its attempts."""
    checkpoint = current_context().checkpoint
    before = int(checkpoint.read() or b"0")
    checkpoint.write(str(before + a).encode())
    return before + a


# -- signals -----------------------------------------------------------------------------------------------------------


ENDLESS = "with recursive n(x) as (select 1 union all select x + 1 from n) select count(*) from n"


@task
def terminated(a: int) -> int:
    """Told to stop in the middle, in a loop that survives every Exception."""
    while True:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        except Exception as exc:  # noqa: BLE001 - the habit under test
            print("swallowed", exc)


@task
def told_before_stop(path: str) -> int:
    def note() -> None:
        with open(path, "w") as file:
            file.write("called")

    FlyteContextManager.current_context().on_cancel(note)
    os.kill(os.getpid(), signal.SIGTERM)
    signal.pause()
    return 0


@task
def told_in_native_code(a: int) -> int:
    """SQLite neither runs Python's signal handlers nor ends by itself; its `interrupt` works from another thread."""
    with closing(sqlite3.connect(":memory:", check_same_thread=False)) as connection:
        forget = FlyteContextManager.current_context().on_cancel(connection.interrupt)
        try:
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()
            return int(connection.execute(ENDLESS).fetchone()[0])
        finally:
            forget()


@task
def ignores_when_told(a: int) -> int:
    """A task whose way of ending at SIGTERM is to have no outputs."""
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
    except BaseException as exc:
        raise IgnoreOutputs from exc
    return a


@task
def limited_files(size: int) -> str:
    """Fills the disk: from here on no file may be longer than 100,000 bytes."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    return "x" * size


@task
def read_only(folder: str) -> int:
    """Nothing can be written to the folder from now on: it has become a file."""
    os.rmdir(folder)
    with open(folder, "w"):
        pass
    return 1
