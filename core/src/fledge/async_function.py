"""A task made of an `async def` function.

Called where no event loop runs, it gives its value; called where one runs (in a coroutine, in a notebook), it gives an
awaitable. The run takes the one path of all tasks, in a thread of its own, and the body runs in the caller's loop: many
calls are awaited together, and objects that belong to the loop work.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import TYPE_CHECKING

from fledge.base_task import T
from fledge.cancellation import Cancellation
from fledge.context import ExecutionState, FlyteContextManager
from fledge.function import PythonFunctionTask

if TYPE_CHECKING:
    from fledge.abstract_task import Value

__all__ = ["AsyncPythonFunctionTask"]

# The loop whose coroutine awaits the call, seen by `execute` in the call's thread.
_home: contextvars.ContextVar[asyncio.AbstractEventLoop | None] = contextvars.ContextVar(
    "fledge_home_loop", default=None
)


class AsyncPythonFunctionTask(PythonFunctionTask[T]):
    """`@task` on an `async def`; everything else as PythonFunctionTask."""

    def __call__(self, /, *args: Value, **kwargs: Value) -> Value:
        """The value, or an awaitable of it where an event loop runs; a promise while a workflow is compiled."""
        ctx = FlyteContextManager.current_context()
        in_workflow = ctx.execution_state.mode is ExecutionState.Mode.LOCAL_WORKFLOW_EXECUTION
        if ctx.compilation_state is not None or in_workflow:
            return super().__call__(*args, **kwargs)
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return super().__call__(*args, **kwargs)
        self.python_interface.bind(self.name, args, dict(kwargs))  # a wrong call is refused here, not when awaited
        return self._await_run(args, kwargs)

    async def _await_run(self, args: tuple[Value, ...], kwargs: dict[str, Value]) -> Value:
        """Run in a thread and await its end, which comes soon when the awaiting code is cancelled: the body is, too.

        The loop is the one that awaits: a sync task may return what it did not await.
        """
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[Value] = loop.create_future()
        context = contextvars.copy_context()
        ctx = FlyteContextManager.current_context()
        scope = Cancellation(parent=ctx.cancellation)

        def run() -> None:
            _home.set(loop)
            try:
                with FlyteContextManager.with_context(ctx.with_(cancellation=scope)):
                    settle, value = outcome.set_result, super(AsyncPythonFunctionTask, self).__call__(*args, **kwargs)
            except BaseException as exc:  # noqa: BLE001 - handed to whoever awaits
                settle, value = outcome.set_exception, _awaitable(exc)
            loop.call_soon_threadsafe(settle, value)

        threading.Thread(target=context.run, args=(run,), name=f"fledge-{self.name}", daemon=True).start()
        try:
            return await asyncio.shield(outcome)
        except asyncio.CancelledError:
            scope.cancel()
            outcome.add_done_callback(asyncio.Future.exception)  # somebody has looked at it
            await asyncio.wait([outcome])
            raise

    def execute(self, /, **kwargs: Value) -> Value:
        """Run the coroutine to its end: in the loop that awaits the call, or in one of its own."""
        loop = _home.get()
        if loop is None:
            return super().execute(**kwargs)
        # The callback is scheduled with this thread's context, so the body sees the run it belongs to.
        body = asyncio.run_coroutine_threadsafe(_without_home(self._task_function(**kwargs)), loop)

        def stop() -> None:
            body.cancel()

        forget = FlyteContextManager.current_context().on_cancel(stop)
        try:
            return body.result()
        finally:
            forget()


def _awaitable(error: BaseException) -> BaseException:
    """StopIteration would end whoever awaits, and no future takes it: Python makes a RuntimeError of it, too."""
    if not isinstance(error, StopIteration):
        return error
    made = RuntimeError(f"an awaited task raised {error!r}")
    made.__cause__ = error
    return made


async def _without_home(coroutine: Value) -> Value:
    """The body's own calls start anew: they find their loop by themselves."""
    _home.set(None)
    return await coroutine
