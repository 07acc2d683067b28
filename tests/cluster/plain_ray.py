"""Ray alone on the machines of the tests: what its calls and transfers take, to compare with.

The process is started by tests/cluster/days.py, and serves its requests. The Worker's process imports no engine.
"""

import contextlib
import logging
import os
import socket
import subprocess
import sys
import time

from runtime.hosting.wire import Wire, WireClosed
from tests.cluster import work


class Peer:
    """An actor of Ray, with the functions of tests/cluster/work.py."""

    def echo(self):
        """Does nothing."""

    def fill(self, value):
        """A tensor of 64 MiB."""
        import numpy as np

        return np.full(work.COUNT, float(value))

    def follow(self, array):
        """The argument plus 1."""
        return array + 1


class PlainRay:
    """The requests: each returns seconds."""

    def __init__(self, head, *machines):
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self._ray = ray
        ray.init(head, namespace="plain", logging_level=logging.CRITICAL, log_to_driver=False)
        ids = {node["NodeManagerHostname"]: node["NodeID"] for node in ray.nodes() if node["Alive"]}
        remote = ray.remote(num_cpus=0)(Peer)
        self._peers = [
            remote.options(scheduling_strategy=NodeAffinitySchedulingStrategy(ids[name], soft=False)).remote()
            for name in machines
        ]
        ray.get([peer.echo.remote() for peer in self._peers])

    def echo(self):
        """A call of the first actor and its answer."""
        begun = time.monotonic()
        self._ray.get(self._peers[0].echo.remote())
        return time.monotonic() - begun

    def chain(self, hops):
        """A tensor that the first actor makes and each next one takes, adds 1 to, and passes on as a reference."""
        begun = time.monotonic()
        last = self._peers[0].fill.remote(1)
        for hop in range(hops):
            last = self._peers[1 - hop % 2].follow.remote(last)
        self._ray.wait([last], fetch_local=False)
        return time.monotonic() - begun


@contextlib.contextmanager
def plain_ray(head, *machines):
    """A function that sends a request to Ray alone, with an actor on each of these machines, and returns the answer."""
    ours, theirs = socket.socketpair()
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled"}
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.cluster.plain_ray", str(theirs.fileno()), head, *machines],
            pass_fds=[theirs.fileno()],
            env=environment,
        )
    wire = Wire(ours)
    try:
        yield wire.call
    finally:
        wire.close()
        process.wait()


if __name__ == "__main__":
    descriptor, head, *machines = sys.argv[1:]
    wire = Wire(socket.socket(fileno=int(descriptor)))
    peers = PlainRay(head, *machines)
    with contextlib.suppress(WireClosed):
        while True:
            name, *arguments = wire.receive()
            wire.send(getattr(peers, name)(*arguments))
