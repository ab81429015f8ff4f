"""async def tasks: values from plain code, awaitables where a loop runs, contexts that never mix."""

# mypy: disable-error-code="comparison-overlap, call-arg, operator, return-value, unused-coroutine"
# To a type checker an async task always gives an awaitable; plain code gets the value.

from __future__ import annotations

import asyncio
import sys
import threading
from pathlib import Path

import pytest

from core.tests.support import fresh_process
from fledge import current_context, task, workflow
from fledge.async_function import AsyncPythonFunctionTask
from fledge.errors import CallError, TaskTimeoutError


@task
async def add(a: int, b: int = 1) -> int:
    await asyncio.sleep(0)
    return a + b


@task
async def gathers(a: int) -> int:
    return sum(await asyncio.gather(*(add(a=a, b=n) for n in range(3)))) + await add(a=a)


@task
def calls_an_async_task(a: int) -> int:
    return add(a=a) * 2


@workflow
def chain(a: int) -> int:
    return add(a=calls_an_async_task(a=a))


def test_plain_code_gets_the_value() -> None:
    assert add(a=1) == 2
    assert gathers(a=1) == 8
    assert calls_an_async_task(a=1) == 4


@task
def returns_what_it_did_not_await(a: int) -> int:
    return add(a=a)


def test_a_sync_task_may_return_what_it_did_not_await_also_in_a_coroutine() -> None:
    async def main() -> int:
        return returns_what_it_did_not_await(a=1)

    assert asyncio.run(main()) == returns_what_it_did_not_await(a=1) == 2


def test_a_workflow_gets_the_value() -> None:
    assert chain(a=1) == 5


def test_a_coroutine_awaits_the_value() -> None:
    async def main() -> list[int]:
        return [await add(a=1), await gathers(a=1), *await asyncio.gather(*(add(a=n) for n in range(20)))]

    assert asyncio.run(main()) == [2, 8, *range(1, 21)]


def test_the_body_runs_in_the_callers_loop() -> None:
    loops: list[object] = []

    @task
    async def where() -> None:
        loops.append(asyncio.get_running_loop())

    async def main() -> object:
        await where()
        return asyncio.get_running_loop()

    assert asyncio.run(main()) is loops[0]


def test_a_wrong_call_is_refused_before_it_is_awaited() -> None:
    async def main() -> None:
        with pytest.raises(CallError, match="missing input a"):
            add()

    asyncio.run(main())


def test_the_users_exception_reaches_the_awaiting_code_as_itself() -> None:
    error = ValueError("mine")

    @task
    async def fails() -> None:
        raise error

    async def main() -> None:
        with pytest.raises(ValueError, match="mine") as caught:
            await fails()
        assert caught.value is error

    asyncio.run(main())


def test_awaiting_a_task_that_raises_stop_iteration_comes_to_an_end() -> None:
    class Stops(AsyncPythonFunctionTask[None]):
        def post_execute(self, user_params: object, rval: object) -> object:
            raise StopIteration(rval)

    async def one() -> int:
        return 1

    async def main() -> None:
        with pytest.raises(RuntimeError, match=r"an awaited task raised StopIteration\(1\)") as caught:
            await Stops(None, one)()
        assert isinstance(caught.value.__cause__, StopIteration)

    asyncio.run(main())


@pytest.mark.parametrize("in_loop", [True, False])
def test_a_timeout_ends_a_body_that_awaits_for_ever(in_loop: bool) -> None:
    cancelled = threading.Event()

    @task(timeout=1)
    async def stuck() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async def main() -> None:
        await stuck()

    with pytest.raises(TaskTimeoutError):
        asyncio.run(main()) if in_loop else stuck()
    assert cancelled.wait(30)


@pytest.mark.parametrize("retries", [0, 2])
def test_cancelling_the_awaiting_code_ends_the_body_first(retries: int) -> None:
    events: list[str] = []

    async def main() -> None:
        begun = asyncio.Event()

        @task(retries=retries)
        async def waits() -> int:
            begun.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                events.append("body")
                raise
            finally:
                await asyncio.sleep(0)
                events.append("cleaned up")
            return 1

        async def awaits() -> int:
            return await waits()

        awaiting = asyncio.ensure_future(awaits())
        await begun.wait()
        awaiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await awaiting
        events.append("caller")

    asyncio.run(main())
    assert events == ["body", "cleaned up", "caller"]


PROGRAM = """
import asyncio, signal, threading
from fledge import task
from fledge.function import PythonFunctionTask

async def waits() -> None:
    try:
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        await asyncio.Event().wait()
    finally:
        print("the body has ended")

@task
def calls() -> None:
    PythonFunctionTask(None, waits)()

async def main() -> None:
    try:
        calls()
    finally:
        print(sum(thread.name.startswith("fledge") for thread in threading.enumerate()), "threads are left")

signal.signal(signal.SIGINT, signal.default_int_handler)
loop = asyncio.new_event_loop()  # asyncio.run would keep the first interrupt to itself
try:
    loop.run_until_complete(main())
finally:
    loop.close()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_an_interrupt_ends_a_coroutine_that_a_blocked_loop_waits_for(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    done = fresh_process(str(tmp_path / "program.py"), cwd=tmp_path)
    assert done.stdout == "the body has ended\n0 threads are left\n"
    assert done.stderr.rstrip().endswith("KeyboardInterrupt")


def test_threads_and_coroutines_keep_their_contexts_apart() -> None:
    """50 threads, each a loop of 50 coroutines, each a task with a nested one: every one sees its own parameters."""
    seen: list[object] = []
    failures: list[BaseException] = []

    @task
    async def inner() -> bool:
        return current_context() not in seen

    @task
    async def outer() -> bool:
        mine = current_context()
        seen.append(mine)
        theirs_is_new = await inner()
        return theirs_is_new and current_context() is mine

    async def many() -> list[bool]:
        return await asyncio.gather(*(outer() for _ in range(50)))

    def run() -> None:
        try:
            assert all(asyncio.run(many()))
        except BaseException as exc:  # noqa: BLE001 - shown by the test's own thread
            failures.append(exc)

    threads = [threading.Thread(target=run) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len({id(params) for params in seen}) == 50 * 50


def test_no_thread_is_left() -> None:
    before = set(threading.enumerate())
    assert add(a=1) == 2

    async def main() -> None:
        await asyncio.gather(*(add(a=n) for n in range(10)))

    asyncio.run(main())
    for thread in set(threading.enumerate()) - before:
        thread.join(30)
    assert set(threading.enumerate()) <= before
