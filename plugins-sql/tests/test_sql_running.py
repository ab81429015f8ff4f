"""Queries that are cut short, that run at once, that need more than memory: all leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest

from fledge import FlyteContextManager, Resources, kwtypes
from fledge.cancellation import Cancellation
from fledge.errors import TaskTimeoutError
from fledge_sql import DuckDBTask, QueryCancelled, QueryError
from fledge_sql.duckdb_task import settings_of
from fledge_sql.engine import Settings, open_cursor
from fledge_sql.interrupting import Interruptible, StoppedEarly

# Takes minutes: 10^11 rows through a hash that no optimizer can skip.
ENDLESS = "select count(*) from range(100000000000) r(i) where hash(i + $n) = 0"
endless = DuckDBTask("endless", ENDLESS, kwtypes(n=int), kwtypes(count=int))


def after(seconds: float, action: object) -> threading.Timer:
    timer = threading.Timer(seconds, action)  # type: ignore[arg-type] # any callable
    timer.daemon = True
    timer.start()
    return timer


def test_ctrl_c_stops_a_running_query() -> None:
    after(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        endless(n=1)
    assert DuckDBTask("next", "select 1", outputs=kwtypes(n=int))() == 1


def test_a_timeout_stops_a_running_query() -> None:
    limited = DuckDBTask("limited", ENDLESS, kwtypes(n=int), kwtypes(count=int), timeout=1)
    with pytest.raises(TaskTimeoutError):
        limited(n=1)


def test_a_timeout_stops_a_running_query_in_another_thread() -> None:
    limited = DuckDBTask("limited", ENDLESS, kwtypes(n=int), kwtypes(count=int), timeout=1)
    with ThreadPoolExecutor(1) as pool, pytest.raises(TaskTimeoutError):
        pool.submit(limited, n=1).result()


def test_the_runs_own_cancel_stops_a_running_query() -> None:
    scope = Cancellation()
    context = FlyteContextManager.current_context().with_(cancellation=scope)
    after(0.3, scope.cancel)
    with FlyteContextManager.with_context(context), pytest.raises(QueryCancelled):
        endless(n=1)


@pytest.mark.parametrize("where", ["this thread", "another thread"])
def test_a_query_of_a_run_that_was_cancelled_before_never_starts(where: str) -> None:
    outer = Cancellation()
    context = FlyteContextManager.current_context().with_(cancellation=Cancellation(parent=outer))
    outer.cancel()

    def run() -> None:
        with FlyteContextManager.with_context(context), pytest.raises(QueryCancelled):
            endless(n=1)

    if where == "this thread":
        run()
    else:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(run).result()
    assert DuckDBTask("next", "select 1", outputs=kwtypes(n=int))() == 1


@pytest.mark.parametrize("in_main", [True, False])
def test_work_is_stopped_wherever_it_is_on_its_way_to_the_engine(in_main: bool) -> None:
    """An interrupt is heard by a native call only: before that it is repeated, and kept for the next piece of work."""
    heard, reached, calls = threading.Event(), threading.Event(), list[str]()

    def interrupt() -> None:
        calls.append("interrupt")
        if reached.is_set():
            heard.set()

    def work() -> str:
        interruptible.stop()  # nothing native runs yet: this interrupt is lost
        while not calls:
            pass
        reached.set()
        assert heard.wait(30)
        return "done"

    interruptible = Interruptible(interrupt)
    with ThreadPoolExecutor(1) as pool:
        run = interruptible.run if in_main else lambda one: pool.submit(interruptible.run, one).result()
        assert run(work) == "done"
        assert len(calls) > 1
        assert run(lambda: "next") == "next"
        interruptible.stop()
        with pytest.raises(StoppedEarly):
            run(lambda: "never")
        assert run(lambda: "usable") == "usable"


def test_sigterm_ends_a_process_that_runs_a_query(tmp_path: Path) -> None:
    script = tmp_path / "long.py"
    script.write_text(
        "import sys\n"
        "from fledge import kwtypes\n"
        "from fledge_sql import DuckDBTask\n"
        "import signal\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n"
        f"task = DuckDBTask('endless', {ENDLESS!r}, kwtypes(n=int), kwtypes(count=int))\n"
        "DuckDBTask('first', 'select 1', outputs=kwtypes(n=int))()\n"
        "print('ready', flush=True)\n"
        "task(n=1)\n"
    )
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        try:
            assert process.wait(timeout=30) == 143
        finally:
            process.kill()


def test_an_interrupt_leaves_the_cursor_usable() -> None:
    with open_cursor() as cursor:
        after(0.2, cursor.interrupt)
        with pytest.raises(Exception, match=r"(?i)interrupt"):
            cursor.run("select count(*) from range(100000000000) r(i) where hash(i) = 0")
        assert cursor.run("select 1") == [(1,)]


def test_32_threads_run_one_task_object() -> None:
    query = "select $n as n, count(*) as rows, sum(x) as total from t where x % 7 = $n % 7"
    one = DuckDBTask("shared", query, kwtypes(t=pa.Table, n=int), kwtypes(n=int, rows=int, total=int))
    table = pa.table({"x": list(range(700))})
    start = threading.Barrier(32)

    def run(n: int) -> tuple[int, int, int]:
        start.wait()
        return tuple(one(t=table, n=n))

    expected = [(n, 100, sum(x for x in range(700) if x % 7 == n % 7)) for n in range(32)]
    with ThreadPoolExecutor(32) as pool:
        assert list(pool.map(run, range(32))) == expected


def test_tables_of_two_calls_do_not_meet() -> None:
    one = DuckDBTask("table", "select sum(x) from t", kwtypes(t=pa.Table), kwtypes(s=int))
    with ThreadPoolExecutor(8) as pool:
        sums = pool.map(lambda n: one(t=pa.table({"x": [n]})), range(64))
        assert list(sums) == list(range(64))


# -- resources ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        (None, Settings()),
        (Resources(mem="1Gi"), Settings(memory_limit_bytes=805_306_368)),
        (Resources(cpu="2500m"), Settings(threads=2)),
        (Resources(cpu="500m"), Settings(threads=1)),
        (Resources(cpu=4, mem="2G", ephemeral_storage="10Gi"), Settings(1_500_000_000, 4, 10_737_418_240)),
        (Resources(mem="1e9"), Settings(750_000_000)),
        (Resources(gpu=1), Settings()),
    ],
)
def test_resources_become_settings(resources: Resources | None, expected: Settings) -> None:
    assert settings_of(resources) == expected


def test_what_the_limits_leave_open_is_as_requested() -> None:
    query = "select current_setting('memory_limit') as mem, current_setting('threads') as threads"
    requests, limits = Resources(cpu="1", mem="800Mi"), Resources(cpu="3")
    run = DuckDBTask("both", query, outputs=kwtypes(r=list[dict]), requests=requests, limits=limits)  # type: ignore[type-arg] # free-form rows
    assert run() == [{"mem": "600.0 MiB", "threads": 3}]


def test_a_task_runs_with_the_memory_and_threads_of_its_resources() -> None:
    query = "select current_setting('memory_limit') as mem, current_setting('threads') as threads"
    run = DuckDBTask("limits", query, outputs=kwtypes(r=list[dict]), limits=Resources(cpu="3", mem="800Mi"))  # type: ignore[type-arg] # free-form rows
    assert run() == [{"mem": "600.0 MiB", "threads": 3}]


def test_a_query_larger_than_memory_spills_and_leaves_nothing(tmp_path: Path) -> None:
    script = tmp_path / "spill.py"
    script.write_text(
        "from fledge import Resources, kwtypes\n"
        "from fledge_sql import DuckDBTask\n"
        "query = 'select count(distinct i || $s) from range(2000000) r(i)'\n"
        "task = DuckDBTask('spill', query, kwtypes(s=str), kwtypes(n=int), limits=Resources(mem='128Mi', cpu=2))\n"
        "assert task(s='x' * 30) == 2000000\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp")}
    (tmp_path / "tmp").mkdir()
    subprocess.run([sys.executable, str(script)], check=True, env=environment)
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_query_that_does_not_fit_says_so() -> None:
    query = "select list(i || repeat('x', 100)) as l from range(3000000) r(i)"
    run = DuckDBTask("full", query, limits=Resources(mem="64Mi", ephemeral_storage="1Mi"))
    with pytest.raises(QueryError) as caught:
        run()
    assert "Out of Memory" in caught.value.engine_error


def test_a_forked_child_has_a_database_of_its_own() -> None:
    one = DuckDBTask("forked", "select $n + 1", kwtypes(n=int), kwtypes(n=int))
    assert one(n=1) == 2
    code = (
        "import os\n"
        "from fledge import kwtypes\n"
        "from fledge_sql import DuckDBTask\n"
        "one = DuckDBTask('forked', 'select $n + 1', kwtypes(n=int), kwtypes(n=int))\n"
        "assert one(n=1) == 2\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os._exit(one(n=41))\n"
        "assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 42\n"
    )
    started = time.monotonic()
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=60)
    assert time.monotonic() > started
