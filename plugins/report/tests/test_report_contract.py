"""fledge-report under fledge's own contract suite."""

from __future__ import annotations

from fledge.testing import PluginContract


class TestReportPlugin(PluginContract):
    module = "fledge_report.hooks"
