"""PythonFunctionTask: a task whose interface and body are a Python function."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Coroutine
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from fledge.base_task import T
from fledge.cancellation import Cancellation
from fledge.container import PythonAutoContainerTask
from fledge.context import FlyteContext, FlyteContextManager
from fledge.decks import Deck, DeckField, dependencies_deck
from fledge.errors import DefinitionError, DuplicateTaskError, UnsupportedTypeError
from fledge.interface import Interface, UnresolvedAnnotation, interface_of
from fledge.lazy import lazy
from fledge.tracking import full_name

if TYPE_CHECKING:
    import contextvars
    import html
    import linecache
    import threading

    from fledge.abstract_task import Value
else:
    contextvars = lazy("contextvars")
    html = lazy("html")
    linecache = lazy("linecache")
    threading = lazy("threading")

__all__ = ["PythonFunctionTask", "plain_function"]

_defined_in: dict[str, tuple[str, int]] = {}  # task name -> file and first line of its function


class PythonFunctionTask(PythonAutoContainerTask[T]):
    """A task made of a function: `@task` makes one; plugins derive their task types from it.

    Its inputs and outputs come from the annotations, its documentation from the docstring. `task_function` and
    `__wrapped__` are the plain function.

    Args:
        task_config: What the task type's plugin needs to know.
        task_function: Any function but a lambda. To run in a container, a module variable must hold the task.
        task_type: What the backend dispatches on.
        **kwargs: What PythonAutoContainerTask takes.

    Raises:
        DefinitionError: A parameter has no annotation or cannot be given by name.
        UnsupportedTypeError: No transformer knows an annotation.
        DuplicateTaskError: Another file defines a task of this name, or this file a second one.
    """

    def __init__(
        self,
        task_config: T | None,
        task_function: Callable[..., Value],
        task_type: str = "python-task",
        **kwargs: Any,  # Any: passed on
    ) -> None:
        task_function = plain_function(task_function)
        name = full_name(task_function)
        self._task_function = task_function
        self._lazy_interface: Interface | None = None
        functools.update_wrapper(self, task_function, updated=())
        super().__init__(name, task_config, task_type, **kwargs)
        self._try_interface()
        _refuse_duplicate(name, task_function)

    @property
    def task_function(self) -> Callable[..., Value]:
        return self._task_function

    @property
    def python_interface(self) -> Interface:
        """The function's interface. Annotations that could not be resolved at definition are resolved here.

        Raises:
            DefinitionError: A name in an annotation still does not exist.
        """
        if self._lazy_interface is None:
            try:
                self._resolve_interface()
            except UnresolvedAnnotation as exc:
                raise DefinitionError(f"{exc}. Define or import it before the first call") from exc
        assert self._lazy_interface is not None
        return self._lazy_interface

    def _try_interface(self) -> None:
        try:
            self._resolve_interface()
        except UnresolvedAnnotation:
            return  # a forward reference: it is resolved at the first call or serialization

    def _resolve_interface(self) -> None:
        interface = interface_of(self._task_function, self.name)
        ctx = FlyteContextManager.current_context()
        if not _is_supported(interface, ctx, self.name):
            ctx.plugins.load()  # a plugin may bring the type
            interface.check(ctx.registry, self.name)
        self._metadata.check_inputs(self.name, interface.inputs)
        self._lazy_interface = interface

    def execute(self, /, **kwargs: Value) -> Value:
        """Call the function with the inputs by name; a coroutine is run to its end."""
        result = self._task_function(**kwargs)
        return _finish(result) if isinstance(result, CoroutineType) else result

    def _opening_decks(self) -> list[Deck]:
        decks = []
        if DeckField.SOURCE_CODE in self._deck_fields:
            decks.append(Deck(DeckField.SOURCE_CODE.value, _source_html(self._task_function)))
        if DeckField.DEPENDENCIES in self._deck_fields:
            decks.append(dependencies_deck())
        return decks


def plain_function(given: Callable[..., Value], decorator: str = "@task") -> Callable[..., Value]:
    """What stands under a decorator, as a function. DefinitionError for what has no name or is no function."""
    function: Callable[..., Value] = given.__func__ if isinstance(given, classmethod) else given
    if not callable(function) or isinstance(function, type) or not hasattr(function, "__qualname__"):
        raise DefinitionError(f"{decorator} needs a function, got {given!r}. Write a function with def")
    if function.__name__ == "<lambda>":
        raise DefinitionError("a lambda has no name by which a container could find it. Write a function with def")
    return function


def _is_supported(interface: Interface, ctx: FlyteContext, task_name: str) -> bool:
    try:
        interface.check(ctx.registry, task_name)
    except UnsupportedTypeError:
        return False
    return True


def _refuse_duplicate(name: str, function: Callable[..., Value]) -> None:
    """Making a task again is fine (a reload, a cell, a factory); two files or two functions with one name are not."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return
    file: str = code.co_filename
    line: int = code.co_firstlineno
    first, first_line = _defined_in.setdefault(name, (file, line))
    if (first, first_line) == (file, line):
        return
    if os.path.isfile(first) and os.path.isfile(file):  # not a shell or a cell, whatever their code is called
        if first != file:
            raise DuplicateTaskError(name, first, file)
        if "<locals>" not in function.__qualname__ and _is_still_there(code.co_name, file, first_line, line):
            raise DuplicateTaskError(name, f"{file}:{first_line}", f"{file}:{line}")
    _defined_in[name] = (file, line)


