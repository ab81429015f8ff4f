"""The plugin manager: discover, load under guard, quarantine, and call hooks so that no plugin can hurt.

Plugins are loaded together, once, when a context first needs them. A plugin that breaks is quarantined with its cause;
the others work. Nothing here depends on the order in which plugins were installed: everything goes by plugin name.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from fledge.errors import ClaimConflictError, HookCallError, PluginError, PluginLoadError, nearest, short_repr
from fledge.hooks.discovery import InstalledPlugin, installed_plugins
from fledge.lazy import lazy, lazy_logger

if TYPE_CHECKING:
    import pluggy

    from fledge.base_task import PythonTask, Task
    from fledge.events import TaskEvent
    from fledge.hooks import loading
    from fledge.storage import Storage
    from fledge.types.base import TypeRegistry, TypeTransformer
else:
    loading = lazy("fledge.hooks.loading")

__all__ = ["PluginManager", "PluginState"]

_log = lazy_logger("fledge.hooks")
_trace = lazy_logger("fledge.hooks.trace")


Observer = Callable[[str, str, Mapping[str, object]], None]


def _log_call(plugin: str, hook: str, arguments: Mapping[str, object]) -> None:
    _trace.info(
        "%s: %s(%s)", plugin, hook, ", ".join(f"{name}={short_repr(value, 60)}" for name, value in arguments.items())
    )


@dataclass
class PluginState:
    """What became of one plugin: "loaded", "quarantined" (with the error) or "disabled"; None: not loaded yet.

    `unmarked` are functions that are named like a hook and never called, as they lack `@hookimpl`.
    """

    plugin: InstalledPlugin
    state: str | None = None
    error: PluginError | None = None
    hooks: list[str] = field(default_factory=list)
    unmarked: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Implementation:
    """One plugin's function for one hook, with the arguments it wants."""

    plugin: str
    function: Callable[..., Any]  # Any: each hook returns its own thing
    arguments: tuple[str, ...]

    @property
    def package(self) -> str:
        return self.function.__module__.partition(".")[0]


