"""What holds for every test of the repository: hypothesis profiles, and which tests wait for which environment.

`--hypothesis-profile=NAME` picks a profile: `default` for every day, `ci` where `CI` is set (the same examples on every
run), `fuzz` for a long search (`nox -s fuzz`).
"""

from __future__ import annotations

import importlib.util
import os
import signal

from hypothesis import HealthCheck, settings

# No deadline: nothing may depend on how fast this machine is at the moment.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("default"), derandomize=True, print_blob=True)
settings.register_profile("fuzz", settings.get_profile("default"), max_examples=20_000, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")

# A shell without job control starts its background work with Ctrl-C ignored, and every child would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

HAS_FLYTEKIT = importlib.util.find_spec("flytekit") is not None


def pytest_report_header() -> str:
    """Say which tests are left to another session."""
    return (
        "flytekit: installed"
        if HAS_FLYTEKIT
        else "flytekit: not installed, its oracle is the golden file; `nox -s parity` asks it again"
    )
