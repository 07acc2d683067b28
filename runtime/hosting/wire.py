"""Messages between processes of this machine over a stream socket: pickles whose large buffers travel unchanged."""

from __future__ import annotations

import contextlib
import pickle
import socket
import struct
from typing import Any, NamedTuple

_FIRST = struct.Struct("<IQ")
"""The begin of a message: how many sizes it has, and the first one, of the pickle; those of the buffers follow."""
_LARGE = 1 << 12
"""Bytes from which a buffer travels outside the pickle."""


class WireClosed(Exception):  # noqa: N818 - named as the event
    """The process at the other end has ended, or has closed its socket."""


class Wire:
    """One end of a connection. One thread at a time may send, and one may receive.

    A process trusts the other end: both belong to one user (runtime/processes/hosting_process.py).
    """

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection

    def send(self, value: Any) -> None:
        """Sends a value; its pickle.PickleBuffer objects of 4 KiB and more are not copied into the pickle."""
        apart: list[memoryview] = []

        def keep(buffer: pickle.PickleBuffer) -> bool:
            view = buffer.raw()
            if view.nbytes < _LARGE:
                return True
            apart.append(view)
            return False

        head = pickle.dumps(value, protocol=5, buffer_callback=keep)
        sizes = struct.pack(f"<{len(apart)}Q", *[view.nbytes for view in apart]) if apart else b""
        try:
            self._socket.sendall(_FIRST.pack(1 + len(apart), len(head)) + sizes + head)
            for view in apart:
                self._socket.sendall(view)
        except OSError as error:
            raise WireClosed(str(error)) from None

    def receive(self) -> Any:
        """The next value; its large buffers are bytearrays. Raises WireClosed."""
        count, size = _FIRST.unpack(self._exactly(_FIRST.size))
        if count == 1:
            return pickle.loads(self._exactly(size))
        sizes = struct.unpack(f"<{count - 1}Q", self._exactly(8 * (count - 1)))
        head, *apart = [self._exactly(each) for each in (size, *sizes)]
        return pickle.loads(head, buffers=apart)

    def call(self, *request: Any) -> Any:
        """Sends a request and returns the answer."""
        self.send(request)
        return self.receive()

    def close(self) -> None:
        """Ends the connection; the other end's receive() raises WireClosed."""
        with contextlib.suppress(OSError):  # the other end has closed it
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _exactly(self, size: int) -> bytearray:
        content = bytearray(size)
        view, received = memoryview(content), 0
        while received < size:
            try:
                part = self._socket.recv_into(view[received:])
            except OSError as error:
                raise WireClosed(str(error)) from None
            if not part:
                raise WireClosed("the other process has ended")
            received += part
        return content


class Door(NamedTuple):
    """How a process of this machine reaches a hosting server."""

    address: str
    """Of an abstract socket."""
    secret: bytes
    node: int
    """The id of the node for which a gateway connects."""


def connected(door: Door) -> Wire:
    """Connects to a hosting server. Raises OSError."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(b"\0" + door.address.encode())
        connection.sendall(door.secret)
    except OSError:
        connection.close()
        raise
    return Wire(connection)
