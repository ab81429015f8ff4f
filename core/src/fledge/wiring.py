"""The composition root: builds the default context out of the layers below. `fledge.context` calls it by name, once."""

from __future__ import annotations

from fledge.context import FlyteContext
from fledge.hooks.manager import PluginManager
from fledge.local_config import LocalConfig
from fledge.storage import StorageRouter
from fledge.types import builtin_registry

__all__ = ["default_context"]


def default_context(config: LocalConfig | None = None, *, discover: bool = True) -> FlyteContext:
    """A context with the built-in types and, once something needs them, the installed plugins.

    Args:
        config: None: read from the environment, for plugins now, for the cache at each call.
        discover: False: no installed plugins; for tests.
    """
    told = LocalConfig.from_env() if config is None else config
    registry = builtin_registry()
    plugins = PluginManager(registry, disable=told.disabled_plugins, discover=discover, trace=told.trace_hooks)
    storage = StorageRouter(factories=plugins.storages, load=plugins.load)
    return FlyteContext(plugins, registry, storage, config=config)
