"""Plugins: discovery by metadata, guarded loading, quarantine. Nothing depends on what was installed first."""

from __future__ import annotations

import logging
import os
import signal
import sys
import textwrap
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fledge import SerializationSettings, task
from fledge.context import FlyteContextManager
from fledge.errors import PluginLoadError, UnsupportedTypeError
from fledge.hooks.discovery import InstalledPlugin, installed_plugins
from fledge.hooks.manager import PluginManager
from fledge.local_config import LocalConfig
from fledge.types import TypeRegistry
from fledge.wiring import default_context

SETTINGS = SerializationSettings(project="p", domain="d", version="v")


@task
def add(a: int, b: int = 1) -> int:
    return a + b


class Site:
    """A folder on `sys.path` with distributions in it, as pip installs them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.modules: list[str] = []

    def install(
        self, name: str, source: str = "", *, distribution: str = "", version: str = "1.0", module: str = ""
    ) -> None:
        module = module or f"hooks_of_{name}"
        distribution = distribution or f"dist-{name}"
        self.folder.mkdir(parents=True, exist_ok=True)
        body = "from fledge import hookimpl\nHOOK_API = 1\n" if "HOOK_API" not in source else ""
        (self.folder / f"{module}.py").write_text(body + textwrap.dedent(source))
        info = self.folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n\ntext\n")
        points = info / "entry_points.txt"
        before = points.read_text() if points.exists() else "[console_scripts]\nother = other:main\n\n[fledge]\n"
        points.write_text(f"{before}{name} = {module}\n")
        self.modules.append(module)

    def manager(self, **options: Any) -> PluginManager:  # Any: as PluginManager takes
        manager = PluginManager(TypeRegistry(), **options)
        manager.load()
        return manager


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """The only place on `sys.path` that has plugins."""
    made = Site(tmp_path / "site")
    elsewhere = [entry for entry in sys.path if not installed_plugins([entry])]
    monkeypatch.setattr(sys, "path", [str(made.folder), *elsewhere])
    yield made
    for name in made.modules:
        sys.modules.pop(name, None)


def states(manager: PluginManager) -> dict[str, str | None]:
    return {state.plugin.name: state.state for state in manager.states}


def error_of(manager: PluginManager, name: str) -> str:
    return next(str(state.error) for state in manager.states if state.plugin.name == name)


# -- discovery ---------------------------------------------------------------------------------------------------------


def test_plugins_are_found_by_metadata_alone(site: Site) -> None:
    site.install("b", "raise SystemExit('nobody imported me')", distribution="Dist_B", version="2.1")
    site.install("a")
    assert installed_plugins() == [
        InstalledPlugin("a", "dist-a", "1.0", "hooks_of_a"),
        InstalledPlugin("b", "dist-b", "2.1", "hooks_of_b"),
    ]
    assert "hooks_of_b" not in sys.modules
    assert str(installed_plugins()[1]) == "b (dist-b 2.1)"


def test_a_distribution_further_up_the_path_shadows_one_below(tmp_path: Path) -> None:
    first, second = Site(tmp_path / "first"), Site(tmp_path / "second")
    first.install("a", version="2.0")
    second.install("a", version="1.0")
    second.install("c")
    found = installed_plugins([str(first.folder), str(second.folder)])
    assert [(plugin.name, plugin.version) for plugin in found] == [("a", "2.0"), ("c", "1.0")]


def test_a_zip_on_the_path_is_searched_too(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "plugins.zip", "w") as archive:
        archive.writestr("zipped-3.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: Zipped\nVersion: 3.0\n")
        archive.writestr("zipped-3.0.dist-info/entry_points.txt", "[fledge]\nz = zipped.hooks\n")
    assert installed_plugins([str(tmp_path / "plugins.zip")]) == [InstalledPlugin("z", "zipped", "3.0", "zipped.hooks")]


def test_a_damaged_distribution_in_a_zip_hurts_nobody(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "damaged.zip", "w") as archive:
        archive.writestr("nameless-1.dist-info/METADATA", "Metadata-Version: 2.1\n")
        archive.writestr("other-1.dist-info/entry_points.txt", "[fledge]\nz = zipped.hooks\n")
    found = installed_plugins([str(tmp_path / "damaged.zip")])
    assert found == [InstalledPlugin("z", "unknown", "unknown", "zipped.hooks")]


def test_what_is_no_plugin_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "broken-1.0.dist-info").mkdir()
    (tmp_path / "broken-1.0.dist-info" / "entry_points.txt").write_bytes(b"\xff[fledge]\nx = y\n")
    (tmp_path / "empty-1.0.dist-info").mkdir()
    (tmp_path / "other-1.0.dist-info").mkdir()
    (tmp_path / "other-1.0.dist-info" / "entry_points.txt").write_text("[fledge.other]\nx = y\n")
    assert installed_plugins([str(tmp_path), str(tmp_path / "not there"), str(tmp_path / "a.txt")]) == []


def test_a_distribution_without_metadata_goes_by_its_folder(tmp_path: Path) -> None:
    info = tmp_path / "some_thing-0.9.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_text("[fledge]\n# a comment = x\nname = mod.hooks [extra]\n")
    assert installed_plugins([str(tmp_path)]) == [InstalledPlugin("name", "some-thing", "0.9", "mod.hooks")]


# -- loading and quarantine --------------------------------------------------------------------------------------------


def test_a_good_plugin_is_loaded_with_its_hooks(site: Site) -> None:
    site.install("good", "@hookimpl\ndef get_custom(task): return {'a': 1}\n@hookimpl\ndef task_event(event): pass\n")
    manager = site.manager()
    assert states(manager) == {"good": "loaded"}
    assert manager.states[0].hooks == ["get_custom", "task_event"]
    assert manager.has_observers


BROKEN = {
    "import": ("raise ImportError('no library')", "importing hooks_of_broken failed: ImportError: no library"),
    "exit": ("raise SystemExit(3)", "importing hooks_of_broken failed: SystemExit: 3"),
    "syntax": ("def broken(:\n", "importing hooks_of_broken failed: SyntaxError"),
    "no api": ("HOOK_API_MISSING = 1", "its hook module does not say HOOK_API = 1"),
    "newer api": ("HOOK_API = 2", "it was written for hook API 2; this fledge has 1. Install a newer fledge"),
    "older api": ("HOOK_API = 0", "it was written for hook API 0; this fledge has 1. Install an older fledge"),
    "unknown hook": ("@hookimpl\ndef get_costum(task): pass", "get_costum() implements no hook of this fledge"),
    "unknown argument": (
        "@hookimpl\ndef get_custom(task, context): pass",
        "get_custom() takes context; the hook gives task, settings",
    ),
    "any arguments": (
        "@hookimpl\ndef get_custom(*args, **kwargs): pass",
        "get_custom() takes *args, **kwargs; the hook gives task, settings",
    ),
    "arguments by position": (
        "@hookimpl\ndef get_custom(task, /): pass",
        "get_custom() takes task, /; the hook gives task, settings",
    ),
    "one hook twice": (
        "@hookimpl\ndef get_custom(): pass\n@hookimpl(specname='get_custom')\ndef more(): pass",
        "get_custom() and more() both implement get_custom",
    ),
    "tryfirst": ("@hookimpl(tryfirst=True)\ndef get_custom(task): pass", "get_custom() is marked tryfirst"),
    "trylast": ("@hookimpl(trylast=True)\ndef get_custom(task): pass", "get_custom() is marked trylast"),
    "wrapper": ("@hookimpl(wrapper=True)\ndef get_custom(task): yield", "get_custom() is marked wrapper"),
    "old wrapper": ("@hookimpl(hookwrapper=True)\ndef get_custom(task): yield", "get_custom() is marked hookwrapper"),
    "optional": ("@hookimpl(optionalhook=True)\ndef get_custom(task): pass", "get_custom() is marked optionalhook"),
    "registration": (
        "@hookimpl\ndef register_types(register): raise LookupError('no table')",
        "its registration failed: LookupError: no table",
    ),
    "registration exits": (
        "import sys\n@hookimpl\ndef register_types(register): sys.exit(1)",
        "its registration failed: SystemExit: 1",
    ),
    "no task class": (
        "@hookimpl\ndef register_task_types(register): register(int, 'Task')",
        "its registration failed: TypeError: register(config type, task class) was given",
    ),
    "no transformer": (
        "@hookimpl\ndef register_types(register): register(3)",
        "its registration failed: TypeError: register(transformer) was given 3, which has no python_type",
    ),
    "no class": (
        "class Odd:\n    python_type = ['list']\n@hookimpl\ndef register_types(register): register(Odd())",
        "its registration failed: TypeError: <hooks_of_broken.Odd object at",
    ),
    "no factory": (
        "@hookimpl\ndef register_storage(register): register('mem', None)",
        "its registration failed: TypeError: register(scheme, factory) was given 'mem' and None",
    ),
    "environment": ("import os\nos.environ['X_PLUGIN'] = '1'", "importing hooks_of_broken changed the environment"),
    "path": ("import sys\nsys.path.append('/x')", "importing hooks_of_broken changed sys.path"),
    "signal": (
        "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)",
        "importing hooks_of_broken changed the handler of SIGTERM",
    ),
    "hostile": (
        "class HOOK_API:\n    def __eq__(self, other): raise RuntimeError('odd')\nHOOK_API = HOOK_API()",
        "it cannot be read: RuntimeError: odd",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_plugin_is_quarantined_with_its_reason_and_the_others_work(
    site: Site, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    source, message = BROKEN[case]
    site.install("broken", source if case != "no api" else "HOOK_API_MISSING = 1\n")
    site.install("good", "@hookimpl\ndef get_custom(): return {'good': True}")
    with caplog.at_level(logging.WARNING, "fledge.hooks"):
        manager = site.manager()
    assert states(manager) == {"broken": "quarantined", "good": "loaded"}
    assert error_of(manager, "broken").startswith(f"plugin broken (dist-broken 1.0): {message}")
    assert "broken (dist-broken 1.0)" in caplog.text
    assert manager.contributions("get_custom", add, settings=SETTINGS) == [("good", {"good": True})]


UNMARKED = {
    "no mark": ("def get_config(task): return {'a': 'b'}", ["get_config"]),
    "two": ("def render(value): pass\ndef task_event(event): pass", ["render", "task_event"]),
    "of another package": ("from textwrap import dedent as render", []),
    "the specification": ("from fledge.hooks.spec import get_config", []),
    "a method of a builtin": ("render = str.upper", []),
    "no function": ("render = 'fast'", []),
    "a helper of the hook": ("def render(): pass\n@hookimpl(specname='render')\ndef show(value): return render()", []),
    "marked": ("@hookimpl\ndef get_config(task): return {'a': 'b'}", []),
}


@pytest.mark.parametrize("case", UNMARKED)
def test_a_function_that_is_named_like_a_hook_and_not_marked_is_told(
    site: Site, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    source, unmarked = UNMARKED[case]
    site.install("shop", source)
    with caplog.at_level(logging.WARNING, "fledge.hooks"):
        manager = site.manager()
    assert states(manager) == {"shop": "loaded"}
    assert manager.states[0].unmarked == unmarked
    told = "plugin shop (dist-shop 1.0): {}() is named like a hook and has no @hookimpl: it is never called"
    assert [message.partition(". ")[0] for message in caplog.messages] == [told.format(name) for name in unmarked]


@pytest.mark.parametrize("name", ["SIGUSR1", "SIGCHLD", "SIGRTMIN+1"])
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems have fewer signals")
def test_the_handler_of_any_signal_is_taken_back(site: Site, name: str) -> None:
    number = getattr(signal, name.partition("+")[0]) + (name.endswith("+1"))
    before = signal.getsignal(number)
    try:
        site.install("broken", f"import signal\nsignal.signal({int(number)}, lambda *_: None)")
        manager = site.manager()
        assert signal.getsignal(number) is before
    finally:
        signal.signal(number, before)
    told = f"signal {number}" if name.endswith("+1") else name
    assert f"importing hooks_of_broken changed the handler of {told}." in error_of(manager, "broken")


@pytest.mark.parametrize("case", ["environment", "path", "signal"])
def test_what_an_import_changed_is_taken_back(site: Site, case: str) -> None:
    before = dict(os.environ), list(sys.path), signal.getsignal(signal.SIGTERM)
    site.install("broken", BROKEN[case][0])
    site.manager()
    assert (dict(os.environ), list(sys.path), signal.getsignal(signal.SIGTERM)) == before


def test_a_failed_registration_leaves_nothing_behind(site: Site) -> None:
    site.install(
        "half",
        """
        class Config: pass
        @hookimpl
        def register_task_types(register):
            from fledge.function import PythonFunctionTask
            register(Config, PythonFunctionTask)
        @hookimpl
        def register_storage(register):
            register("half", lambda: None)
        @hookimpl
        def register_types(register):
            class Unhashable(type):
                __hash__ = None
            register(type("Fine", (), {"python_type": Config})())
            register(type("Odd", (), {"python_type": Unhashable("Odd", (), {})})())
        @hookimpl
        def get_custom(): return {"half": True}
        """,
    )
    manager = site.manager()
    assert states(manager) == {"half": "quarantined"}
    assert manager.task_class(sys.modules["hooks_of_half"].Config) is None
    assert manager.storages == {}
    assert manager.registry.conflicts() == manager.conflicts() == []
    assert manager.contributions("get_custom", add, settings=SETTINGS) == []
    with pytest.raises(UnsupportedTypeError):
        manager.registry.find(sys.modules["hooks_of_half"].Config)


def test_an_interrupt_while_a_plugin_registers_is_not_the_plugins_fault(site: Site) -> None:
    site.install(
        "slow",
        """
        import builtins
        @hookimpl
        def register_types(register):
            if not hasattr(builtins, "interrupted"):
                builtins.interrupted = True
                raise KeyboardInterrupt
        """,
    )
    manager = PluginManager(TypeRegistry())
    with pytest.raises(KeyboardInterrupt):
        manager.load()
    manager.load()
    import builtins

    assert builtins.__dict__.pop("interrupted")
    assert states(manager) == {"slow": "loaded"}


def test_a_hook_gets_what_it_names_whatever_its_defaults(site: Site) -> None:
    site.install(
        "named",
        """
        @hookimpl
        def get_custom(*, settings=None, task, mine="kept"):
            return {"task": task.name, "project": settings.project, "mine": mine}
        """,
    )
    found = site.manager().contributions("get_custom", add, settings=SETTINGS)
    assert found == [("named", {"task": add.name, "project": "p", "mine": "kept"})]


def test_the_cause_is_kept(site: Site) -> None:
    site.install("broken", "raise ImportError('no library')")
    error = site.manager().states[0].error
    assert isinstance(error, PluginLoadError)
    assert isinstance(error.__cause__, ImportError)


def test_an_interrupt_while_a_plugin_is_imported_is_not_the_plugins_fault(site: Site) -> None:
    site.install("broken", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        site.manager()


def test_a_plugin_that_is_switched_off_is_not_imported(site: Site) -> None:
    site.install("off", "raise ImportError")
    site.install("on")
    assert states(site.manager(disable=["off"])) == {"off": "disabled", "on": "loaded"}
    assert "hooks_of_off" not in sys.modules


def test_the_environment_switches_plugins_off(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.install("off", "raise ImportError")
    monkeypatch.setenv("FLEDGE_DISABLE_PLUGINS", "other, off")
    context = default_context(LocalConfig.from_env())
    context.plugins.load()
    assert isinstance(context.plugins, PluginManager)
    assert states(context.plugins) == {"off": "disabled"}


def test_a_name_that_no_plugin_has_is_told_when_it_is_to_be_switched_off(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.install("storage")
    assert states(site.manager(disable=["storrage"])) == {"storage": "loaded"}
    assert caplog.messages == ["FLEDGE_DISABLE_PLUGINS: no plugin is called 'storrage'; did you mean 'storage'?"]


def test_one_identity_twice_in_one_place_quarantines_both(site: Site) -> None:
    site.install("twin", distribution="dist-twin", version="1.0", module="hooks_of_twin_1")
    site.install("twin", distribution="dist-twin", version="2.0", module="hooks_of_twin_2")
    manager = site.manager()
    assert [state.state for state in manager.states] == ["quarantined", "quarantined"]
    assert "installed twice in one place" in error_of(manager, "twin")


def test_two_distributions_may_have_a_plugin_of_the_same_name(site: Site) -> None:
    site.install("same", "@hookimpl\ndef get_custom(): return {'a': 1}", distribution="one", module="hooks_of_one")
    site.install("same", "@hookimpl\ndef get_custom(): return {'b': 2}", distribution="two", module="hooks_of_two")
    found = site.manager().contributions("get_custom", add, settings=SETTINGS)
    assert found == [("same", {"a": 1}), ("two:same", {"b": 2})]


def test_one_module_cannot_be_two_plugins(site: Site) -> None:
    site.install("first", module="hooks_shared", distribution="shared")
    site.install("second", module="hooks_shared", distribution="shared")
    manager = site.manager()
    assert states(manager) == {"first": "loaded", "second": "quarantined"}
    assert "its hook module is already that of plugin first" in error_of(manager, "second")


def test_loading_happens_once(site: Site) -> None:
    site.install("counted", "import builtins\nbuiltins.counted = getattr(builtins, 'counted', 0) + 1")
    manager = site.manager()
    manager.load()
    import builtins

    assert builtins.__dict__.pop("counted") == 1


def test_a_plugin_whose_import_asks_for_the_plugins_does_not_hang(site: Site) -> None:
    site.install(
        "curious",
        "from fledge.context import FlyteContextManager\nFlyteContextManager.current_context().plugins.load()",
    )
    context = default_context(LocalConfig.from_env({}))
    with FlyteContextManager.with_context(context):
        context.plugins.load()
        assert isinstance(context.plugins, PluginManager)
        assert states(context.plugins) == {"curious": "loaded"}


def test_a_second_thread_waits_until_the_plugins_are_there(site: Site) -> None:
    """The import of the plugin waits for the second thread to have asked; only then it goes on."""
    site.install(
        "slow",
        """
        import sys
        gate = sys.modules["gate_of_the_test"]
        gate.importing.set()
        gate.asked.wait(10)
        @hookimpl
        def get_custom(): return {"a": 1}
        """,
    )
    from types import ModuleType

    gate = ModuleType("gate_of_the_test")
    gate.__dict__.update(importing=threading.Event(), asked=threading.Event())
    sys.modules["gate_of_the_test"] = gate
    manager = PluginManager(TypeRegistry())
    found: list[Any] = []

    def second() -> None:
        gate.importing.wait(10)
        threading.Timer(0.05, gate.asked.set).start()
        found.extend(manager.contributions("get_custom", add, settings=SETTINGS))

    thread = threading.Thread(target=second)
    thread.start()
    manager.load()
    thread.join()
    del sys.modules["gate_of_the_test"]
    assert found == [("slow", {"a": 1})]
