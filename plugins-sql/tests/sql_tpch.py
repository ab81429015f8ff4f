"""The 22 queries of TPC-H as tasks: tables, parameters and the values of the specification's validation run.

Source: TPC Benchmark H, Standard Specification, chapters 1.4 (tables) and 2.4 (queries); the texts are ours.
"""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa

from fledge import kwtypes
from fledge_sql import DuckDBTask

KEY, MONEY, TEXT, DAY, NUMBER = pa.int64(), pa.decimal128(15, 2), pa.string(), pa.date32(), pa.int32()
SCHEMAS = {
    "region": {"r_regionkey": KEY, "r_name": TEXT, "r_comment": TEXT},
    "nation": {"n_nationkey": KEY, "n_name": TEXT, "n_regionkey": KEY, "n_comment": TEXT},
    "part": {
        "p_partkey": KEY,
        "p_name": TEXT,
        "p_mfgr": TEXT,
        "p_brand": TEXT,
        "p_type": TEXT,
        "p_size": NUMBER,
        "p_container": TEXT,
        "p_retailprice": MONEY,
        "p_comment": TEXT,
    },
    "supplier": {
        "s_suppkey": KEY,
        "s_name": TEXT,
        "s_address": TEXT,
        "s_nationkey": KEY,
        "s_phone": TEXT,
        "s_acctbal": MONEY,
        "s_comment": TEXT,
    },
    "partsupp": {
        "ps_partkey": KEY,
        "ps_suppkey": KEY,
        "ps_availqty": NUMBER,
        "ps_supplycost": MONEY,
        "ps_comment": TEXT,
    },
    "customer": {
        "c_custkey": KEY,
        "c_name": TEXT,
        "c_address": TEXT,
        "c_nationkey": KEY,
        "c_phone": TEXT,
        "c_acctbal": MONEY,
        "c_mktsegment": TEXT,
        "c_comment": TEXT,
    },
    "orders": {
        "o_orderkey": KEY,
        "o_custkey": KEY,
        "o_orderstatus": TEXT,
        "o_totalprice": MONEY,
        "o_orderdate": DAY,
        "o_orderpriority": TEXT,
        "o_clerk": TEXT,
        "o_shippriority": NUMBER,
        "o_comment": TEXT,
    },
    "lineitem": {
        "l_orderkey": KEY,
        "l_partkey": KEY,
        "l_suppkey": KEY,
        "l_linenumber": NUMBER,
        "l_quantity": MONEY,
        "l_extendedprice": MONEY,
        "l_discount": MONEY,
        "l_tax": MONEY,
        "l_returnflag": TEXT,
        "l_linestatus": TEXT,
        "l_shipdate": DAY,
        "l_commitdate": DAY,
        "l_receiptdate": DAY,
        "l_shipinstruct": TEXT,
        "l_shipmode": TEXT,
        "l_comment": TEXT,
    },
}
TABLES = {name: pa.schema(list(columns.items())) for name, columns in SCHEMAS.items()}
CENT = Annotated[Decimal, pa.decimal128(15, 2)]
TYPES: dict[str, Any] = {"discount": CENT, "fraction": Annotated[Decimal, pa.decimal128(15, 10)]}
VALUES: dict[int, dict[str, Any]] = {
    1: {"days": 90},
    2: {"size": 15, "kind": "BRASS", "area": "EUROPE"},
    3: {"segment": "BUILDING", "day": dt.date(1995, 3, 15)},
    4: {"day": dt.date(1993, 7, 1)},
    5: {"area": "ASIA", "day": dt.date(1994, 1, 1)},
    6: {"day": dt.date(1994, 1, 1), "discount": Decimal("0.06"), "quantity": 24},
    7: {"one": "FRANCE", "other": "GERMANY"},
    8: {"country": "BRAZIL", "area": "AMERICA", "kind": "ECONOMY ANODIZED STEEL"},
    9: {"color": "green"},
    10: {"day": dt.date(1993, 10, 1)},
    11: {"country": "GERMANY", "fraction": Decimal("0.0001")},
    12: {"modes": ["MAIL", "SHIP"], "day": dt.date(1994, 1, 1)},
    13: {"first": "special", "second": "requests"},
    14: {"day": dt.date(1995, 9, 1)},
    15: {"day": dt.date(1996, 1, 1)},
    16: {"brand": "Brand#45", "kind": "MEDIUM POLISHED", "sizes": [49, 14, 23, 45, 19, 3, 36, 9]},
    17: {"brand": "Brand#23", "container": "MED BOX"},
    18: {"quantity": 300},
    19: {"small": 1, "medium": 10, "large": 20},
    20: {"color": "forest", "day": dt.date(1994, 1, 1), "country": "CANADA"},
    21: {"country": "SAUDI ARABIA"},
    22: {"codes": ["13", "31", "23", "29", "30", "18", "17"]},
}
FOLDER = Path(__file__).parent / "tpch"


def text_of(number: int) -> str:
    return (FOLDER / f"q{number:02}.sql").read_text()


def literal(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(literal, value))
    return str(value) if isinstance(value, (int, float)) else f"'{value}'"


def with_literals(number: int) -> str:
    """The text as somebody without parameters would write it."""
    text = text_of(number)
    for name, value in VALUES[number].items():
        text = text.replace(f"{{{{ .inputs.{name} }}}}", str(value))
        text = re.sub(rf"in \${name}\b", f"in ({literal(value)})", text)
        typed = f"date {literal(value)}" if type(value).__name__ == "date" else literal(value)
        typed = f"{value}" if type(value).__name__ == "Decimal" else typed
        text = re.sub(rf"\${name}\b", typed, text)
    return text


def tables_of(number: int) -> list[str]:
    text = text_of(number)
    words = set(text.replace(",", " ").replace("(", " ").replace(")", " ").split())
    return [name for name in TABLES if name in words]


def type_of(name: str, value: Any) -> Any:
    """The declared type of a parameter."""
    return TYPES.get(name) or (list[type(value[0])] if isinstance(value, list) else type(value))  # type: ignore[misc] # made at run time


def make_task(number: int, output: Any = pa.Table, **options: Any) -> DuckDBTask:
    """Query `number` as a task over tables with declared columns."""
    parameters = {name: type_of(name, value) for name, value in VALUES[number].items()}
    tables = {name: Annotated[pa.Table, TABLES[name]] for name in tables_of(number)}
    outputs = {options.pop("name", "result"): output}
    return DuckDBTask(
        f"q{number:02}", FOLDER / f"q{number:02}.sql", kwtypes(**tables, **parameters), outputs, **options
    )
