"""The queries and tables that SQL scenarios share, and the bare DuckDB that is their floor."""

from __future__ import annotations

from typing import Any

__all__ = ["ARROW_IN", "FIVE_MILLION", "PLUS", "TWENTY_MILLION", "bare", "million_rows"]

PLUS = "select cast($n as bigint) + 1 as x"
FIVE_MILLION = (
    "select i, i * 2 as b, i * 3.5::double as c, 'x' || (i % 1000) as d from range(5000000) r(i) where i > $n"
)
TWENTY_MILLION = "select i, i * 2 as b, i * 3.5::double as c from range(20000000) r(i)"
ARROW_IN = "select s, sum(a)::bigint as a, max(b) as b from t group by s order by s"


def bare() -> Any:  # Any: a connection of DuckDB
    """A database in memory, as warm as ours."""
    import duckdb

    return duckdb.connect()


def million_rows() -> Any:  # Any: pa.Table; pyarrow has no types of its own
    """Shape (1_000_000, 3): integers, floats and a thousand texts."""
    import numpy as np
    import pyarrow as pa

    numbers = np.arange(1_000_000)
    texts = pa.array([f"k{i}" for i in range(1000)] * 1000)
    return pa.table({"a": numbers, "b": np.random.default_rng(0).random(1_000_000), "s": texts})
