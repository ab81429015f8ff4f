"""The contract of a whole plugin, as tests to inherit."""

from __future__ import annotations

import copy
import importlib
import inspect
import json
import subprocess
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, cast

from fledge import events, idl
from fledge.function import PythonFunctionTask
from fledge.hooks.spec import HOOK_API
from fledge.serialize import task_template
from fledge.settings import SerializationSettings
from fledge.testing.contexts import HookCall, plugin_registered

if TYPE_CHECKING:
    from fledge.hooks.manager import PluginManager

__all__ = ["PluginContract"]

# What a hook module must not load: it is imported by every program that runs a task.
HEAVY = (
    "duckdb",
    "jax",
    "matplotlib",
    "numpy",
    "pandas",
    "polars",
    "pyarrow",
    "pydantic",
    "sqlglot",
    "tensorflow",
    "torch",
)
_PROBE = """
import json, os, signal, sys, threading
import fledge.hooks.spec
def state():
    return {
        "environment": dict(os.environ),
        "sys.path": list(sys.path),
        "threads": threading.active_count(),
        "signal handlers": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "excepthook": sys.excepthook,
    }
known, before = set(sys.modules), state()
__import__(sys.argv[1])
changed = [name for name, value in state().items() if value != before[name]]
print(json.dumps({"loaded": sorted(set(sys.modules) - known), "changed": changed}))
"""


def _identity(a: int) -> int:
    """A plain task for contributions to look at."""
    return a


_plain_task: PythonFunctionTask[Any] = PythonFunctionTask(None, _identity)  # Any: of no config


class PluginContract:
    """Inherit, name the hook module, run pytest.

        class TestMyPlugin(PluginContract):
            module = "fledge_mine.hooks"

    Attributes:
        module: The entry point's module.
        task: A task whose template the plugin contributes to; None: a plain one.
        allowed_imports: Heavy modules that this plugin may load after all, with the plugin's author knowing the price.
    """

    module: ClassVar[str]
    task: ClassVar[PythonFunctionTask[Any] | None] = None  # Any: of any config
    allowed_imports: ClassVar[tuple[str, ...]] = ()

    @property
    def hooks(self) -> ModuleType:
        return importlib.import_module(self.module)

    def _task(self) -> PythonFunctionTask[Any]:  # Any: of any config
        return self.task if self.task is not None else _plain_task

    def _probe(self) -> Mapping[str, Any]:  # Any: JSON
        done = subprocess.run([sys.executable, "-c", _PROBE, self.module], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"importing {self.module} failed:\n{done.stderr}"
        found: Mapping[str, Any] = json.loads(done.stdout.splitlines()[-1])  # Any: JSON
        return found

    def test_it_states_the_hook_api(self) -> None:
        assert getattr(self.hooks, "HOOK_API", None) == HOOK_API

    def test_its_hooks_keep_the_spec(self) -> None:
        """Names, arguments, no ordering marks; registration succeeds."""
        with plugin_registered(self.hooks) as context:
            assert context.plugins is not None

    def test_what_is_named_like_a_hook_is_marked(self) -> None:
        """A function without `@hookimpl` is never called."""
        with plugin_registered(self.hooks) as context:
            unmarked = cast("PluginManager", context.plugins).states[-1].unmarked
        assert not unmarked, f"{', '.join(unmarked)}: mark with @hookimpl, or give it another name"

    def test_importing_its_hook_module_changes_nothing(self) -> None:
        assert self._probe()["changed"] == []

    def test_its_hook_module_is_light(self) -> None:
        loaded = {name.partition(".")[0] for name in self._probe()["loaded"]}
        heavy = sorted(loaded & set(HEAVY) - set(self.allowed_imports))
        assert not heavy, f"{self.module} loads {heavy}: import them inside the hooks that need them"

    def test_it_can_be_registered_in_many_contexts(self) -> None:
        with plugin_registered(self.hooks) as first, plugin_registered(self.hooks) as second:
            assert first.registry is not second.registry

    def test_its_contributions_are_pure_and_json(self) -> None:
        settings, calls = SerializationSettings(project="p", domain="d", version="v"), list[HookCall]()
        with plugin_registered(self.hooks, calls=calls):
            task = self._task()
            templates = [idl.deterministic_bytes(task_template(task, settings)) for _ in range(2)]
        assert templates[0] == templates[1]
        for name in ("get_custom", "get_config"):
            hook = getattr(self.hooks, name, None)
            if hook is not None:
                json.dumps(_call(hook, task=task, settings=settings) or {})

    def test_it_survives_every_event(self) -> None:
        hook = getattr(self.hooks, "task_event", None)
        if hook is None:
            return
        error = ValueError("a user's error")
        for event in (
            events.Started("t"),
            events.Retrying("t", attempt=1, error=error),
            events.CacheHit("t"),
            events.Finished("t", seconds=0.1),
            events.Failed("t", error=error),
            events.Ignored("t", 1),
        ):
            assert _call(hook, event=copy.copy(event)) is None

    def test_it_renders_text_or_nothing(self) -> None:
        hook = getattr(self.hooks, "render", None)
        if hook is None:
            return
        for value in (None, 1, "<script>alert(1)</script>", object()):
            html = _call(hook, value=value, python_type=type(value))
            assert html is None or (isinstance(html, str) and "<script" not in html)


def _call(hook: Any, **arguments: Any) -> Any:  # Any: a hook of any signature
    """As the manager does: only the arguments the implementation takes."""
    taken = inspect.signature(hook).parameters
    return hook(**{name: value for name, value in arguments.items() if name in taken})
