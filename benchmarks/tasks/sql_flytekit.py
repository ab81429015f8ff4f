"""The same work by flytekit's DuckDB plugin, which takes parameters by position and gives StructuredDatasets."""

from __future__ import annotations

import re
import shutil
from typing import Any

import pyarrow as pa
from flytekit import kwtypes, task
from flytekitplugins.duckdb import DuckDBQuery

from benchmarks.tasks.sql_texts import ARROW_IN, FIVE_MILLION, PLUS, TWENTY_MILLION

__all__ = ["arrow_in", "count", "drop", "plus", "rows", "small_memory"]


def positional(query: str) -> str:
    return re.sub(r"\$\w+", "?", query)


plus = DuckDBQuery(name="plus", query=positional(PLUS), inputs=kwtypes(params=list[int]))
rows = DuckDBQuery(name="rows", query=positional(FIVE_MILLION), inputs=kwtypes(params=list[int]))
arrow_in = DuckDBQuery(name="arrow_in", query=ARROW_IN, inputs=kwtypes(t=pa.Table))
small_memory = DuckDBQuery(name="small_memory", query=["set memory_limit = '256MB'", TWENTY_MILLION])


@task  # type: ignore[untyped-decorator] # flytekit is not installed where types are checked
def count(table: pa.Table) -> int:
    return table.num_rows  # type: ignore[no-any-return] # pyarrow has no types of its own


def drop(dataset: Any) -> None:  # Any: a StructuredDataset of flytekit
    """Remove what a result left on the disk, which others need."""
    shutil.rmtree(dataset.literal.uri)
