"""Import one plugin's hook module under guard and check that it keeps the contract."""

from __future__ import annotations

import importlib
import inspect
import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pluggy

from fledge.errors import HookApiError, PluginLoadError
from fledge.hooks import spec

if TYPE_CHECKING:
    from fledge.hooks.discovery import InstalledPlugin

__all__ = ["HOOK_NAMES", "arguments_of", "check_hooks", "import_hooks", "new_manager"]

HOOK_NAMES = tuple(name for name in spec.__all__ if hasattr(getattr(spec, name), "fledge_spec"))
_ORDERING = ("tryfirst", "trylast", "wrapper", "hookwrapper", "optionalhook")


def import_hooks(plugin: InstalledPlugin) -> ModuleType:
    """The plugin's hook module.

    Raises:
        PluginLoadError: The import failed, or it changed signal handlers, the environment or `sys.path` (changes are
            taken back).
    """
    before = _ProcessState()
    try:
        module = importlib.import_module(plugin.module)
    except KeyboardInterrupt:
        raise
    except (Exception, SystemExit) as exc:  # a plugin may raise anything, SystemExit included
        raise PluginLoadError(str(plugin), f"importing {plugin.module} failed: {type(exc).__name__}: {exc}") from exc
    finally:
        changed = before.restore()
    if changed:
        raise PluginLoadError(
            str(plugin), f"importing {plugin.module} changed {changed}. A hook module must have no side effects"
        )
    return module


class _ProcessState:
    """What an import must leave alone."""

    def __init__(self) -> None:
        self.environ = dict(os.environ)
        self.path = list(sys.path)
        self.is_main = threading.current_thread() is threading.main_thread()
        self.handlers = {number: signal.getsignal(number) for number in _signals()}

    def restore(self) -> str:
        """Put everything back; says what had changed."""
        changed = []
        if dict(os.environ) != self.environ:
            changed.append("the environment")
            os.environ.clear()
            os.environ.update(self.environ)
        if sys.path != self.path:
            changed.append("sys.path")
            sys.path[:] = self.path
        for number, handler in self.handlers.items():
            if signal.getsignal(number) is not handler:
                changed.append(f"the handler of {getattr(number, 'name', f'signal {number}')}")
                if self.is_main and handler is not None:  # None: it was not set by Python, which cannot set it again
                    signal.signal(number, handler)
        return " and ".join(changed)


@cache
def _signals() -> tuple[int, ...]:
    """All that there are: finding them takes as long as looking at their handlers."""
    return tuple(sorted(signal.valid_signals()))


def new_manager() -> pluggy.PluginManager:
    """An empty pluggy manager that knows the spec."""
    manager = pluggy.PluginManager("fledge")
    manager.add_hookspecs(spec)
    return manager


def check_hooks(plugin: str, module: object, manager: pluggy.PluginManager) -> list[str]:
    """Does a module or object keep the contract? Returns its functions that are named like a hook and not marked.

    Raises:
        HookApiError: It was written for another hook API, implements a hook that does not exist or one twice, takes
            arguments the hook does not have, or asks for an order.
    """
    api = getattr(module, "HOOK_API", None)
    if api is None:
        raise HookApiError(plugin, f"its hook module does not say HOOK_API = {spec.HOOK_API}")
    if api != spec.HOOK_API:
        side = "a newer fledge" if isinstance(api, int) and api > spec.HOOK_API else "an older fledge"
        raise HookApiError(
            plugin,
            f"it was written for hook API {api}; this fledge has {spec.HOOK_API}. "
            f"Install {side} or another version of the plugin",
        )
    seen: dict[str, str] = {}
    unmarked = []
    for name in dir(module):
        options: dict[str, Any] | None = manager.parse_hookimpl_opts(module, name)  # type: ignore[assignment] # a TypedDict # Any: flags of pluggy
        if options is None:
            if name in HOOK_NAMES and _is_meant(getattr(module, name), module):
                unmarked.append(name)
            continue
        hook = options.get("specname") or name
        if hook not in HOOK_NAMES:
            raise HookApiError(plugin, f"{name}() implements no hook of this fledge. Hooks: {', '.join(HOOK_NAMES)}")
        if seen.setdefault(hook, name) != name:
            raise HookApiError(plugin, f"{seen[hook]}() and {name}() both implement {hook}. Make one of them")
        asked = [mark for mark in _ORDERING if options.get(mark)]
        if asked:
            raise HookApiError(
                plugin, f"{name}() is marked {', '.join(asked)}: results must not depend on an order of plugins"
            )
        given = _given(hook)
        wrong = [one for one in arguments_of(hook, getattr(module, name)) if one not in given]
        if wrong:
            raise HookApiError(plugin, f"{name}() takes {', '.join(wrong)}; the hook gives {', '.join(given)}")
    return [name for name in unmarked if name not in seen]


def _is_meant(found: object, module: object) -> bool:
    """Is it a function of the plugin's own? One that it imports, or the hook's specification, only shares the name."""
    home = module.__name__ if isinstance(module, ModuleType) else module.__module__
    package = str(getattr(found, "__module__", "")).partition(".")[0]
    return inspect.isroutine(found) and package == home.partition(".")[0]


def arguments_of(hook: str, function: Callable[..., Any]) -> tuple[str, ...]:  # Any: hooks have a type each
    """What a function that implements the hook is called with, by name.

    A parameter of another name may have a default. Without one it is named here as well, as are `*args`, `**kwargs` and
    `name, /`, which nothing could be given to.
    """
    taken = []
    for name, parameter in inspect.signature(function).parameters.items():
        shown = str(parameter.replace(annotation=parameter.empty, default=parameter.empty))
        if parameter.kind is parameter.POSITIONAL_ONLY:
            taken.append(f"{shown}, /")
        elif name in _given(hook) or parameter.default is parameter.empty:
            taken.append(shown)
    return tuple(taken)


@cache
def _given(hook: str) -> tuple[str, ...]:
    return tuple(inspect.signature(getattr(spec, hook)).parameters)
