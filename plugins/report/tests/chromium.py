"""A headless Chromium, told what to do through a pipe: no driver, no library, no port."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

__all__ = ["PROGRAMS", "Browser"]

PROGRAMS = ("chromium", "chromium-headless-shell", "chromium-browser", "google-chrome")
# The browser reads commands from descriptor 3 and writes to descriptor 4.
_START = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execvp(sys.argv[3], sys.argv[3:])"
)
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe"),
    *("--no-first-run", "--hide-scrollbars", "--disable-background-networking"),
)


class Browser:
    """One page of a browser that runs; `open` it, look at it."""

    def __init__(self, program: str, profile: Path) -> None:
        commands, self._out = os.pipe()
        told, answers = os.pipe()
        self._file = os.fdopen(told, "rb")
        words = [program, *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, str(commands), str(answers), *words],
            pass_fds=(commands, answers),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(commands)
        os.close(answers)
        self._number = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []  # Any: JSON
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._out)
        self._file.close()

    def call(self, method: str, **params: Any) -> Any:  # Any: JSON
        """A command of the DevTools protocol, and what came back; events on the way are kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            told = self._next()
            if told.get("id") == self._number:
                assert "error" not in told, told["error"]
                return told["result"]

    def open(self, file: Path, width: int, height: int = 800, *, mobile: bool = False, dark: bool = False) -> None:
        """Show a page and wait until it is loaded."""
        self.events.clear()
        scale = 2 if mobile else 1
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=mobile
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media="", features=[scheme])
        self.call("Page.navigate", url=file.as_uri())
        while not any(one["method"] == "Page.loadEventFired" for one in self.events):
            self._next()

    def ask(self, expression: str) -> Any:  # Any: JSON
        """The value of a JavaScript expression."""
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def print_media(self) -> None:
        self.call("Emulation.setEmulatedMedia", media="print")

    def pdf(self) -> bytes:
        return base64.b64decode(self.call("Page.printToPDF", preferCSSPageSize=True)["data"])

    def picture(self) -> bytes:
        """The whole page as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"])

    @property
    def requests(self) -> list[str]:
        """What the page asked the network for and was not forbidden, apart from itself and what is inside it."""
        forbidden = {one["params"]["requestId"] for one in self._told("Network.loadingFailed") if _is_forbidden(one)}
        asked = [one["params"] for one in self._told("Network.requestWillBeSent")]
        urls = [one["request"]["url"] for one in asked if one["requestId"] not in forbidden]
        return [url for url in urls if not url.startswith(("data:", "file:"))]

    @property
    def complaints(self) -> list[str]:
        """Errors and whatever was written to the console."""
        kinds = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
        return [str(one["params"]) for kind in kinds for one in self._told(kind)]

    def _told(self, method: str) -> list[dict[str, Any]]:  # Any: JSON
        return [one for one in self.events if one["method"] == method]

    def _next(self) -> dict[str, Any]:  # Any: JSON
        data = bytearray()
        while (byte := self._file.read(1)) != b"\0":
            assert byte, "the browser has ended"
            data += byte
        told: dict[str, Any] = json.loads(data)
        if "method" in told:
            self.events.append(told)
        return told


def _is_forbidden(failure: dict[str, Any]) -> bool:  # Any: JSON
    """Whether the page's own policy stopped a request before it was made."""
    return bool(failure["params"].get("blockedReason") == "csp")
