"""The head of a cluster: its address, and whether it accepts connections. Asked without importing an engine."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.errors import PlatformUnavailable

if TYPE_CHECKING:
    from runtime.hosting.cluster import Cluster

_CURRENT = Path("/tmp/ray/ray_current_cluster")
"""Where `ray start` leaves the address of the head."""
_FOR_AN_ANSWER = 5.0
"""Seconds that a head has to accept a connection."""


def head_of(cluster: Cluster) -> tuple[str, str]:
    """The address of the head of a Ray cluster that runs already, and why it cannot be used; empty: it can."""
    address, origin = cluster.address, ""
    if address == "auto":
        address, origin = os.environ.get("RAY_ADDRESS", ""), " (RAY_ADDRESS)"
        if not address:
            with contextlib.suppress(OSError):
                address, origin = _CURRENT.read_text().strip(), f" ({_CURRENT})"
        if not address:
            found = sorted(heads_of_daemons())
            if len(found) != 1:
                several = f"several Ray clusters: {', '.join(found)}; name one of them"
                return "", f"this machine belongs to {several if found else 'no Ray cluster'}"
            address, origin = found[0], " (of a Ray daemon here)"
    why = unreachable(address, _FOR_AN_ANSWER)
    return address, f"no Ray head answers at {address}{origin}: {why}" if why else ""


def heads_of_daemons() -> set[str]:
    """The heads of this user's Ray daemons on this machine; a daemon with `--temp-dir` notes it in no known file."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            program, *arguments = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if process.stat().st_uid == os.getuid() and program.endswith("/raylet"):
                found |= {word.partition("=")[2] for word in arguments if word.startswith("--gcs-address=")}
    return found


def require_head(cluster: Cluster, prefix: str = "") -> str:
    """The address at which an engine can be used from here; it was tried, unless it is to be started here.

    Args:
        cluster: the engine.
        prefix: stands before the names of the cluster's fields in messages.

    Raises:
        PlatformUnavailable: there is no such cluster, or its head does not answer; the message says what to do.
    """
    if cluster.kind != "ray" or cluster.starts_here:
        return cluster.address
    address, why = head_of(cluster)
    if why:
        raise PlatformUnavailable(
            f"{prefix}address={cluster.address}: {why}; start a cluster with `ray start --head`, or use "
            f"{prefix}address=local for one of this machine alone"
        )
    return address


def unreachable(address: str, seconds: float) -> str:
    """Why a connection to ``host:port`` cannot be made within so many seconds; empty: it can."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=seconds).close()
    except TimeoutError:
        return f"no answer within {seconds:.1f} s"
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error)
    return ""
