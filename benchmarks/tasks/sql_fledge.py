"""SQL tasks of the scenarios, as a user of fledge writes them."""

from __future__ import annotations

import pyarrow as pa

from benchmarks.tasks.sql_texts import ARROW_IN, FIVE_MILLION, PLUS, TWENTY_MILLION
from fledge import FlyteFile, Resources, kwtypes, task
from fledge_sql import DuckDBTask

__all__ = ["arrow_in", "count", "plus", "rows", "small_memory", "stored"]

plus = DuckDBTask("plus", PLUS, inputs=kwtypes(n=int), outputs=kwtypes(x=int))
rows = DuckDBTask("rows", FIVE_MILLION, inputs=kwtypes(n=int), outputs=kwtypes(result=pa.Table))
stored = DuckDBTask("stored", FIVE_MILLION, inputs=kwtypes(n=int), outputs=kwtypes(result=FlyteFile))
arrow_in = DuckDBTask("arrow_in", ARROW_IN, inputs=kwtypes(t=pa.Table), outputs=kwtypes(result=pa.Table))
# Three quarters of the task's memory are DuckDB's: 256 MB.
small_memory = DuckDBTask("small_memory", TWENTY_MILLION, limits=Resources(cpu="2", mem="325Mi"))


@task
def count(table: pa.Table) -> int:
    return table.num_rows  # type: ignore[no-any-return] # pyarrow has no types of its own
