"""fledge-distributed under fledge's own contract suites."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import ClassVar

import pytest

from fledge import SerializationSettings, idl
from fledge.context import FlyteContextManager
from fledge.testing import PluginContract, TaskContract
from fledge_distributed import Ranks, hooks
from fledge_distributed.launcher import launch
from fledge_distributed.rank_run import address_of, run_of
from fledge_distributed.reports import RankReport, as_html

sys.path.insert(0, str(Path(__file__).parent))

import rank_contract_tasks


class TestDistributedPlugin(PluginContract):
    module = "fledge_distributed.hooks"


class TestRanks(TaskContract):
    task = rank_contract_tasks.from_the_leader
    inputs: ClassVar = {"n": 3}


HEAVY = ("attempt", "launcher", "elastic", "zygote", "supervision", "dispatching", "replicas", "rank_run", "messages")


def test_the_hook_module_brings_none_of_what_running_needs() -> None:
    """Every program with a task loads it; `fledge doctor` tells how long that takes."""
    code = (
        "import sys, fledge.decorators, fledge.function, fledge.hooks.loading, fledge.wiring\n"
        "before = set(sys.modules)\n"
        "import fledge_distributed.hooks\n"
        "print(*sorted(set(sys.modules) - before))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = set(done.stdout.split())
    assert not {f"fledge_distributed.{name}" for name in HEAVY} & loaded
    assert not {"pickle", "subprocess", "selectors", "socket", "tempfile", "logging", "json"} & loaded
    assert not {name for name in loaded if name.startswith(("google", "flyteidl", "torch", "numpy"))}


def test_a_rank_imports_nothing_of_fledge_that_it_could_have_from_the_zygote(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each import would cost every rank, before its body or between its return and the caller's value."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "programs"))
    inputs = idl.literals.LiteralMap()
    inputs.literals["n"].scalar.primitive.integer = 1
    ctx = FlyteContextManager.current_context()
    address = address_of(rank_contract_tasks.from_the_leader, SerializationSettings())
    payload = pickle.dumps(run_of(address, ctx, inputs.SerializeToString()))
    told = launch(payload, "rank_imports:imported_by_run", Ranks(nproc=1, preload=("fledge_distributed.preloaded",)))
    imported = told.decode().split()
    assert "rank_contract_tasks" in imported, "the user's module is a rank's own"
    assert not [name for name in imported if name.partition(".")[0] in ("fledge", "fledge_distributed")]


def test_a_report_of_ranks_is_a_table_in_which_what_ranks_said_is_only_text() -> None:
    report = RankReport(1, 0, "failed", 1.25, 80.0, "ValueError: <script>alert(1)</script>")
    for value in (report, [report], (report,)):
        html = hooks.render(value)
        assert html is not None
        assert "<td>failed</td><td>1.25</td><td>80</td>" in html
        assert "&lt;script&gt;" in html
        assert "<script" not in html
        assert "<svg" not in html, "times that nobody measured have no picture"
    for other in ([], [report, 1], "text", {"rank": 1}):
        assert hooks.render(other) is None


def test_a_report_of_ranks_shows_when_each_of_them_ran() -> None:
    begin = datetime(2013, 1, 1, tzinfo=timezone.utc)
    seconds = [begin + timedelta(seconds=one) for one in range(21)]
    reports = [
        RankReport(0, 0, "returned", 10, 80.0, started=seconds[0], ended=seconds[10]),
        RankReport(1, 0, "failed", 15, 80.0, started=seconds[5], ended=seconds[20]),
    ]
    html = as_html(reports)
    assert "<th>when</th>" in html
    assert re.findall(r'class="bar (\w+)".+?<rect x="(\d+)" width="(\d+)"', html) == [
        ("returned", "0", "500"),
        ("failed", "250", "750"),
    ]
