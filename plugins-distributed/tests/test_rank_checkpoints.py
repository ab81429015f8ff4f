"""Checkpoints: whole or not there, the newest one wins, and a restart goes on from it."""

from __future__ import annotations

import importlib.util
import os
import signal
from pathlib import Path

import pytest

from fledge_distributed import Checkpoints, RankError, Ranks, current_rank
from fledge_distributed.launcher import launch

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="PyTorch is not installed: pip install torch"
)


def test_the_newest_checkpoint_wins_and_old_ones_go(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "made", keep=2)
    assert checkpoints.load() is None
    for step in (1, 2, 10):
        checkpoints.save(step, {"step": step})
    assert checkpoints.load() == (10, {"step": 10})
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == ["step-0000000002", "step-0000000010"]


def test_steps_may_count_tokens(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    for step in (9_999_999_999, 10_000_000_000, 250_000_000_000):
        checkpoints.save(step, {"step": step})
    assert checkpoints.load() == (250_000_000_000, {"step": 250_000_000_000})
    assert len(list(tmp_path.iterdir())) == 2


def test_a_state_that_cannot_be_written_leaves_the_last_checkpoint(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, {"x": 1})
    with pytest.raises((TypeError, AttributeError, RuntimeError)):
        checkpoints.save(2, {"x": (n for n in range(1))})
    assert checkpoints.load() == (1, {"x": 1})
    assert [path.name for path in tmp_path.iterdir()] == ["step-0000000001"]


def test_at_least_one_is_kept(tmp_path: Path) -> None:
    with pytest.raises(RankError, match="keep at least one"):
        Checkpoints(tmp_path, keep=0)


def counts_to_six(payload: bytes) -> bytes:
    """Rank 1 dies after step 3 of the first start."""
    checkpoints = Checkpoints(payload.decode(), keep=9)
    restarted = os.environ["TORCHELASTIC_RESTART_COUNT"] == "1"
    begin, state = (restarted and checkpoints.load()) or (0, {"sum": 0})
    total = state["sum"]
    for step in range(begin + 1, 7):
        total += step
        checkpoints.save(step, {"sum": total})
        while not (Path(payload.decode()) / f"step-{step:010d}").exists():
            os.sched_yield()  # the leader's file is the clock of this test
        if step == 3 and not restarted:
            if current_rank().rank == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            while True:  # a survivor is asked for its stack by a signal, which ends one pause
                signal.pause()
    return f"{begin} {total}".encode()


@pytest.mark.parametrize("preload", ["pytest", pytest.param("torch", marks=needs_torch)])
def test_a_restart_goes_on_from_the_checkpoint(preload: str, tmp_path: Path) -> None:
    config = Ranks(nproc=2, preload=("pytest", preload), max_restarts=1, timeout_s=60)
    assert launch(str(tmp_path).encode(), counts_to_six, config) == b"3 21"
    is_archive = next(tmp_path.iterdir()).read_bytes().startswith(b"PK")
    assert is_archive == (preload == "torch"), "torch's own format where torch is in use"


def shards(payload: bytes) -> bytes:
    import torch
    import torch.distributed as dist

    dist.init_process_group("gloo")
    checkpoints = Checkpoints(payload.decode())
    mine = f"part{current_rank().rank}"
    empty = {mine: torch.zeros(3)}
    before = checkpoints.load_sharded(empty)
    checkpoints.save_sharded(4, {mine: torch.full((3,), 7.0)})
    checkpoints.save_sharded(4, {mine: torch.full((3,), float(current_rank().rank))})
    after = checkpoints.load_sharded(empty)
    dist.destroy_process_group()
    return f"{before} {after} {empty[mine].tolist()}".encode()


@needs_torch
def test_a_sharded_state_comes_back_to_its_ranks(tmp_path: Path) -> None:
    from fledge_distributed.launcher import run_ranks

    config = Ranks(nproc=2, preload=("pytest", "torch", "torch.distributed"))
    values = run_ranks(str(tmp_path).encode(), shards, config, collect_all=True).values
    assert values == {0: b"None 4 [0.0, 0.0, 0.0]", 1: b"None 4 [1.0, 1.0, 1.0]"}
    assert [path.name for path in tmp_path.iterdir()] == ["step-0000000004.sharded"], "what it replaced is gone"
