"""Topology: a Worker's children, and those of all Workers below. Validated once, and the same in every process."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runtime import pickled_names
from runtime.errors import ConfigurationError
from runtime.numbers import LONGEST_SECONDS, integer, whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.hosting.cluster import Cluster
    from runtime.options import WorkerOptions

CHIP_LEVEL = 2
"""The level of a Worker of exactly one chip."""
NODE_LEVEL = 3
"""The level of a Worker of chips and sub-workers. Workers above it have nodes and sub-workers."""

MOST_CHILDREN = 1 << 16
"""Most chips, and most sub-workers, of one Worker."""
LAST_DEVICE = (1 << 31) - 1
"""The largest id of a chip."""


@dataclass(frozen=True, slots=True)
class Topology:
    """The children of one Worker, and of the Workers below it. Immutable, picklable.

    Raises:
        ConfigurationError: no such level, or children that a Worker of this level cannot have; the message names the
            argument.
    """

    level: int
    chip_ids: tuple[int, ...]
    sub_workers: int
    platform: str
    runtime: str
    options: WorkerOptions
    nodes: tuple[Topology, ...] = ()
    """The topology of each node; its position is the node's id."""
    on: Cluster | None = None
    """Where this node is hosted; None: on the machine of the Worker above."""

    def __post_init__(self) -> None:
        count = integer("sub_workers", self.sub_workers, 0, MOST_CHILDREN)
        if self.level == CHIP_LEVEL and count:
            raise ConfigurationError(f"sub_workers={count}: a level 2 Worker is one chip and has none")
        if not isinstance(self.runtime, str) or not self.runtime or "\n" in self.runtime:
            raise ConfigurationError(f"runtime={self.runtime!r}: a name on one line")

    def require_children(self) -> None:
        """Raises ConfigurationError if the Worker lacks the children that its level needs."""
        if self.level > NODE_LEVEL:
            if not self.nodes:
                raise ConfigurationError(
                    f"add_worker: no node was added; a level {self.level} Worker needs at least one"
                )
        elif not self.chip_ids and not self.sub_workers:
            raise ConfigurationError("chips=0 and sub_workers=0: a Worker needs at least one child")

    @property
    def next_level(self) -> tuple[int, ...]:
        """Ids of the chips, or from level 4 on of the nodes."""
        return tuple(range(len(self.nodes))) if self.level > NODE_LEVEL else self.chip_ids

    def child_name(self, index: int) -> str:
        """The name in messages of the child with this index: ``chip 3``, ``node 0`` or ``sub-worker 1``."""
        ids = self.next_level
        if index >= len(ids):
            return f"sub-worker {index - len(ids)}"
        return f"{'node' if self.level > NODE_LEVEL else 'chip'} {ids[index]}"

    @property
    def has_chips(self) -> bool:
        """Whether there is a chip at this level or below."""
        return bool(self.chip_ids) or any(node.has_chips for node in self.nodes)

    @property
    def patience(self) -> float:
        """How many seconds more than a single process a node has to answer a control request. The node forwards the
        request to its children, which may have to be replaced first; if one refuses, the others must undo it.
        """
        below = max((node.patience for node in self.nodes), default=0.0)
        return min(LONGEST_SECONDS, 2 * (self.options.control_timeout + below))

    def __str__(self) -> str:
        """``8 chips, 2 sub-workers``, or ``2 nodes, 1 sub-workers``."""
        children = f"{len(self.nodes)} nodes" if self.level > NODE_LEVEL else f"{len(self.chip_ids)} chips"
        return f"{children}, {self.sub_workers} sub-workers"


def chip_ids(level: int, chips: int | None, device_ids: Sequence[int] | None) -> tuple[int, ...]:
    """Ids of a Worker's chips, from its arguments. Raises ConfigurationError, naming the argument."""
    if (whole(level) or 0) < CHIP_LEVEL:
        raise ConfigurationError(f"level={level!r}: 2 (one chip), 3 (chips and sub-workers), 4 or more (nodes)")
    if chips is not None and device_ids is not None:
        raise ConfigurationError("give chips or device_ids, not both")
    if device_ids is not None:
        argument = f"device_ids={device_ids!r}"
        if not isinstance(device_ids, Iterable):
            raise ConfigurationError(f"{argument}: a list of distinct integers from 0")
        ids = tuple(integer("device_ids", i, 0, LAST_DEVICE) for i in device_ids)
        if len(set(ids)) != len(ids):
            raise ConfigurationError(f"{argument}: distinct integers from 0")
    else:
        count = chips if chips is not None else (1 if level == CHIP_LEVEL else 0)
        argument = f"chips={count}"
        ids = tuple(range(integer("chips", count, 0, MOST_CHILDREN)))
    if level == CHIP_LEVEL and len(ids) != 1:
        raise ConfigurationError(f"{argument}: a level 2 Worker is exactly one chip")
    if level > NODE_LEVEL and ids:
        raise ConfigurationError(f"{argument}: a level {level} Worker has its chips below its nodes; see add_worker")
    return ids


pickled_names.keep(__name__)
