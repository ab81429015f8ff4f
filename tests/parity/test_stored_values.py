"""Files, folders and tables that one SDK stored are read by the other: through inputs.pb and through outputs.pb."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from fledge import FlyteContextManager, idl
from fledge.like_container import write_inputs
from fledge.storage import LiveStore, materialize
from tests.parity.comparing import FLEDGE, FLYTEKIT
from tests.parity.programs import Sdk, load_copy

FRAME = pd.DataFrame({"carrier": ["AA", "B6", "é"], "delay": [1.5, -2.0, 40.25], "flights": [1, 2, 3]})
READERS = pytest.mark.parametrize("reader", [FLYTEKIT, FLEDGE], ids=lambda sdk: sdk.name)
WRITERS = pytest.mark.parametrize("writer", [FLYTEKIT, FLEDGE], ids=lambda sdk: sdk.name)


def written(writer: Sdk, stem: str, name: str, values: dict[str, Any], folder: Path) -> Any:  # Any: a LiteralMap
    """The inputs.pb of a task, written by an SDK, with what it stored beside it."""
    copy = load_copy(writer, stem)
    with copy.active():
        task = copy.programs()[f"{stem}.{name}"].task
        if writer is FLYTEKIT:
            return writer.inputs(task, values)
        return idl.literals.LiteralMap.FromString(write_inputs(task, values, folder).read_bytes())


def result(reader: Sdk, stem: str, name: str, inputs: Any) -> Any:  # Any: a LiteralMap
    copy = load_copy(reader, stem)
    with copy.active():
        task = copy.programs()[f"{stem}.{name}"].task
        return next(iter(reader.outputs(task, reader.run(task, inputs)).values()))


@READERS
@WRITERS
def test_tables_of_an_inputs_pb_are_read_alike(writer: Sdk, reader: Sdk, tmp_path: Path) -> None:
    table = pa.table({"a": [1, 2], "b": ["x", None]})
    inputs = written(writer, "frames", "totals", {"df": FRAME, "table": table}, tmp_path)
    assert result(reader, "frames", "totals", inputs) == (
        "['carrier', 'delay', 'flights'] 39.75 ['a', 'b'] 2 [DataType(int64), DataType(string)]"
    )


@READERS
@WRITERS
def test_files_and_folders_of_an_inputs_pb_are_read_alike(writer: Sdk, reader: Sdk, tmp_path: Path) -> None:
    folder = tmp_path / "given"
    (folder / "sub").mkdir(parents=True)
    (folder / "one.txt").write_text("1", encoding="utf-8")
    (folder / "sub" / "two.txt").write_text("2", encoding="utf-8")
    values = {"f": str(folder / "one.txt"), "d": str(folder)}
    inputs = written(writer, "files", "contents", values, tmp_path)
    assert result(reader, "files", "contents", inputs) == "1 ['one.txt', 'two.txt']"


@READERS
@WRITERS
def test_a_table_of_an_outputs_pb_is_read_alike(writer: Sdk, reader: Sdk, tmp_path: Path) -> None:
    inputs = written(writer, "frames", "doubled", {"df": FRAME}, tmp_path)
    copy = load_copy(writer, "frames")
    storage = FlyteContextManager.current_context().storage
    with copy.active():
        outputs = writer.run(copy.programs()["frames.doubled"].task, inputs)
        if writer is FLEDGE:
            outputs = materialize(outputs, storage.with_(raw_prefix=str(tmp_path / "raw"), live=LiveStore()))
    other = load_copy(reader, "frames")
    with other.active():
        read = reader.outputs(other.programs()["frames.doubled"].task, outputs)["o0"]
    pd.testing.assert_frame_equal(read, FRAME.assign(delay=FRAME["delay"] * 2), check_dtype=False)
