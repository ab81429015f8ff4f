"""Two SQL tasks: a table in and a table out, and a value bound to a query, never pasted into it.

`python examples/sql_hello.py`
"""

from __future__ import annotations

import pyarrow as pa

from fledge import kwtypes
from fledge_sql import DuckDBTask, sql_task

mean_delays = DuckDBTask(
    "mean_delays",
    "select carrier, avg(minutes) as mean from flights where month <= $month group by carrier order by carrier",
    inputs=kwtypes(flights=pa.Table, month=int),
    outputs=kwtypes(result=pa.Table),
)


@sql_task("select count(*) from flights where carrier = $carrier")
def flights_of(flights: pa.Table, carrier: str) -> int: ...


if __name__ == "__main__":
    flights = pa.table({"carrier": ["AA", "AA", "UA"], "minutes": [10.0, 20.0, 5.0], "month": [1, 1, 2]})
    print(mean_delays(flights=flights, month=1).to_pylist())
    print(flights_of(flights=flights, carrier="AA' or 'a' = 'a"), flights_of(flights=flights, carrier="AA"))
