"""fledge-distributed under fledge's own contract suites."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import ClassVar

from fledge.testing import PluginContract, TaskContract

sys.path.insert(0, str(Path(__file__).parent))

import rank_contract_tasks


class TestDistributedPlugin(PluginContract):
    module = "fledge_distributed.hooks"


class TestRanks(TaskContract):
    task = rank_contract_tasks.from_the_leader
    inputs: ClassVar = {"n": 3}
