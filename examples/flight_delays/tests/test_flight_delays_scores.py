"""The metrics, computed in SQL, are what their definitions say."""

from __future__ import annotations

from itertools import product

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples.flight_delays.queries import by_carrier_and_month, score

# Few different probabilities: ties are where ranks go wrong.
GUESSES = st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0])), min_size=1, max_size=40)


def predictions(guesses: list[tuple[bool, float]]) -> pa.Table:
    return pa.table(
        {
            "flight_id": pa.array(range(len(guesses)), pa.int64()),
            "month": pa.array([11] * len(guesses), pa.int32()),
            "carrier": ["AA"] * len(guesses),
            "is_late": [late for late, _ in guesses],
            "probability": pa.array([probability for _, probability in guesses], pa.float64()),
        }
    )


def pairs_in_order(guesses: list[tuple[bool, float]]) -> float:
    late = [probability for is_late, probability in guesses if is_late]
    on_time = [probability for is_late, probability in guesses if not is_late]
    return sum((a > b) + (a == b) / 2 for a, b in product(late, on_time)) / (len(late) * len(on_time))


def precision_by_recall(guesses: list[tuple[bool, float]]) -> float:
    late = sum(is_late for is_late, _ in guesses)
    total, recall = 0.0, 0.0
    for threshold in sorted({probability for _, probability in guesses}, reverse=True):
        taken = [is_late for is_late, probability in guesses if probability >= threshold]
        total += sum(taken) / len(taken) * (sum(taken) / late - recall)
        recall = sum(taken) / late
    return total


@settings(max_examples=50)
@given(GUESSES.filter(lambda guesses: len({late for late, _ in guesses}) == 2))
def test_scores_are_what_their_definitions_say(guesses: list[tuple[bool, float]]) -> None:
    scores = score(predictions=predictions(guesses))
    share = sum(late for late, _ in guesses) / len(guesses)
    assert scores.flights == len(guesses)
    assert scores.late_share == pytest.approx(share)
    assert scores.auc == pytest.approx(pairs_in_order(guesses))
    assert scores.average_precision == pytest.approx(precision_by_recall(guesses))
    assert scores.brier == pytest.approx(sum((late - p) ** 2 for late, p in guesses) / len(guesses))
    assert scores.constant_brier == pytest.approx(share * (1 - share))


def test_a_constant_guess_scores_as_the_base_rate() -> None:
    scores = score(predictions=predictions([(True, 0.25), (False, 0.25), (False, 0.25), (False, 0.25)]))
    assert (scores.auc, scores.average_precision, scores.brier) == (0.5, 0.25, scores.constant_brier)


def test_the_summary_has_one_row_for_each_carrier_and_month() -> None:
    table = predictions([(True, 0.5), (False, 0.25), (True, 1.0)])
    table = table.set_column(1, "month", pa.array([11, 12, 12], pa.int32()))
    rows = by_carrier_and_month(predictions=table).to_pylist()
    assert [(row["month"], row["flights"], row["late_share"], row["expected_share"]) for row in rows] == [
        (11, 1, 1.0, 0.5),
        (12, 2, 0.5, 0.625),
    ]
