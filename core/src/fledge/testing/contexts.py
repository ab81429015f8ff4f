"""A context for one test: its own plugin manager and registry, nothing shared with the process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from fledge.context import FlyteContext, FlyteContextManager
from fledge.wiring import default_context

if TYPE_CHECKING:
    from fledge.hooks.manager import PluginManager

__all__ = ["HookCall", "fresh_context", "plugin_registered"]


@dataclass(frozen=True)
class HookCall:
    """One recorded call: which plugin's hook, with which arguments (as the plugin took them)."""

    plugin: str
    hook: str
    arguments: Mapping[str, object] = field(default_factory=dict)


@contextmanager
def fresh_context(*, discover: bool = False, calls: list[HookCall] | None = None) -> Iterator[FlyteContext]:
    """Enter a context with its own plugin manager and type registry.

    Args:
        discover: True: with the plugins that are installed, loaded anew for this context.
        calls: Receives every hook call, in order.
    """
    context = default_context(discover=discover)
    manager = cast("PluginManager", context.plugins)
    if calls is not None:
        manager.observe(lambda plugin, hook, arguments: calls.append(HookCall(plugin, hook, dict(arguments))))
    manager.load()
    with FlyteContextManager.with_context(context) as entered:
        yield entered


@contextmanager
def plugin_registered(
    hooks: object, name: str = "under-test", *, discover: bool = False, calls: list[HookCall] | None = None
) -> Iterator[FlyteContext]:
    """A fresh context in which one more plugin, a hook module or object, is registered.

    Raises:
        PluginError: The plugin does not keep the contract.
    """
    with fresh_context(discover=discover, calls=calls) as context:
        cast("PluginManager", context.plugins).register(hooks, name)
        yield context
