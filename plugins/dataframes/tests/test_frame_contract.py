"""fledge-dataframes under fledge's own contract suites."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

import fledge_dataframes.hooks
from fledge.testing import PluginContract, TransformerContract


class TestDataframesPlugin(PluginContract):
    module = "fledge_dataframes.hooks"


class TestTables(TransformerContract):
    hooks = fledge_dataframes.hooks
    python_type = pa.Table
    values = (
        pa.table({"a": [1, None, 3], "b": ["x", "y", None]}),
        pa.table({"empty": pa.array([], pa.float64())}),
    )
    bad_values = ("a table", None)

    def equal(self, first: Any, second: Any) -> bool:  # Any: tables; pyarrow brings no types
        return bool(first.equals(second))
