"""Contexts: frozen, per thread and coroutine, restored after anything; parameters, secrets, folders."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.tests.support import fresh_process
from fledge import (
    ExecutionParameters,
    ExecutionState,
    FlyteContext,
    FlyteContextManager,
    current_context,
    task,
)
from fledge.context import Scratch, Secrets
from fledge.errors import FledgeError

current = FlyteContextManager.current_context
enter = FlyteContextManager.with_context


# -- isolation ---------------------------------------------------------------------------------------------------------


@given(
    ranks=st.lists(st.lists(st.integers(0, 99), max_size=4), min_size=2, max_size=5),
    threads=st.booleans(),
    order=st.randoms(),
)
def test_threads_and_coroutines_never_see_each_others_contexts(
    ranks: list[list[int]], threads: bool, order: object
) -> None:
    """Each of several workers enters its contexts one by one and leaves them, all of them taking turns."""
    base = current()

    async def worker(mine: list[int]) -> None:
        if not mine:
            assert True
            return
        with enter(current().with_(rank=mine[0])) as entered:
            await asyncio.sleep(0)
            assert current() is entered
            assert current().rank == mine[0]
            await worker(mine[1:])
            assert current() is entered
        await asyncio.sleep(0)

    async def together(some: list[list[int]]) -> None:
        await asyncio.gather(*(worker(mine) for mine in some))

    if threads:
        with ThreadPoolExecutor(len(ranks)) as pool:
            contexts = [contextvars.copy_context() for _ in ranks]
            for done in [
                pool.submit(context.run, asyncio.run, together([mine, mine[::-1]]))
                for context, mine in zip(contexts, ranks, strict=True)
            ]:
                done.result()
    else:
        asyncio.run(together(ranks))
    assert current() is base


def test_a_new_thread_starts_with_the_processs_own_context() -> None:
    seen: list[FlyteContext] = []
    with enter(current().with_(rank=7)):
        thread = threading.Thread(target=lambda: seen.append(current()))
        thread.start()
        thread.join()
    assert seen[0].rank == 0
    assert seen[0].level == 0


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt, GeneratorExit])
def test_the_outer_context_is_back_whatever_was_raised(error: type[BaseException] | None) -> None:
    before = current()

    def body() -> None:
        with enter(before.with_(rank=1)), enter(current().with_(rank=2)):
            assert current().rank == 2
            if error is not None:
                raise error

    if error is None:
        body()
    else:
        with pytest.raises(error):
            body()
    assert current() is before


def test_a_task_leaves_the_context_as_it_was_after_any_end() -> None:
    before = current()

    @task
    def ends(how: str) -> str:
        if how == "error":
            raise ValueError(how)
        if how == "exit":
            raise SystemExit
        return how

    assert ends(how="well") == "well"
    assert current() is before
    for how, kind in (("error", ValueError), ("exit", SystemExit)):
        with pytest.raises(kind):
            ends(how=how)
        assert current() is before


# -- frozen copies -----------------------------------------------------------------------------------------------------


def test_a_copy_is_one_level_deeper_and_the_original_stays() -> None:
    context = current()
    copy = context.with_(rank=3)
    assert (context.rank, copy.rank) == (0, 3)
    assert copy.level == context.level + 1


@pytest.mark.parametrize("thing", ["context", "parameters", "state"])
def test_nothing_of_a_context_can_be_set_or_deleted(thing: str) -> None:
    frozen = {"context": current(), "parameters": ExecutionParameters(), "state": ExecutionState()}[thing]
    name = {"context": "rank", "parameters": "task_id", "state": "mode"}[thing]
    with pytest.raises(AttributeError, match=rf"is frozen: use with_\({name}=\.\.\.\)"):
        setattr(frozen, name, 1)
    with pytest.raises(AttributeError, match="cannot be deleted"):
        delattr(frozen, name)
    with pytest.raises(TypeError, match="has no field rnak"):
        frozen.with_(rnak=1)


def test_local_modes_are_the_local_ones() -> None:
    local = [mode.value for mode in ExecutionState.Mode if ExecutionState(mode).is_local_execution()]
    assert local == [2, 3, 6, 7]
    assert not ExecutionState(None).is_local_execution()


# -- parameters --------------------------------------------------------------------------------------------------------


def test_the_defaults_of_a_local_run() -> None:
    params = ExecutionParameters()
    assert (params.execution_id, params.task_id) == ("local:local:local", "local")
    assert params.execution_date.tzinfo is timezone.utc
    assert (params.raw_output_prefix, params.output_metadata_prefix, params.decks, params.enable_deck) == (
        None,
        None,
        [],
        False,
    )
    assert params.logging.name == "fledge.task"


def test_outside_a_task_there_are_local_defaults() -> None:
    assert current_context().task_id == "local"


def test_a_task_finds_itself_in_the_current_context() -> None:
    @task
    def who(a: int) -> str:
        return current_context().task_id

    assert who(a=1) == who.name


def test_attributes_count_in_upper_case_and_belong_to_the_copy() -> None:
    params = ExecutionParameters(attributes={"session": 1})
    more = params.with_attribute("Other", 2)
    assert (more.SESSION, more.session, more.get("other"), more.OTHER) == (1, 1, 2, 2)
    assert more.has_attr("session")
    assert not params.has_attr("other")


def test_a_missing_attribute_asks_for_the_task_type() -> None:
    with pytest.raises(AttributeError, match=r"no 'SPARK' \(the task type set: SESSION\). Is it the right task type\?"):
        ExecutionParameters(attributes={"session": 1}).get("spark")


# -- folders -----------------------------------------------------------------------------------------------------------


def test_a_working_directory_is_made_when_asked_for_and_gone_after_the_run() -> None:
    seen: list[str] = []

    @task
    def writes(a: int) -> int:
        folder = current_context().working_directory
        assert current_context().working_directory == folder
        Path(folder, "file").write_text("x")
        seen.append(folder)
        if a:
            raise ValueError(a)
        return a

    writes(a=0)
    with pytest.raises(ValueError, match="1"):
        writes(a=1)
    assert len(set(seen)) == 2
    assert not any(map(os.path.exists, seen))


def test_runs_that_ask_for_no_folder_leave_and_make_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    @task
    def plain(a: int) -> int:
        return a

    for _ in range(5):
        plain(a=1)
    assert os.listdir(tmp_path) == []


def test_a_scratch_folder_can_be_removed_twice() -> None:
    scratch = Scratch()
    assert scratch.made() is None
    path = scratch.path
    assert scratch.made() == path
    scratch.remove()
    scratch.remove()
    assert not os.path.exists(path)


# -- secrets -----------------------------------------------------------------------------------------------------------


def test_secrets_come_from_the_environment_before_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = Secrets(local=True, folder=str(tmp_path))
    file = tmp_path / "group" / "v1" / "key"
    file.parent.mkdir(parents=True)
    file.write_text("from the file\n")
    assert secrets.get("Group", "Key", "V1") == "from the file"
    monkeypatch.setenv("GROUP_V1_KEY", "local")
    assert secrets.get("group", "key", "v1") == "local"
    monkeypatch.setenv("_FSEC_GROUP_V1_KEY", "platform")
    assert secrets.get("group", "key", "v1") == "platform"


def test_in_a_container_only_the_platforms_variable_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUP_KEY", "not meant as a secret")
    with pytest.raises(FledgeError, match="looked for environment _FSEC_GROUP_KEY and file"):
        Secrets(local=False, folder=str(tmp_path)).get("group", "key")


def test_a_secret_that_is_not_there_names_every_place(tmp_path: Path) -> None:
    with pytest.raises(FledgeError, match=r"_FSEC_GROUP_KEY or GROUP_KEY and file .*group/key"):
        Secrets(local=True, folder=str(tmp_path)).get("group", "key")
    with pytest.raises(FledgeError, match="name a group, a key or both"):
        Secrets(local=True).get()


USES_A_SECRET = """
from fledge import RecoverableError, current_context, task

