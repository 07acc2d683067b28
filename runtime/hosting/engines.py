"""The adapter of each engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtime.hosting.cluster import Cluster
    from runtime.hosting.door import Hosting


def hosting_of(cluster: Cluster, far_side: str, *, apart: bool = False) -> Hosting:
    """The engine of ``cluster``, not connected yet.

    Args:
        cluster: a remote one.
        far_side: the class whose object serves each host, as ``"module:qualname"``.
        apart: whether that object needs a process in which nothing else runs.
    """
    if cluster.kind == "ray":
        from runtime.hosting.ray_hosting import RayHosting

        return RayHosting(cluster, far_side, apart=apart)
    from runtime.hosting.fake import FakeHosting

    return FakeHosting(cluster, far_side)
