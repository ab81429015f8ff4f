"""A real S3 server on loopback, for tests of tasks whose data are in a bucket: `pip install 'fledge-storage[testing]'`.

In: names of buckets. Out: the environment variables by which this process, and those it starts, find the server.
"""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["ACCESS_KEY", "SECRET_KEY", "s3_server"]

ACCESS_KEY, SECRET_KEY = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"  # of S3's documentation


@contextmanager
def s3_server(*buckets: str) -> Iterator[dict[str, str]]:
    """Run moto's server as a process of its own, with these buckets, until the block ends; what it holds is lost then.

    Enter the variables with `os.environ.update(...)` or `monkeypatch.setenv`.

    Raises:
        RuntimeError: The server did not start: moto is missing, for example. What it wrote is in the message.
    """
    port = _free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            _wait_for(process)
            for bucket in buckets:
                _make_bucket(port, bucket)
            yield {
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
                "AWS_REGION": "us-east-1",
                "AWS_ACCESS_KEY_ID": ACCESS_KEY,
                "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            }
        finally:
            process.terminate()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait_for(process: subprocess.Popen[str]) -> None:
    assert process.stderr is not None
    seen = []
    for line in process.stderr:
        seen.append(line)
        if "Running on" in line:
            threading.Thread(target=process.stderr.read, daemon=True).start()  # else its log fills the pipe
            return
    raise RuntimeError(f"the S3 server did not start (pip install 'fledge-storage[testing]'):\n{''.join(seen)}")


def _make_bucket(port: int, bucket: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("PUT", f"/{bucket}")
    answer = connection.getresponse()
    connection.close()
    if answer.status != 200:
        raise RuntimeError(f"the S3 server refuses a bucket of the name {bucket!r}: {answer.status} {answer.reason}")