def _is_still_there(name: str, file: str, line: int, other: int) -> bool:
    """Does the file, as it is now, define the name at both lines? After an edit and a reload it does not."""
    linecache.checkcache(file)
    lines = linecache.getlines(file)
    at, other_at = _def_after(lines, line), _def_after(lines, other)
    return at != other_at and f" {name}(" in "".join(lines[at : at + 1])


def _def_after(lines: list[str], line: int) -> int:
    """Index of the first `def` from a line on, with its decorators above it; past the end when there is none."""
    return next((at for at in range(line - 1, len(lines)) if "def" in lines[at].split()), len(lines))


def _finish(coroutine: Coroutine[Any, Any, Value]) -> Value:  # Any: a coroutine's send type is of no interest
    """Run a coroutine to its end, also when this thread already runs an event loop: then in a thread of its own.

    An interrupt of this thread cancels the coroutine, and the thread ends with it.
    """
    import asyncio  # noqa: PLC0415 - only coroutines need it, and it costs more than the rest of this file

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    context = contextvars.copy_context()
    scope = Cancellation(parent=FlyteContextManager.current_context().cancellation)
    # A bare lock is waited for: an interrupt at the wrong moment would leave that of a Future or an Event taken for
    # ever, and makes `Thread.join` believe that the thread has ended (as of Python 3.11).
    ended = threading.Lock()
    ended.acquire()
    values: list[Value] = []
    errors: list[BaseException] = []

    async def body() -> Value:
        loop, running = asyncio.get_running_loop(), asyncio.ensure_future(coroutine)

        def stop() -> None:
            loop.call_soon_threadsafe(running.cancel)

        forget = scope.on_cancel(stop)
        try:
            return await running
        finally:
            forget()

    def run() -> None:
        try:
            values.append(context.run(asyncio.run, body()))
        except BaseException as exc:  # noqa: BLE001 - handed to the calling thread
            errors.append(exc)
        finally:
            ended.release()

    thread = threading.Thread(target=run, name="fledge-coroutine", daemon=True)
    try:
        thread.start()
        ended.acquire()
    finally:
        scope.cancel()
        if thread.ident is not None:
            if not values and not errors:
                ended.acquire()
            thread.join()
    if errors:
        raise errors.pop()  # out of the list: its traceback holds this frame
    return values[0]


def _source_html(function: Callable[..., Value]) -> str:
    try:
        return f"<pre>{html.escape(inspect.getsource(function))}</pre>"
    except (OSError, TypeError):
        return "<p>The source is not available.</p>"
