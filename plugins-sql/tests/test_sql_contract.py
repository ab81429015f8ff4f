"""fledge-sql under fledge's own contract suites."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import ClassVar

from fledge.testing import PluginContract, TaskContract

sys.path.insert(0, str(Path(__file__).parent))

import sql_contract_tasks


class TestSqlPlugin(PluginContract):
    module = "fledge_sql.hooks"


class TestQuery(TaskContract):
    task = sql_contract_tasks.doubled
    inputs: ClassVar = {"n": 21}
