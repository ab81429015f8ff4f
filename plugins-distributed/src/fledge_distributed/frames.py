"""Frames over a Unix socket: a kind, bytes, and file descriptors; big bodies travel as an anonymous file.

Used between the caller and the zygote, and between the caller and each rank. A frame is a 10-byte header and the body;
a body above `INLINE_BYTES` is written to a memfd whose descriptor is passed instead, so 100 MB cost two copies and no
socket traffic. Both ends are processes of one user, so values are pickled.
"""

from __future__ import annotations

import array
import enum
import os
import pickle
import socket
import struct
import sys
import tempfile
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

__all__ = ["INLINE_BYTES", "Channel", "Frame", "Kind", "anonymous_file", "read_file", "unpickled"]

INLINE_BYTES = 1 << 20
_HEADER = struct.Struct("!BBQ")  # kind, number of descriptors (with the body's own), length of the body
_MAX_FDS = 8
_BY_FILE = 0x80  # in the kind: the body is in the first descriptor


class Kind(enum.IntEnum):
    """Who says what: caller to zygote, zygote to caller, rank to caller."""

    PRELOAD = 1  # modules to import before any fork
    FORK = 2  # start one rank; descriptors: see worker.Descriptors
    SIGNAL = 3  # (rank, signal number)
    SWEEP = 4  # end everything that the ranks have left behind
    RUN = 5  # start one command as "rank" -1: (words, environment, grace); descriptors: stdout, stderr
    READY = 10  # preload done; why ranks cannot be forked, or None
    PRELOAD_FAILED = 11
    FORKED = 12  # (rank, process id)
    FORK_FAILED = 13  # (rank, why)
    EXIT = 14  # worker.Exit
    SWEPT = 15
    STARTED = 20  # the rank runs, before user code
    VALUE = 21  # the function has returned; the leader's bytes
    IGNORED = 22  # the function raised IgnoreOutputs
    ERROR = 23  # failures.Trouble
    JOIN = 24  # a rank that another launcher has started asks for its descriptors: (rank, process id)
    EXTRA = 25  # named bytes that go along with the result (decks)
    PROGRESS = 26  # a ProgressReport
    PEAK = 27  # its largest resident size in KiB, of a rank that the zygote does not reap


class Frame(NamedTuple):
    """One message as it came in. The receiver closes `fds`."""

    kind: Kind
    body: bytes
    fds: tuple[int, ...]

    def load(self) -> Any:  # Any: a pickled Python value
        return unpickled(self.body)


class Channel:
    """One end of a socket. Sending blocks and may be done from any thread; receiving never blocks."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(True)  # it may have been made under `socket.setdefaulttimeout`, of this process or of another
        self._socket = sock
        self._lock = threading.Lock()
        self._buffer = bytearray()
        self._fds: list[int] = []
        self.closed = False

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, kind: Kind, value: object = None, fds: Sequence[int] = ()) -> None:
        """Send `value`: bytes as they are, anything else pickled."""
        body = value if isinstance(value, bytes) else pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
        if len(body) <= INLINE_BYTES:
            self._send(_HEADER.pack(kind, len(fds), len(body)) + body, fds)
            return
        file = anonymous_file(body)
        try:
            self._send(_HEADER.pack(kind | _BY_FILE, len(fds) + 1, len(body)), [file, *fds])
        finally:
            os.close(file)

    def _send(self, data: bytes, fds: Sequence[int]) -> None:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds).tobytes())] if fds else []
        with self._lock:
            sent = self._socket.sendmsg([data], rights)
            if sent < len(data):  # sending nothing would fail when the other end took the frame and left
                self._socket.sendall(memoryview(data)[sent:])

    def receive(self) -> list[Frame]:
        """All whole frames that have arrived; sets `closed` when the other end is gone."""
        while not self.closed:
            try:
                data, rights, _, _ = self._socket.recvmsg(
                    1 << 18,
                    socket.CMSG_SPACE(_MAX_FDS * 4),
                    socket.MSG_DONTWAIT | getattr(socket, "MSG_CMSG_CLOEXEC", 0),
                )
            except (BlockingIOError, InterruptedError):
                break
            except ConnectionError:
                data, rights = b"", []
            for level, kind, payload in rights:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    self._fds.extend(array.array("i", payload[: len(payload) // 4 * 4]))
            self._buffer += data
            self.closed = not data
        return self._parse()

    def _parse(self) -> list[Frame]:
        frames = []
        while len(self._buffer) >= _HEADER.size:
            kind, n_fds, length = _HEADER.unpack_from(self._buffer)
            inline = 0 if kind & _BY_FILE else length
            if len(self._buffer) < _HEADER.size + inline:
                break
            body = bytes(self._buffer[_HEADER.size : _HEADER.size + inline])
            del self._buffer[: _HEADER.size + inline]
            fds, self._fds = self._fds[:n_fds], self._fds[n_fds:]
            if kind & _BY_FILE:
                body = read_file(fds[0])
                os.close(fds.pop(0))
            frames.append(Frame(Kind(kind & ~_BY_FILE), body, tuple(fds)))
        return frames

    def close(self) -> None:
        self.closed = True
        self._socket.close()
        for fd in self._fds:
            os.close(fd)
        self._fds.clear()


def unpickled(data: bytes) -> Any:  # Any: a pickled Python value
    """What another process of this run has pickled."""
    return pickle.loads(data)  # noqa: S301 - see the opening docstring


def anonymous_file(data: bytes) -> int:
    """A descriptor of a file without a name that holds `data`; it is gone when the last descriptor is closed."""
    if sys.platform == "linux":
        fd = os.memfd_create("fledge", os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    with open(fd, "wb", closefd=False) as out:
        out.write(data)
    return fd


def read_file(fd: int) -> bytes:
    """The whole file, wherever its offset stands."""
    chunks, offset = [], 0
    size = os.fstat(fd).st_size
    while offset < size:
        chunk = os.pread(fd, min(size - offset, 1 << 30), offset)
        if not chunk:
            break
        chunks.append(chunk)
        offset += len(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)
