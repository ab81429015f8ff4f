"""`fledge doctor`, `fledge plugins` and `fledge explain` on an installation where nearly everything is wrong."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest

from core.tests.support import INSTALLED, fresh_process

PLUGINS = {
    "broken": "import a_library_that_is_not_there",
    "costs": """
        import time
        import big_library
        end = time.process_time() + 0.1
        while time.process_time() < end:
            pass
        HOOK_API = 1
    """,
    "off": "raise SystemExit('nobody imports me')",
    "one": """
        from fledge import hookimpl
        HOOK_API = 1
        @hookimpl
        def register_storage(register):
            register("mem", dict)
        @hookimpl
        def get_config(task):
            return {"team": "search"}
        @hookimpl
        def get_custom():
            return {"limits": {"cpu": 4}}
    """,
    "two": """
        from fledge import hookimpl
        HOOK_API = 1
        @hookimpl
        def register_storage(register):
            register("mem", list)
        @hookimpl
        def get_custom():
            return {"limits": {"gpu": 1}, "zone": "b"}
    """,
}
TASKS = """
    from fledge import task

    @task
    def train(rows: int) -> float:
        return rows / 2
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with the plugins installed, and with one of our own packages that an update has left behind."""
    for name, source in PLUGINS.items():
        (tmp_path / f"{name}_hooks.py").write_text(textwrap.dedent(source))
        _install(tmp_path, f"dist-{name}", "1.5", f"[fledge]\n{name} = {name}_hooks\n")
    (tmp_path / "big_library.py").write_text("")
    (tmp_path / "tasks.py").write_text(textwrap.dedent(TASKS))
    _install(tmp_path, "fledge-of-old", "0.0.1", "", author="The fledge authors")
    _install(tmp_path, "fledge-of-somebody", "0.0.1", "", author="Somebody")
    return tmp_path


def _install(folder: Path, name: str, version: str, points: str, author: str = "") -> None:
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    by = f"Author: {author}\n" if author else ""
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{by}")
    (info / "entry_points.txt").write_text(points)


def test_a_broken_plugin_is_told_once(site: Path) -> None:
    env = {"FLEDGE_DISABLE_PLUGINS": f"{INSTALLED},off"}
    for command in ("plugins", "doctor"):
        done = fresh_process("-m", "fledge.cli", command, cwd=site, env=env, python_path=(site,))
        assert done.stderr == ""
        assert done.stdout.count("importing broken_hooks failed") == 1
        assert "plugin broken" not in done.stdout
    assert "`fledge doctor` says what to do" in fledge(site, "plugins")[1]


def test_a_missing_module_is_named_in_the_way_out(site: Path) -> None:
    report = json.loads(fledge(site, "doctor", "--json")[1])
    (broken,) = [one for one in report["findings"] if one["about"].startswith("broken")]
    assert broken["problem"].startswith("importing broken_hooks failed: ModuleNotFoundError")
    assert broken["way_out"].startswith("install what brings the module 'a_library_that_is_not_there'; or ")


def test_the_price_is_the_time_that_passes_and_the_memory_that_stays(site: Path) -> None:
    (site / "costs_hooks.py").write_text("import time\ntime.sleep(0.2)\nHOOK_API = 1\nkept = bytearray(50 << 20)\n")
    report = json.loads(fledge(site, "doctor", "--json")[1])
    (price,) = [one for one in report["plugins"] if one["plugin"] == "costs"]
    assert price["load_ms"] >= 200
    assert price["memory_mib"] >= 49


def fledge(site: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and stdout; of the plugins that happen to be installed here none is loaded."""
    env = {
        "FLEDGE_DISABLE_PLUGINS": f"{INSTALLED},off",
        "FLEDGE_LOG": "ERROR",
    }
    done = fresh_process("-m", "fledge.cli", *arguments, cwd=site, env=env, python_path=(site,))
    return done.returncode, done.stdout


def test_doctor_finds_everything_that_is_wrong_and_says_what_to_do(site: Path) -> None:
    code, out = fledge(site, "doctor", "--json")
    report = json.loads(out)
    assert code == 1
    findings: dict[str, dict[str, Any]] = {one["about"]: one for one in report["findings"]}  # Any: JSON
    broken = findings["broken (dist-broken 1.5)"]
    assert "ModuleNotFoundError: No module named 'a_library_that_is_not_there'" in broken["problem"]
    assert "pip install -U dist-broken; or switch it off: FLEDGE_DISABLE_PLUGINS=broken" in broken["way_out"]
    claimed = findings["storage scheme 'mem'"]
    assert (claimed["problem"], claimed["way_out"]) == (
        "claimed by one and two",
        "switch one off: FLEDGE_DISABLE_PLUGINS=two",
    )
    assert findings["fledge-of-old"]["problem"] == f"is 0.0.1, the core is {report['version']}"
    assert findings["fledge-of-old"]["way_out"] == f"pip install fledge-of-old=={report['version']}"
    assert "it loads big_library" in findings["costs"]["problem"]
    assert [about for about, one in findings.items() if one["is_advice"]] == ["costs"]
    assert not any("somebody" in about for about in findings)


