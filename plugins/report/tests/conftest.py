"""A context with this plugin alone, and a browser to look at pages with."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

import fledge_report.hooks
from fledge.testing import plugin_registered
from plugins.report.tests.chromium import PROGRAMS, Browser


@pytest.fixture(autouse=True)
def reports() -> Iterator[None]:
    """The only plugin of each test is this one."""
    with plugin_registered(fledge_report.hooks):
        yield


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser for all tests of a module; without one they are skipped, and say so."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(PROGRAMS)} is on the PATH (Debian: apt-get install chromium)")
    browser = Browser(program, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()
