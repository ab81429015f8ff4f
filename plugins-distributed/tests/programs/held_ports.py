"""A rank of one of many runs at once: it listens on its port until the test, told of all of them, lets go."""

from __future__ import annotations

import os
import socket


def listens_until_all_do(payload: bytes) -> bytes:
    """`payload`: the run's number and the path of the test's socket. Gives the number and the port."""
    number, path = payload.decode().split()
    port = int(os.environ["MASTER_PORT"])
    with socket.create_server((os.environ["MASTER_ADDR"], port)), socket.socket(socket.AF_UNIX) as told:
        told.connect(path)
        told.recv(1)
    return f"{number} {port}".encode()