def test_doctor_advises_on_a_function_that_lacks_the_mark_of_a_hook(site: Path) -> None:
    (site / "one_hooks.py").write_text("HOOK_API = 1\ndef get_config(task):\n    return {}\n")
    findings = json.loads(fledge(site, "doctor", "--json")[1])["findings"]
    (finding,) = [one for one in findings if one["about"] == "one (dist-one 1.5)"]
    assert finding["problem"] == "its get_config() is named like a hook and has no @hookimpl: it is never called"
    assert finding["is_advice"]


def test_doctor_tells_the_price_of_each_plugin_and_the_environment(site: Path) -> None:
    report = json.loads(fledge(site, "doctor", "--json")[1])
    prices = {one["plugin"]: one for one in report["plugins"]}
    assert sorted(prices) == ["broken", "costs", "one", "two"]
    assert prices["broken"]["load_ms"] is None
    assert prices["costs"]["load_ms"] > 100
    assert prices["costs"]["imports"] == ["big_library", "costs_hooks"]
    assert prices["one"]["memory_mib"] >= 0
    assert report["environment"]["FLEDGE_LOG"] == "ERROR"


def test_doctor_tells_the_price_where_python_knows_no_resource_module(site: Path) -> None:
    """As on Windows."""
    (site / "resource.py").write_text("raise ImportError('there is none')")
    prices = {one["plugin"]: one for one in json.loads(fledge(site, "doctor", "--json")[1])["plugins"]}
    assert prices["one"]["load_ms"] is not None


def test_a_variable_that_nobody_reads_is_named_with_the_nearest_one(tmp_path: Path) -> None:
    env = {"FLEDGE_DISABLE_PLUGINS": INSTALLED, "FLEDGE_CACHE_DIRR": "/tmp", "FLEDGE_CACHE": "0"}
    done = fresh_process("-m", "fledge.cli", "doctor", "--json", cwd=tmp_path, env=env)
    (finding,) = json.loads(done.stdout)["findings"]
    assert finding["about"] == "FLEDGE_CACHE_DIRR"
    assert finding["problem"] == "fledge reads no such variable; did you mean 'FLEDGE_CACHE_DIR'?"
    assert (finding["is_advice"], done.returncode) == (True, 0)


def test_doctor_is_read_by_people_as_well(site: Path) -> None:
    code, out = fledge(site, "doctor")
    assert code == 1
    assert "broken         not importable" in out
    assert "environment: FLEDGE_DISABLE_PLUGINS=" in out
    assert "problem storage scheme 'mem': claimed by one and two\n  what to do: switch one off" in out
    assert "advice costs: its hook module takes" in out


def test_plugins_lists_every_state(site: Path) -> None:
    code, out = fledge(site, "plugins", "--json")
    assert code == 0
    rows = {row["name"]: row for row in json.loads(out)}
    assert {name: row["state"] for name, row in rows.items() if name in PLUGINS} == {
        "broken": "quarantined",
        "costs": "loaded",
        "off": "disabled",
        "one": "loaded",
        "two": "loaded",
    }
    assert rows["one"]["hooks"] == ["get_config", "get_custom", "register_storage"]
    assert (rows["one"]["distribution"], rows["one"]["version"]) == ("dist-one", "1.5")


def test_explain_says_which_plugin_set_what(site: Path) -> None:
    code, out = fledge(site, "explain", "--json", "tasks.py:train")
    told = json.loads(out)
    assert (code, told["task"]) == (0, "tasks.train")
    assert {field: who for field, who in told["origins"].items() if who != "the task"} == {
        "config.team": "one",
        "custom.limits.cpu": "one",
        "custom.limits.gpu": "two",
        "custom.zone": "two",
    }
    assert told["origins"]["container"] == told["origins"]["interface"] == "the task"
    lines = fledge(site, "explain", "tasks.py:train")[1].splitlines()
    assert lines[0] == "tasks.train"
    assert "  custom.limits.gpu  two" in lines
    assert "  container          the task" in lines


def test_explain_tells_of_every_task_of_a_workflow(site: Path) -> None:
    (site / "flows.py").write_text(
        "from fledge import workflow\nfrom tasks import train\n"
        "@workflow\ndef flow(rows: int) -> float:\n    train(rows=rows)\n    return train(rows=2)\n"
    )
    told = json.loads(fledge(site, "explain", "--json", "flows.py:flow")[1])
    assert told["workflow"] == "flows.flow"
    (task,) = told["tasks"]
    assert (task["task"], task["origins"]["config.team"]) == ("tasks.train", "one")
    assert fledge(site, "explain", "flows.py:flow")[1] == fledge(site, "explain", "tasks.py:train")[1]


def test_a_conflict_is_told_with_both_names_and_the_way_out(site: Path) -> None:
    (site / "two_hooks.py").write_text(textwrap.dedent(PLUGINS["two"]).replace('"gpu": 1', '"cpu": 8'))
    done = fresh_process(
        *("-m", "fledge.cli", "explain", "tasks.py:train"),
        cwd=site,
        env={"FLEDGE_DISABLE_PLUGINS": f"{INSTALLED},off"},
        python_path=(site,),
    )
    assert done.returncode == 1
    assert "custom.limits.cpu is set to 4 by one and to 8 by two" in done.stderr
    assert 'prefer={"custom.limits.cpu": "two"}' in done.stderr
