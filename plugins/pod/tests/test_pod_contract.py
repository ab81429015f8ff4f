"""fledge-pod under fledge's own contract suite."""

from __future__ import annotations

from fledge.testing import PluginContract


class TestPodPlugin(PluginContract):
    module = "fledge_pod.hooks"
