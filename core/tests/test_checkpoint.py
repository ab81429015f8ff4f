"""Checkpoints: what one attempt saves, the next one finds."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest

from fledge import ExecutionParameters, current_context, task
from fledge.checkpoint import Checkpoint
from fledge.errors import FledgeError
from fledge.storage import LocalStorage


def attempts(folder: Path) -> tuple[Checkpoint, Checkpoint]:
    """Two attempts, one after the other."""
    first = Checkpoint(str(folder / "a"), None, LocalStorage(), lambda: str(folder / "scratch"))
    second = Checkpoint(str(folder / "b"), str(folder / "a"), LocalStorage(), lambda: str(folder / "scratch"))
    return first, second


def test_bytes(tmp_path: Path) -> None:
    first, second = attempts(tmp_path)
    assert not first.prev_exists()
    assert first.read() is None
    assert second.prev_exists()
    assert second.read() is None  # nothing was saved
    first.write(b"half")
    first.write(b"whole")
    assert second.read() == b"whole"
    assert (tmp_path / "a" / "_dst_cp").read_bytes() == b"whole"  # the name that other SDKs write


def test_an_open_file(tmp_path: Path) -> None:
    first, second = attempts(tmp_path)
    first.save(BytesIO(b"state"))
    assert second.read() == b"state"


def test_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    for name in ("one", "two"):
        (tmp_path / "model" / name).write_text(name)
    first, second = attempts(tmp_path)
    first.save(tmp_path / "model")
    restored = second.restore(tmp_path / "restored")
    assert restored == tmp_path / "restored"
    assert sorted(file.name for file in restored.iterdir()) == ["one", "two"]
    with pytest.raises(FledgeError, match=r"holds several files \(one, two\). Use restore\(\)"):
        second.read()
    other, _ = attempts(tmp_path / "other")
    other.save(str(tmp_path / "model" / "one"))
    assert (tmp_path / "other" / "a" / "one").read_text() == "one"


def test_a_local_run_has_a_place_that_goes_with_it() -> None:
    seen: list[Path] = []

    @task
    def saves(a: int) -> int:
        checkpoint = current_context().checkpoint
        assert not checkpoint.prev_exists()
        checkpoint.write(b"x")
        seen.append(Path(current_context().working_directory, "__cp", "0", "_dst_cp"))
        assert seen[0].exists()
        return a

    saves(a=1)
    assert not seen[0].exists()


def test_a_container_may_have_none() -> None:
    with pytest.raises(NotImplementedError, match="no checkpoint path was given"):
        _ = ExecutionParameters(local=False).checkpoint
