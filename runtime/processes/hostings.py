"""The hosting servers of one Worker: one for each engine that hosts some of its nodes."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.hosting.cluster import Cluster
    from runtime.hosting.wire import Door
    from runtime.processes.hosting_process import HostingProcess
    from runtime.processes.topology import Topology


class Hostings:
    """Starts the servers that a topology needs; none for nodes of this machine."""

    def __init__(self, topology: Topology) -> None:
        self._servers: dict[Cluster, HostingProcess] = {}
        self.doors: dict[int, Door] = {}
        """How each hosted node reaches its server, by the node's id."""
        for node, below in enumerate(topology.nodes):
            if below.on is not None:
                self.doors[node] = self._server(below.on.connection).door(node)

    def _server(self, cluster: Cluster) -> HostingProcess:
        from runtime.processes.hosting_process import HostingProcess  # imported late: most Workers are on one machine

        if cluster not in self._servers:
            self._servers[cluster] = HostingProcess(cluster)
        return self._servers[cluster]

    def wait_until_connected(self) -> None:
        """Waits until all servers are connected to their engines. Raises StartError, with the reason of the first."""
        for server in self._servers.values():
            server.wait_until_connected()

    def start(self, children: Callable[[], None]) -> None:
        """Starts the children, some of which are hosted. An interrupt ends the servers, and with them the start.

        The interpreter handles no signal while its main thread waits in the engine, and hosts take seconds to start.
        """
        from concurrent.futures import Future  # imported late: most Workers are on one machine

        started: Future[None] = Future()

        def work() -> None:
            try:
                children()
                started.set_result(None)
            except BaseException as error:  # raised again in the thread that waits
                started.set_exception(error)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            started.result()
        except BaseException:
            self.close()
            thread.join()
            raise

    def describe(self) -> list[dict[str, Any]]:
        """Engines, versions, machines and counts of bytes of all servers."""
        return [server.describe() for server in self._servers.values()]

    def traffic(self) -> dict[str, int]:
        """The counts of WorkerStats about hosts; those of a server that has ended are missing."""
        counts = [server.traffic() for server in self._servers.values()]
        sent, received, resident = (sum(column) for column in zip((0, 0, 0), *counts, strict=True))
        return {"bytes_sent": sent, "bytes_received": received, "bytes_resident": resident}

    def forget(self, runs: list[int]) -> None:
        """Frees what hosts keep for these runs, which have ended."""
        for server in self._servers.values():
            server.forget(runs)

    def close(self) -> None:
        """Ends all servers and their hosts."""
        for server in self._servers.values():
            server.close()

    def leave_to_parent(self) -> None:
        """Called in a forked process."""
        for server in self._servers.values():
            server.leave_to_parent()