tries = []

@task(retries=1, cache=True, cache_version="1", enable_deck=True, timeout=60)
def login(user: str) -> str:
    token = current_context().secrets.get("shop", "token")
    tries.append(token)
    if len(tries) == 1:
        raise RecoverableError("the service did not answer")
    if user == "nobody":
        raise ValueError("no such user")
    return user
"""


@pytest.mark.parametrize("how", [(), ("--like-container",), ("--isolate",)], ids=["here", "container", "isolated"])
@pytest.mark.parametrize("user", ["somebody", "nobody"])
def test_a_secret_is_written_nowhere(tmp_path: Path, how: tuple[str, ...], user: str) -> None:
    """Not to the log at its lowest level, the traces, the cache, the decks, inputs, outputs or errors."""
    (tmp_path / "shop.py").write_text(USES_A_SECRET)
    env = {
        "_FSEC_SHOP_TOKEN": "hunter2",
        "FLEDGE_CACHE": "1",
        "FLEDGE_CACHE_DIR": str(tmp_path / "cache"),
        "FLEDGE_LOG": "DEBUG",
        "FLEDGE_TRACE_HOOKS": "1",
        "TMPDIR": str(tmp_path),
    }
    done = fresh_process("-m", "fledge.cli", "run", *how, "shop.py:login", "--user", user, cwd=tmp_path, env=env)
    assert ("somebody" in done.stdout) == (user == "somebody" and not how), done.stderr
    assert "the service did not answer" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert files
    assert not [file for file in files if b"hunter2" in file.read_bytes()]
