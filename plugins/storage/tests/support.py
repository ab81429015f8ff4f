"""The door before the S3 server of the tests: it hands requests on, or fails when it is told to."""

from __future__ import annotations

import http.client
import os
import threading
from collections.abc import Callable
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from fledge_storage.testing import ACCESS_KEY, SECRET_KEY

if TYPE_CHECKING:
    from obstore.store import RetryConfig

__all__ = ["BUCKET", "SOON", "Door", "ask", "point_to"]

BUCKET = "flights"
SOON: RetryConfig = {
    "max_retries": 3,
    "retry_timeout": timedelta(seconds=30),
    "backoff": {"init_backoff": timedelta(milliseconds=1), "max_backoff": timedelta(milliseconds=5)},
}


def ask(port: int, method: str, path: str, body: str = "") -> None:
    """One request to the server itself: PUT a bucket, POST to its own /moto-api."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request(method, path, body, {"content-type": "text/plain"})
    assert connection.getresponse().status == 200
    connection.close()


def point_to(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment as a user sets it for a server of their own."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "FLYTE_AWS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)


class Door(ThreadingHTTPServer):
    """Hands requests on to the server, unless `fault(method, path)` names what shall happen instead.

    A fault is "hang", "drop" (the connection ends without an answer), "cut" (half of the answer, then it ends),
    "trickle" (the answer in pieces of a kilobyte) or "STATUS CODE" of an S3 error.
    """

    daemon_threads = True

    def __init__(self, target: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = target
        self.fault: Callable[[str, str], str | None] = lambda _method, _path: None
        self.asked: list[str] = []
        self.sent_bytes = 0
        self.closing = threading.Event()

    def handle_error(self, *_: object) -> None:
        """Who has been refused hangs up; a test that fails says why."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Door

    def _serve(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        fault = self.server.fault(self.command, self.path)
        if fault == "hang":
            self.server.closing.wait()
        elif fault == "drop":
            self.close_connection = True
        elif fault in (None, "cut", "trickle"):
            self._hand_on(body, cut=fault == "cut", piece_bytes=1024 if fault == "trickle" else None)
        else:
            status, code = fault.split()
            text = f"<Error><Code>{code}</Code><Message>{ACCESS_KEY} {SECRET_KEY}</Message></Error>".encode()
            self._answer(int(status), [("content-type", "application/xml")], text if self.command != "HEAD" else b"")

    def _hand_on(self, body: bytes, *, cut: bool, piece_bytes: int | None) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.target)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        data = answer.read()
        skipped = ("connection", "transfer-encoding", "content-length", "date", "server")
        kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in skipped]
        length = int(answer.getheader("content-length") or 0) if self.command == "HEAD" else len(data)
        self._answer(answer.status, kept, data[: len(data) // 2] if cut else data, length, piece_bytes)
        if cut:
            self.close_connection = True

    def _answer(
        self,
        status: int,
        headers: list[tuple[str, str]],
        data: bytes,
        length: int | None = None,
        piece_bytes: int | None = None,
    ) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data) if length is None else length))
        self.end_headers()
        for start in range(0, len(data), piece_bytes or len(data) or 1):
            self.wfile.write(data[start : start + piece_bytes] if piece_bytes else data)
        self.server.sent_bytes += len(data)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve

    def log_message(self, *_: object) -> None:
        """A test that fails says why."""
