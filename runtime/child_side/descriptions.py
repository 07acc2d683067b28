"""The descriptor of a payload for a node: on the node's platform, from the source that this process finds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime import identity
from runtime.child_side.sub_worker import Loader
from runtime.chips.chip_callable import ChipCallable

if TYPE_CHECKING:
    from runtime.processes.topology import Topology

KIND_CHIP = 1


def describe(topology: Topology, kind: int, payload: bytes) -> bytes:
    """The descriptor of a blob, or of ``"module:qualname"``. Raises the errors of building it."""
    if kind != KIND_CHIP:
        return Loader.describe(kind, payload)
    return identity.build_chip_callable_descriptor(
        blob=payload,
        signature=ChipCallable.from_bytes(payload).signature,
        platform=topology.platform,
        runtime=topology.runtime,
    )
