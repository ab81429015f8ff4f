"""Help for tests of plugins and tasks: contexts for one test, contract suites, recorded hook calls, the parity check.

Imported by tests only. The fixtures come by themselves: fledge registers `fledge.testing.pytest_plugin` with pytest.
"""

from __future__ import annotations

from fledge.testing.contexts import HookCall, fresh_context, plugin_registered
from fledge.testing.parity import ParityError, assert_parity
from fledge.testing.plugin_contract import PluginContract
from fledge.testing.strict import UnmockedTaskError, only_mocked_tasks
from fledge.testing.task_contract import TaskContract
from fledge.testing.transformer_contract import TransformerContract

__all__ = [
    "HookCall",
    "ParityError",
    "PluginContract",
    "TaskContract",
    "TransformerContract",
    "UnmockedTaskError",
    "assert_parity",
    "fresh_context",
    "only_mocked_tasks",
    "plugin_registered",
]
