"""Starts and ends the hosting server of a Worker whose nodes are on other machines."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import sys
import weakref
from typing import TYPE_CHECKING, Any

from runtime.errors import StartError
from runtime.hosting.wire import Door, Wire, WireClosed, connected

if TYPE_CHECKING:
    import subprocess

    from runtime.hosting.cluster import Cluster

_PATIENCE = 5.0
"""Seconds that the server may take to end its hosts."""


class HostingProcess:
    """A hosting server. It ends with this process, or when this object is closed.

    Only processes that know the secret can use its socket. They get it in memory that this process hands to them.
    """

    def __init__(self, cluster: Cluster) -> None:
        import subprocess  # imported here to keep the start fast

        self._secret = secrets.token_bytes(32)
        self._address = f"callring-hosting-{os.getpid()}-{secrets.token_hex(8)}"
        ours, theirs = socket.socketpair()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener, theirs:
            listener.bind(b"\0" + self._address.encode())
            listener.listen(4096)
            code = (
                f"import sys; sys.path[:] = {sys.path!r}; "
                f"from runtime.child_side.hosting_server import main; main({listener.fileno()})"
            )
            self._process = subprocess.Popen(
                [sys.executable, "-c", code],
                stdin=theirs.fileno(),
                pass_fds=[listener.fileno()],
                start_new_session=True,
            )
        self._wire = Wire(ours)
        self._wire.send((cluster, self._secret))
        self.close = weakref.finalize(self, _end, self._wire, self._process)
        """Ends the server, and with it all of its hosts. Called when this object is collected, too."""

    def wait_until_connected(self) -> None:
        """Waits until the server is connected to the engine, which gives up after some time by itself.

        Raises:
            StartError: it cannot connect; the message says why.
        """
        try:
            why: str = self._wire.receive()
        except WireClosed:
            why = "its hosting server ended before it was connected"
        if why:
            raise StartError(why, operation="init")

    def door(self, node: int) -> Door:
        """How the gateway of a node reaches the server."""
        return Door(self._address, self._secret, node)

    def describe(self) -> dict[str, Any]:
        """The engine, its machines and hosts. Raises WireClosed if the server has ended."""
        described: dict[str, Any] = self._ask("describe")
        return described

    def traffic(self) -> tuple[int, int, int]:
        """Bytes that were sent to hosts, that were received from them, and that stay there; 0 without a server."""
        with contextlib.suppress(WireClosed):
            sent, received, resident = self._ask("traffic")
            return sent, received, resident
        return 0, 0, 0

    def forget(self, runs: list[int]) -> None:
        """Says that these runs have ended. A server that has ended keeps nothing for them."""
        with contextlib.suppress(WireClosed):
            self._ask("forget", runs)

    def _ask(self, *request: Any) -> Any:
        try:
            wire = connected(self.door(-1))
        except OSError as error:
            raise WireClosed(str(error)) from None
        try:
            return wire.call(*request)
        finally:
            wire.close()

    def leave_to_parent(self) -> None:
        """Called in a forked process, which must not keep the server alive."""
        self.close.detach()
        self._wire._socket.close()


def _end(wire: Wire, process: subprocess.Popen[bytes]) -> None:
    import subprocess

    wire.close()
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        pass  # its connection to the engine does not end
    finally:
        process.kill()
        process.wait()
