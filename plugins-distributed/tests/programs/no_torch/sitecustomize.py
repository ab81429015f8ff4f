"""On PYTHONPATH: a process, and all that it starts, in which torch is not installed. Ranks start sooner without it."""

from __future__ import annotations

import sys
from typing import Any, cast

cast("dict[str, Any]", sys.modules)["torch"] = None  # Any: None stands for a module that cannot be imported
