"""Multi-rank tasks as users write them: values, ignored outputs, decks, files, retries, failures, closures."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest

from fledge import FlyteFile, SerializationSettings, task, task_template
from fledge.context import ExecutionParameters, ExecutionState, FlyteContext, FlyteContextManager, current_context
from fledge.decks import Deck
from fledge.errors import (
    CallError,
    DefinitionError,
    FledgeError,
    IgnoreOutputs,
    RecoverableError,
    TaskTimeoutError,
    TypeConversionError,
)
from fledge.testing import only_mocked_tasks
from fledge_distributed import Elastic, LeaderIgnored, RankFailed, Ranks, current_rank
from fledge_distributed.rank_task import MultiRankTask

TWO = Ranks(nproc=2, preload=("pytest",))


@task(task_config=TWO)
def who(prefix: str, times: int = 2) -> str:
    return f"{prefix * times}{current_rank().rank} of {current_rank().world_size}"


@task(task_config=TWO)
def measure(losses: list[float]) -> tuple[dict[str, float], int]:
    return {"loss": losses[0] / 2}, len(losses)


@task(task_config=TWO)
def only_leader_fits(limit: int) -> int:
    return 7 if current_rank().is_leader else "not an int"  # type: ignore[return-value]  # never converted


@task(task_config=TWO)
def leader_does_not_fit() -> int:
    return "not an int"  # type: ignore[return-value]  # the subject of the test


@task(task_config=TWO)
def raises() -> int:
    if current_rank().rank == 1:
        raise ValueError("from rank 1")
    threading.Event().wait()
    return 0


@task(task_config=TWO)
def ignores(ranks: list[int]) -> int:
    if current_rank().rank in ranks:
        raise IgnoreOutputs
    return 5


@task(task_config=TWO)
def ignores_without_outputs() -> None:
    raise IgnoreOutputs


@task(task_config=TWO, retries=2)
def succeeds_at_third(folder: str, rank: int) -> int:
    if current_rank().rank == rank:
        attempt = len(os.listdir(folder))
        Path(folder, str(attempt)).touch()
        if attempt < 2:
            raise RecoverableError("again")
    return 5


@task(task_config=TWO, timeout=1)
def never_ends() -> int:
    threading.Event().wait()
    return 0


@task(task_config=TWO)
def writes_file() -> FlyteFile:
    path = Path(current_context().working_directory, f"{current_rank().rank}.txt")
    path.write_text(f"rank {current_rank().rank}")
    return FlyteFile(str(path))


@task(task_config=TWO, enable_deck=True)
def makes_pages() -> int:
    current_context().decks.append(Deck("mine", f"<p>rank {current_rank().rank}</p>"))
    return 1


@task(task_config=TWO, environment={"OF_THE_TASK": "yes"})
def sees_environment() -> str:
    return os.environ["OF_THE_TASK"]


@task
def plain() -> tuple[int, int]:
    return current_rank().rank, current_rank().world_size


@task(task_config=TWO)
def calls_tasks() -> tuple[int, int, str]:
    """A rank calls a plain task, and starts ranks of its own."""
    if not current_rank().is_leader:
        return 0, 0, ""
    return (*plain(), who(prefix="n"))


@task(task_config=TWO)
def calls_a_task_that_fails() -> int:
    if current_rank().is_leader:
        return raises()
    threading.Event().wait()
    return 0


def test_the_value_is_the_leaders() -> None:
    assert who(prefix="r") == "rr0 of 2"
    assert who("r", times=1) == "r0 of 2"


def test_structured_and_several_outputs_travel() -> None:
    assert measure(losses=[3.0, 9.0]) == ({"loss": 1.5}, 2)


def test_only_the_leaders_outputs_are_converted() -> None:
    assert only_leader_fits(limit=1) == 7


def test_a_value_that_does_not_fit_is_the_leaders_error() -> None:
    with pytest.raises(TypeConversionError) as caught:
        leader_does_not_fit()
    assert caught.value.path.endswith("leader_does_not_fit.outputs.o0")
    assert caught.value.__notes__[0] == "rank 0 of 2 (local 0, node 0)"


def test_wrong_arguments_are_refused_before_any_rank_starts() -> None:
    with pytest.raises(CallError):
        who(wrong=1)  # type: ignore[call-arg]  # the subject of the test
    with pytest.raises(TypeConversionError):
        who(prefix=3)  # type: ignore[arg-type]  # the subject of the test


def test_an_exception_of_a_rank_is_caught_by_its_type_and_names_rank_and_task() -> None:
    with pytest.raises(ValueError, match="from rank 1") as caught:
        raises()
    rank, *others = caught.value.__notes__
    assert rank == "rank 1 of 2 (local 1, node 0)"
    assert any(note.startswith("in task ") for note in others)
    text = str(caught.value.__cause__)
    assert f'File "{__file__}"' in text
    assert "/fledge/" not in text


def test_non_leaders_may_ignore() -> None:
    assert ignores(ranks=[1]) == 5


@pytest.mark.parametrize("ranks", [[0], [0, 1]])
def test_a_leader_that_ignores_declared_outputs_is_an_error_here(ranks: list[int]) -> None:
    with pytest.raises(LeaderIgnored):
        ignores(ranks=ranks)


def test_ignoring_is_fine_where_no_outputs_are_declared() -> None:
    assert ignores_without_outputs() is None


def test_in_a_container_an_ignoring_leader_writes_nothing() -> None:
    base = FlyteContextManager.current_context()
    ctx = base.with_(execution_state=ExecutionState(ExecutionState.Mode.TASK_EXECUTION))
    with pytest.raises(IgnoreOutputs):
        ignores_without_outputs.dispatch_execute(ctx, _no_inputs(ctx))


def _no_inputs(ctx: FlyteContext):  # type: ignore[no-untyped-def]  # noqa: ANN202 - a message, loaded on use
    from fledge import idl

    return idl.literals.LiteralMap()


@pytest.mark.parametrize("rank", [0, 1])
def test_recoverable_errors_of_any_rank_are_retried(rank: int, tmp_path: Path) -> None:
    assert succeeds_at_third(folder=str(tmp_path), rank=rank) == 5
    assert len(os.listdir(tmp_path)) == 3


def test_the_timeout_of_the_task_ends_the_ranks() -> None:
    with pytest.raises(TaskTimeoutError):
        never_ends()


def test_a_file_of_the_leader_outlives_its_working_directory() -> None:
    assert Path(writes_file()).read_text() == "rank 0"


def test_pages_of_the_leader_reach_the_caller() -> None:
    base = FlyteContextManager.current_context()
    params = ExecutionParameters()
    state = ExecutionState(ExecutionState.Mode.LOCAL_TASK_EXECUTION, params)
    makes_pages.dispatch_execute(base.with_(execution_state=state), _no_inputs(base))
    pages = {deck.name: deck.html for deck in params.decks}
    assert pages["mine"] == "<p>rank 0</p>"
    assert "Source Code" in pages
    assert "<td>returned</td>" in pages["Ranks"]


@task(task_config=TWO, enable_deck=True)
def makes_pages_and_fails() -> int:
    current_context().decks.append(Deck("mine", f"<p>rank {current_rank().rank}</p>"))
    if current_rank().rank == 1:
        os._exit(3)
    threading.Event().wait()
    return 1


def test_the_page_of_the_ranks_is_there_after_a_failure_too() -> None:
    base = FlyteContextManager.current_context()
    params = ExecutionParameters()
    state = ExecutionState(ExecutionState.Mode.LOCAL_TASK_EXECUTION, params)
    with pytest.raises(RankFailed):
        makes_pages_and_fails.dispatch_execute(base.with_(execution_state=state), _no_inputs(base))
    (page,) = [deck.html for deck in params.decks if deck.name == "Ranks"]
    assert "stopped" in page
    assert "left with exit code 3" in page


def test_the_environment_of_the_task_is_set_in_the_ranks() -> None:
    assert sees_environment() == "yes"
    assert "OF_THE_TASK" not in os.environ


def test_outside_ranks_everybody_is_rank_0_of_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("WORLD_SIZE", "8")
    assert plain() == (0, 1)


def test_a_rank_may_call_tasks_and_start_ranks() -> None:
    assert calls_tasks() == (0, 2, "nn0 of 2")


def test_a_failure_among_the_ranks_of_a_rank_names_both() -> None:
    with pytest.raises(ValueError, match="from rank 1") as caught:
        calls_a_task_that_fails()
    ranks = [note for note in caught.value.__notes__ if note.startswith("rank ") and " of 2 (local" in note]
    assert ranks == ["rank 0 of 2 (local 0, node 0)", "rank 1 of 2 (local 1, node 0)"]


def test_a_task_made_in_a_function_travels_by_value() -> None:
    offset = 40

    @task(task_config=TWO)
    def local(x: int) -> int:
        if x < 0:
            raise ValueError(x)
        return x + offset + current_rank().world_size

    assert local(x=1) == 43
    with pytest.raises(ValueError, match="-1") as caught:
        local(x=-1)
    assert f'File "{__file__}"' in str(caught.value.__cause__)


def test_a_local_task_with_what_cannot_be_pickled_is_refused_by_name() -> None:
    lock = threading.Lock()

    @task(task_config=TWO)
    def local() -> int:
        with lock:
            return 1

    with pytest.raises(FledgeError, match="'lock'"):
        local()


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Ranks(nproc=0), "nproc=0"),
        (lambda: Ranks(nproc=-1), "nproc=-1"),
        (lambda: Ranks(nproc=True), "nproc=True"),
        (lambda: Ranks(nnodes=0), "nnodes=0"),
        (lambda: Ranks(max_restarts=-1), "max_restarts=-1"),
        (lambda: Ranks(timeout_s=-1.0), "timeout_s=-1.0"),
        (lambda: Ranks(start="forkserver"), "start='forkserver'"),  # type: ignore[arg-type]  # the subject of the test
        (lambda: Ranks(preload="torch"), "preload='torch'"),  # type: ignore[arg-type]  # the subject of the test
        (lambda: Elastic(nproc_per_node=0), "nproc_per_node=0"),
        (lambda: Elastic(nnodes=0), "nnodes=0"),
        (lambda: Elastic(nnodes="4:2"), "nnodes='4:2'"),
        (lambda: Elastic(nnodes="two"), "nnodes='two'"),
    ],
)
def test_a_config_that_makes_no_sense_is_refused(make: Callable[[], object], text: str) -> None:
    with pytest.raises(DefinitionError, match=text):
        make()


def test_the_config_picks_the_task_class_and_the_template_is_a_plain_container() -> None:
    assert isinstance(who, MultiRankTask)
    template = task_template(who, SerializationSettings(project="p", domain="d", version="v"))
    assert (template.type, template.task_type_version) == ("python-task", 1)
    assert not template.custom.fields
    assert template.container.args[0] == "fledge-execute"


def test_a_rank_that_dies_inside_a_task_is_named() -> None:
    @task(task_config=TWO)
    def dies() -> int:
        if current_rank().rank == 1:
            os._exit(9)
        threading.Event().wait()
        return 0

    with pytest.raises(RankFailed, match="rank 1 of 2") as caught:
        dies()
    assert caught.value.exitcode == 9


def test_a_replaced_body_runs_here_and_starts_no_rank() -> None:
    with mock.patch.object(only_leader_fits, "execute", return_value=500) as replaced, only_mocked_tasks():
        assert only_leader_fits(limit=3) == 500
    replaced.assert_called_once_with(limit=3)


SCRIPT = """
import threading
from fledge import task
from fledge_distributed import Ranks, current_rank

@task(task_config=Ranks(nproc=4))
def trains() -> int:
    if current_rank().rank == 1:
        raise ValueError("of rank 1")
    threading.Event().wait()
    return 1

def main():
    trains()

main()
"""


def test_what_python_prints_of_a_failure_has_at_most_forty_lines_and_none_of_the_launcher(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert len(lines) <= 40, done.stderr
    assert f'  File "{script}", line 9, in trains' in lines
    assert "ValueError: of rank 1" in lines
    assert not [line for line in lines if "launcher.py" in line or "dispatching.py" in line]
    if sys.version_info >= (3, 11):  # which prints notes
        assert "rank 1 of 4 (local 1, node 0)" in lines
