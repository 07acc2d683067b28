"""What an engine needs on this machine, checked without importing it: the Worker's process imports no engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime.errors import PlatformUnavailable

if TYPE_CHECKING:
    from runtime.hosting.cluster import Cluster

_OLDEST = (2, 40)
_OLDEST_WITH_TOKENS = (2, 52)
"""An older Ray would use no token, without a word."""
_INSTALL = "pip install 'callring[ray]', on every machine"


def missing(cluster: Cluster) -> str:
    """What is not installed here for an engine, and how to install it; empty if nothing is missing."""
    if cluster.kind != "ray":
        return ""
    found = ray_version()  # a folder with the name ray could be imported, too
    if not found:
        return f"nodes on Ray need the package ray: {_INSTALL}"
    oldest = _OLDEST_WITH_TOKENS if cluster.token else _OLDEST
    if tuple(int(part) for part in found.split(".")[:2]) < oldest:
        needed = f"at least {'.'.join(map(str, oldest))} is needed{' for tokens' if cluster.token else ''}"
        return f"ray {found} is too old, {needed}: {_INSTALL}"
    return ""


def require_engine(cluster: Cluster) -> None:
    """Refuses an engine that is not installed here. Raises PlatformUnavailable, with what to install."""
    lacking = missing(cluster)
    if lacking:
        raise PlatformUnavailable(f"kind={cluster.kind}: {lacking}")


def ray_version() -> str:
    """The version of the installed Ray; empty without one."""
    from importlib.metadata import PackageNotFoundError, version  # imported here to keep the start fast

    try:
        return version("ray")
    except PackageNotFoundError:
        return ""