class PluginManager:
    """The plugins of one context.

    Args:
        registry: Where plugins register types.
        disable: Names of plugins that are not loaded.
        discover: False: only what `register` adds; for tests.
        trace: Log every hook call to `fledge.hooks.trace`.
    """

    def __init__(
        self, registry: TypeRegistry, *, disable: Iterable[str] = (), discover: bool = True, trace: bool = False
    ) -> None:
        self.registry = registry
        self.storages: dict[str, Callable[[], Storage]] = {}
        self.states: list[PluginState] = []
        self._disable = frozenset(disable)
        self._discover = discover
        self._observers: list[Observer] = [_log_call] if trace else []
        self._task_classes: dict[type, list[tuple[str, type[PythonTask[Any]]]]] = {}  # Any: of any config
        self._schemes: dict[str, list[str]] = {}
        self._hooks: dict[str, tuple[_Implementation, ...]] = defaultdict(tuple)
        self._reported: set[tuple[str, str]] = set()
        self._lock = threading.RLock()
        self._is_loaded = self._is_loading = False

    @cached_property
    def _pluggy(self) -> pluggy.PluginManager:
        """Made when a plugin is there to be registered: defining a task needs no pluggy."""
        return loading.new_manager()

    # -- loading -------------------------------------------------------------------------------------------------------

    def load(self) -> None:
        """Import and register every installed plugin; does nothing the second time."""
        if self._is_loaded:
            return
        with self._lock:
            if self._is_loaded or self._is_loading:  # the latter: a plugin's import asks for the context
                return
            self._is_loading = True
            try:
                self._load_all()
            finally:  # an interrupt may end it half-way: the next call goes on where this one stopped
                self._is_loading = False
                self.states[:] = [state for state in self.states if state.state is not None]
            self._is_loaded = True

    def _load_all(self) -> None:
        found = installed_plugins() if self._discover else []
        identities = [plugin.identity for plugin in found]
        known = [state.plugin for state in self.states]
        for plugin in found:
            if plugin in known and identities.count(plugin.identity) == 1:
                continue
            state = PluginState(plugin)
            self.states.append(state)
            if plugin.name in self._disable:
                state.state = "disabled"
            elif identities.count(plugin.identity) > 1:
                self._quarantine(
                    state, PluginLoadError(str(plugin), "its distribution is installed twice in one place")
                )
            else:
                self._load_one(state)
        unknown = sorted(self._disable - {plugin.name for plugin in found})
        if unknown and self._discover:
            names = [plugin.name for plugin in found]
            told = ", ".join(f"{name!r}{nearest(name, names)}" for name in unknown)
            _log.warning("FLEDGE_DISABLE_PLUGINS: no plugin is called %s", told)

    def _load_one(self, state: PluginState) -> None:
        try:
            self._add(state, loading.import_hooks(state.plugin))
        except PluginError as exc:
            self._quarantine(state, exc)
        except Exception as exc:  # noqa: BLE001 - a module may do anything, also when it is looked at
            error = PluginLoadError(str(state.plugin), f"it cannot be read: {type(exc).__name__}: {exc}")
            error.__cause__ = exc
            self._quarantine(state, error)

    def _quarantine(self, state: PluginState, error: PluginError) -> None:
        state.state, state.error = "quarantined", error
        _log.warning("%s. It is left out; `fledge plugins` tells more", error)

    def register(self, hooks: object, name: str) -> None:
        """Add a hook module or object by hand, as tests do. PluginError when it does not keep the contract."""
        with self._lock:
            state = PluginState(
                InstalledPlugin(name, "registered by hand", "", getattr(hooks, "__name__", repr(hooks)))
            )
            self._add(state, hooks)
            self.states.append(state)

    def _add(self, state: PluginState, hooks: object) -> None:
        name = self._unique_name(state.plugin)
        state.unmarked = loading.check_hooks(str(state.plugin), hooks, self._pluggy)
        if self._pluggy.is_registered(hooks):
            other = self._pluggy.get_name(hooks)
            raise PluginLoadError(str(state.plugin), f"its hook module is already that of plugin {other}")
        self._pluggy.register(hooks, name=name)
        try:
            found = self._implementations(name)
            self._run_registrations(name, found)
        except BaseException as exc:
            self._pluggy.unregister(hooks)
            if not isinstance(exc, (Exception, SystemExit)):  # an interrupt is not the plugin's fault
                raise
            raise PluginLoadError(str(state.plugin), f"its registration failed: {type(exc).__name__}: {exc}") from exc
        for hook, one in found.items():
            self._hooks[hook] = tuple(sorted((*self._hooks[hook], one), key=lambda one: one.plugin))
        state.state, state.hooks = "loaded", list(found)
        for hook in state.unmarked:
            _log.warning(
                "plugin %s: %s() is named like a hook and has no @hookimpl: it is never called. Mark or rename it",
                state.plugin,
                hook,
            )

    def _unique_name(self, plugin: InstalledPlugin) -> str:
        return plugin.name if not self._pluggy.has_plugin(plugin.name) else f"{plugin.distribution}:{plugin.name}"

    def _implementations(self, name: str) -> dict[str, _Implementation]:
        """By hook, what the plugin of this name implements."""
        return {
            hook: _Implementation(name, impl.function, loading.arguments_of(hook, impl.function))
            for hook in loading.HOOK_NAMES
            for impl in getattr(self._pluggy.hook, hook).get_hookimpls()
            if impl.plugin_name == name
        }

    def _run_registrations(self, name: str, found: Mapping[str, _Implementation]) -> None:
        """Collect what the plugin registers, and take it over only when all of it went well."""
        classes: list[tuple[type, type[PythonTask[Any]]]] = []  # Any: of any config
        transformers: list[TypeTransformer[Any]] = []  # Any: of any Python type
        schemes: list[tuple[str, Callable[[], Storage]]] = []
        collectors: dict[str, Callable[..., None]] = {
            "register_task_types": lambda config, task_class: classes.append((config, task_class)),
            "register_types": transformers.append,
            "register_storage": lambda scheme, factory: schemes.append((scheme, factory)),
        }
        for hook, collect in collectors.items():
            if hook in found:
                self._call(hook, found[hook], {"register": collect})
        _check_registered(classes, transformers, schemes)
        for config, task_class in classes:
            self._task_classes.setdefault(config, []).append((name, task_class))
        for transformer in transformers:
            self.registry.register(transformer, owner=name)
        for scheme, factory in schemes:
            self._claim_scheme(name, scheme, factory)

    def _claim_scheme(self, name: str, scheme: str, factory: Callable[[], Storage]) -> None:
        claims = self._schemes.setdefault(scheme, [])
        claims.append(name)
        if len(claims) == 1:
            self.storages[scheme] = factory
            return
        first, second = sorted(claims)[:2]

        def refuse() -> Storage:
            raise ClaimConflictError(f"storage scheme {scheme!r}", first, second)

        self.storages[scheme] = refuse

    def observe(self, observer: Observer) -> None:
        """Call `observer(plugin, hook, arguments)` before every hook call from now on."""
        self._observers.append(observer)

    # -- asking --------------------------------------------------------------------------------------------------------

    @property
    def has_observers(self) -> bool:
        return bool(self._hooks["task_event"])

    def task_class(self, config_type: type) -> type[PythonTask[Any]] | None:  # Any: of any config
        """The task class registered for exactly this config type. ClaimConflictError for two different claims."""
        self.load()
        claims = sorted(self._task_classes.get(config_type, ()), key=lambda claim: claim[0])
        if len({task_class for _, task_class in claims}) > 1:
            raise ClaimConflictError(f"task_config type {config_type.__qualname__}", claims[0][0], claims[1][0])
        return claims[0][1] if claims else None

    def why_missing(self, package: str) -> str:
        """Why no plugin with its hooks in this package is at work; empty when none is installed."""
        self.load()
        for state in self.states:
            if state.plugin.module.partition(".")[0] == package and state.state != "loaded":
                return str(state.error) if state.error else f"plugin {state.plugin} is switched off"
        return ""

    def conflicts(self) -> list[tuple[str, list[str]]]:
        """What two or more plugins claim, each with their names: config types, storage schemes and Python types."""
        self.load()
        found = [
            (f"task_config type {config.__module__}.{config.__qualname__}", sorted(name for name, _ in claims))
            for config, claims in self._task_classes.items()
            if len({task_class for _, task_class in claims}) > 1
        ]
        found += [
            (f"storage scheme {scheme!r}", sorted(names)) for scheme, names in self._schemes.items() if len(names) > 1
        ]
        return sorted(found + self.registry.conflicts())

    def implements(self, hook: str) -> bool:
        """Does any plugin implement this hook?"""
        self.load()
        return bool(self._hooks[hook])

    def contributions(self, hook: str, task: Task, **arguments: object) -> list[tuple[str, Any]]:
        """(plugin, answer) of every plugin that implements a contribution hook, in order of plugin name.

        Raises:
            HookCallError: A plugin raised; its exception is the cause.
        """
        self.load()
        answers = []
        for one in self._hooks[hook]:
            try:
                answers.append((one.plugin, self._call(hook, one, {"task": task, **arguments})))
            except Exception as exc:
                raise HookCallError(one.plugin, hook, task.name, f"{type(exc).__name__}: {exc}") from exc
        return answers

    def notify(self, event: TaskEvent) -> None:
        """Hand an event to every plugin. What a plugin raises is logged, once per plugin."""
        for one in self._hooks["task_event"]:
            try:
                self._call("task_event", one, {"event": event})
            except (Exception, SystemExit):  # noqa: BLE001 - an observer must never break the task it observes
                self._report_once(one.plugin, "task_event")

    def render(self, value: object, python_type: type) -> str | None:
        """HTML from the plugin whose package the value's class is from, else from the first by name that answers.

        None when nobody does.
        """
        home = type(value).__module__.partition(".")[0]
        for one in sorted(self._hooks["render"], key=lambda one: one.package != home):
            try:
                html = self._call("render", one, {"value": value, "python_type": python_type})
            except Exception:  # noqa: BLE001 - a broken renderer costs its picture, not the run
                self._report_once(one.plugin, "render")
                continue
            if isinstance(html, str):
                return html
        return None

    def _call(self, hook: str, one: _Implementation, arguments: Mapping[str, object]) -> Any:  # Any: the hook's answer
        for observe in self._observers:
            observe(one.plugin, hook, {name: arguments[name] for name in one.arguments})
        return one.function(**{name: arguments[name] for name in one.arguments})

    def _report_once(self, plugin: str, hook: str) -> None:
        if (plugin, hook) not in self._reported:
            self._reported.add((plugin, hook))
            _log.exception("plugin %s: %s() failed; later failures of it are not logged", plugin, hook)


def _check_registered(
    classes: Iterable[tuple[object, object]],
    transformers: Iterable[object],
    schemes: Iterable[tuple[object, object]],
) -> None:
    """TypeError for what cannot be meant, before any of it is taken over."""
    for config, task_class in classes:
        if not isinstance(config, type) or not isinstance(task_class, type):
            raise TypeError(f"register(config type, task class) was given {config!r} and {task_class!r}")
        hash(config)  # a metaclass may forbid it
    for transformer in transformers:
        if not hasattr(transformer, "python_type"):
            raise TypeError(f"register(transformer) was given {transformer!r}, which has no python_type")
        if not isinstance(transformer.python_type, (type, str)):
            raise TypeError(f"{transformer!r} is for {transformer.python_type!r}, which is neither class nor name")
        hash(transformer.python_type)  # a metaclass may forbid it
    for scheme, factory in schemes:
        if not isinstance(scheme, str) or not callable(factory):
            raise TypeError(f"register(scheme, factory) was given {scheme!r} and {factory!r}")
