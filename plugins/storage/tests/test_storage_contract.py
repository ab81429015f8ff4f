"""fledge-storage under fledge's own contract suite."""

from __future__ import annotations

from fledge.testing import PluginContract


class TestStoragePlugin(PluginContract):
    module = "fledge_storage.hooks"
