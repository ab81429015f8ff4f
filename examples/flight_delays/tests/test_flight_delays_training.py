"""Tables to tensors, four ranks to one model, and the whole job on the sample."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pyarrow as pa
import pytest

pytest.importorskip("torch", reason="the training needs torch, which this environment does not have")

import torch

from examples.flight_delays.job import TASKS, run_job, write_templates
from examples.flight_delays.model import DelayModel, Encoding, labels, load_model, save_model
from examples.flight_delays.queries import split
from examples.flight_delays.report import Step, Steps, text_table
from examples.flight_delays.tests.conftest import Prepared
from examples.flight_delays.training import predict, train
from fledge import idl

TABLE = pa.table(
    {
        "flight_id": pa.array([1, 2, 3, 4], pa.int64()),
        "month": pa.array([1, 1, 1, 1], pa.int32()),
        "is_late": [True, False, False, True],
        "carrier": ["UA", "AA", "UA", "AA"],
        "distance": pa.array([100, 300, 100, 300], pa.int32()),
        "wind": pa.array([10.0, None, 20.0, None], pa.float64()),
        "engines": pa.array([2, 2, 2, 2], pa.int32()),
    }
)


def test_numbers_are_standardised_and_gaps_are_told() -> None:
    encoding = Encoding.learnt_from(TABLE)
    numbers, codes = encoding.encode(TABLE)
    assert encoding.gaps == ["wind"]
    assert numbers.dtype == torch.float32
    assert numbers.tolist() == [[-1, -1, 0, 0], [1, 0, 0, 1], [-1, 1, 0, 0], [1, 0, 0, 1]]
    assert codes.tolist() == [[2], [1], [2], [1]]
    assert labels(TABLE).tolist() == [1, 0, 0, 1]


def test_what_training_has_not_seen_gets_a_code_of_its_own_and_a_limit() -> None:
    encoding = Encoding.learnt_from(TABLE)
    odd = pa.table(
        {
            **{name: TABLE[name].slice(0, 1) for name in TABLE.column_names},
            "carrier": ["HA"],
            "distance": pa.array([1_000_000], pa.int32()),
        }
    )
    numbers, codes = encoding.encode(odd)
    assert codes.tolist() == [[0]]
    assert numbers[0, 0] == 5


def test_a_model_file_holds_values_only_and_gives_the_same_predictions(tmp_path: Path) -> None:
    encoding = Encoding.learnt_from(TABLE)
    model = DelayModel(encoding).eval()
    save_model(tmp_path / "model.pt", model, encoding)
    stored = torch.load(tmp_path / "model.pt", weights_only=True)
    assert set(stored) == {"encoding", "weights"}
    again, same = load_model(tmp_path / "model.pt")
    assert same == encoding
    assert torch.equal(again(*same.encode(TABLE)), model(*encoding.encode(TABLE)))


def test_four_ranks_share_the_rows_and_equal_inputs_give_an_equal_model(sample: Prepared) -> None:
    training = split(features=sample.features, first_month=1, last_month=9)
    validation = split(features=sample.features, first_month=10, last_month=10)
    (model, report), (other, _) = (train(training=training, validation=validation, epochs=2, seed=7) for _ in range(2))
    assert training.num_rows == 1654
    assert [(one.rank, one.rows) for one in report.ranks] == [(0, 414), (1, 414), (2, 413), (3, 413)]
    assert [one.epoch for one in report.epochs] == [1, 2]
    assert report.kept_epoch == min(report.epochs, key=lambda one: one.validation_loss).epoch
    stored, again = (torch.load(file.path, weights_only=True) for file in (model, other))
    assert stored["encoding"] == again["encoding"]
    assert all(torch.equal(stored["weights"][name], again["weights"][name]) for name in stored["weights"])
    told = predict(model=model, features=validation)
    assert told.column_names == ["flight_id", "month", "carrier", "is_late", "probability"]
    assert told.num_rows == validation.num_rows
    assert all(0 < probability < 1 for probability in told["probability"].to_pylist())


def test_fewer_rows_than_ranks_are_refused_and_the_rank_is_named() -> None:
    with pytest.raises(ValueError, match="3 training rows are too few for 4 ranks") as caught:
        train(training=TABLE.slice(0, 3), validation=TABLE, epochs=1)
    assert "of 4" in caught.value.__notes__[0]


def test_the_job_leaves_model_metrics_and_templates(archive: Path, tmp_path: Path) -> None:
    printed = io.StringIO()
    steps = Steps(printed)
    outcome = run_job(archive, tmp_path, steps, epochs=1)
    assert [step.name for step in steps.done] == [
        *["read_tables", "clean_flights", "clean_weather", "previous_legs", "airport_states", "features", "facts"],
        *["split", "split", "split", "train", "predict", "score", "by_carrier_and_month"],
    ]
    assert printed.getvalue().count("\n") == len(steps.done)
    assert outcome.scores.flights == 2336
    told = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert told["facts"] == outcome.facts
    assert told["test"] == outcome.scores._asdict()
    assert load_model(tmp_path / "model.pt")[1].vocabularies["origin"] == ["EWR", "JFK", "LGA"]
    lines = (tmp_path / "by_carrier_and_month.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 + outcome.summary.num_rows
    assert write_templates(tmp_path / "templates") > 0
    types = {
        file.stem: idl.tasks.TaskTemplate.FromString(file.read_bytes()).type
        for file in (tmp_path / "templates").iterdir()
    }
    assert len(types) == len(TASKS) == 12
    # torch's elastic launch on one node is a plain container, to Flyte.
    assert {name for name, kind in types.items() if kind == "python-task"} == {"read_tables", "train", "predict"}
    assert set(types.values()) == {"python-task", "duckdb"}


def test_a_table_has_its_first_column_on_the_left_and_the_others_on_the_right() -> None:
    table = text_table(("step", "rank", "rows", "seconds"), [Step("train", "3 of 4", 1200, 2.5).cells()])
    assert table.splitlines() == [
        "step     rank   rows  seconds",
        "-----  ------  -----  -------",
        "train  3 of 4  1,200     2.50",
    ]
