"""The connection of a process to a Ray cluster: what is checked before Ray is asked, and the thread that connects.

Ray waits up to two minutes for a head that is not there and then ends the whole process. So the head is tried first.
"""

from __future__ import annotations

import importlib
import logging
import os
import re
import threading
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import TYPE_CHECKING, Any

from runtime.errors import PlatformUnavailable
from runtime.hosting.door import HostLost
from runtime.hosting.head import require_head, unreachable
from runtime.hosting.own_cluster import OwnCluster
from runtime.hosting.requirements import missing

if TYPE_CHECKING:
    from runtime.hosting.cluster import Cluster

_CONNECT_SECONDS = 40.0
_START_SECONDS = 120.0
"""That a cluster of this machine may take to start: ten processes of Python."""
_PROBES = 3
"""Attempts to reach the head in the time after which it is lost."""
_TERMINAL_CODES = re.compile(r"\x1b\[[0-9;]*m")
_OF_RAY_ALONE = r"^Raylet is terminated|^A worker died or was killed|has been marked dead because|\[state-dump\]"
"""What Ray prints, over many lines, when a host is lost: the gateway of its node says it in one."""
_DIFFERS = "it is no Ray head, or its token and tls differ from those that are given here"


class RayConnection:
    """A driver of a Ray cluster, and a watch over the cluster's head."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._own = OwnCluster() if cluster.starts_here else None
        self._address = cluster.address
        self._lost_after = cluster.lost_after
        self._connected = False
        self._closing = threading.Event()
        self._closed = threading.Event()
        self.ray: Any = None
        """Ray's package, once this is open."""
        self.lost = ""
        """Why the cluster cannot be used any more; empty: it can."""

    def open(self) -> None:
        """Connects, or starts a cluster of this machine.

        Raises:
            HostLost: Ray is not installed, too old, or there is no cluster; the text says what to do.
        """
        cluster = self._cluster
        _check_files(cluster)
        _set_environment(cluster)
        self.ray = _imported(cluster)
        try:
            self._address = require_head(cluster)
        except PlatformUnavailable as error:
            raise HostLost(error.args[0]) from None
        connected: Future[None] = Future()
        # Its own thread: the processes of a cluster of this machine end with the thread that started them.
        threading.Thread(target=self._keep, args=(connected,), daemon=True).start()
        try:
            connected.result(_START_SECONDS if self._own else _CONNECT_SECONDS)
        except FutureTimeout:
            raise HostLost(
                f"address=local: Ray has not started on this machine within {_START_SECONDS:.0f} s"
                if self._own
                else f"Ray at {self._address} does not answer within {_CONNECT_SECONDS:.0f} s: {_DIFFERS}"
            ) from None
        except ConnectionError as error:
            raise HostLost(f"{one_line(error)}: {_DIFFERS}") from None
        except Exception as error:  # RuntimeError, ValueError of many kinds
            raise HostLost(f"Ray at address={cluster.address}: {one_line(error)}") from None

    def _keep(self, connected: Future[None]) -> None:
        """Connects, watches the head, and disconnects."""
        try:
            self.ray.init(
                self._address,
                namespace=f"callring-{os.getpid()}",
                logging_level=logging.CRITICAL,
                **(self._own.options if self._own else {}),
            )
            head = str(self.ray.get_runtime_context().gcs_address)
            self._connected = True
        except Exception as error:
            connected.set_exception(error)
            return
        connected.set_result(None)
        self._watch(head)
        self.ray.shutdown()
        self._closed.set()

    def _watch(self, head: str) -> None:
        """Tries the head several times within ``lost_after``, until this connection is closed."""
        pause = self._lost_after / _PROBES
        answered = time.monotonic()
        while not self._closing.wait(pause):
            why = unreachable(head, pause)
            silent = time.monotonic() - answered
            if not why:
                answered = time.monotonic()
            elif silent >= self._lost_after:
                self.lost = f"the head of the Ray cluster at {head} has not answered for {silent:.1f} s: {why}"

    def close(self) -> None:
        """Disconnects, also while open() waits. This process must then end, too.

        Ray ends the actors of a driver that has left. A cluster that was started with it ends at once. Ray's own end
        would wait for a head that does not answer.
        """
        if self._own is not None:
            self._own.end()
            return
        self._closing.set()
        if self._connected and not self.lost:
            self._closed.wait()


def one_line(error: BaseException) -> str:
    """What an error of Ray says, as one line: its last line if it carries a traceback, else all of its lines except
    those with Ray's identifiers, which begin with a tabulator."""
    text = _TERMINAL_CODES.sub("", str(error))
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("\t")]
    if not lines:
        return type(error).__name__
    return lines[-1] if any(line.startswith(("File ", "Traceback", "^^^")) for line in lines) else " ".join(lines)


def _check_files(cluster: Cluster) -> None:
    """Refuses files that are not there."""
    for name, file in (("token", cluster.token), *(("tls", file) for file in cluster.tls)):
        if file and not os.access(file, os.R_OK):
            raise HostLost(f"{name}={file}: no such file, or it cannot be read")


def _imported(cluster: Cluster) -> Any:
    lacking = missing(cluster)
    if lacking:
        raise HostLost(lacking)
    try:
        return importlib.import_module("ray")
    except ImportError as error:  # another package of that name, or a library that Ray lacks
        raise HostLost(f"ray cannot be imported: {error}") from None


def _set_environment(cluster: Cluster) -> None:
    """Sets what Ray would otherwise take from the environment, or from a token that happens to lie in the home."""
    environment = os.environ
    for name in [name for name in environment if name.startswith(("RAY_AUTH", "RAY_TLS", "RAY_USE_TLS"))]:
        del environment[name]
    environment["RAY_AUTH_MODE"] = "token" if cluster.token else "disabled"
    if cluster.token:
        environment["RAY_AUTH_TOKEN_PATH"] = cluster.token
    environment["RAY_USE_TLS"] = "1" if cluster.tls else "0"
    if cluster.tls:
        names = ("RAY_TLS_SERVER_CERT", "RAY_TLS_SERVER_KEY", "RAY_TLS_CA_CERT")
        environment.update(zip(names, cluster.tls, strict=True))
    # Ray ends this process when it has missed the head for this long; the watch above comes first.
    environment["RAY_gcs_rpc_server_reconnect_timeout_s"] = str(int(max(60.0, 3 * cluster.lost_after)))
    environment.setdefault("RAY_COLOR_PREFIX", "0")  # of the lines that hosts print
    environment["RAY_DEDUP_LOGS_SKIP_REGEX"] = _OF_RAY_ALONE
    if cluster.address == "local":
        # Ray would give hosts the lowest priority, and start a process for each processor in advance.
        for name in ("RAY_worker_niceness", "RAY_enable_worker_prestart", "RAY_prestart_worker_first_driver"):
            environment[name] = "0"
