"""Tests that need flytekit are left out where it is not installed; at the end, what was compared."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from tests.parity.tally import TALLY

if TYPE_CHECKING:
    import pytest

HAS_FLYTEKIT = importlib.util.find_spec("flytekit") is not None
collect_ignore = [] if HAS_FLYTEKIT else ["test_parity.py", "test_docstrings_alike.py", "test_stored_values.py"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if TALLY.programs:
        terminalreporter.write_line(str(TALLY))
