"""Tasks that tests run in a container as well: module variables, as a container needs them."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa

from fledge import FlyteFile, kwtypes
from fledge_sql import DuckDBTask, sql_task

FLIGHTS = pa.table({"carrier": ["AA", "UA", "AA"], "delay": [1.0, 2.0, 6.0], "month": [1, 2, 7]})

delays = DuckDBTask(
    "delays",
    "select carrier, avg(delay) as mean from flights where month <= $m group by 1 order by 1",
    inputs=kwtypes(flights=pa.Table, m=int),
    outputs=kwtypes(result=pa.Table),
)
from_file = DuckDBTask(
    "from_file", "select sum(delay) as total from flights", inputs=kwtypes(flights=FlyteFile), outputs=kwtypes(t=float)
)


@sql_task("select count(*) from t where ds = {{ .inputs.ds }}")
def rows_of_day(t: pa.Table, ds: dt.date) -> int: ...


@sql_task("select cast('x' as int) + $n")
def fails(n: int) -> int: ...
